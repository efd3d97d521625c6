import type { LinkId, MemberId } from "@nacre/core/membership";
import type { Clock } from "../../clock.ts";
import type { FromPeers, Peers } from "../../raft/port.ts";

export interface GroupLinksParts {
  /** @returns whether it was queued. */
  sendRaft(link: LinkId, frame: Uint8Array): boolean;
  /** Since when nobody in reach hears a member, monotonic milliseconds; undefined for one that is heard, or not known. */
  downSince(id: MemberId): number | undefined;
  /** The address of a member, as people know it. */
  shown(id: MemberId): string;
}

/**
 * What Raft needs of the links between members (`raft/port.ts`): who is in reach is who has accepted a link of this member,
 * and is heard by somebody.
 */
export class GroupLinks implements Peers {
  /** Set when the links are there, which is after the log was opened. */
  parts: GroupLinksParts | undefined;
  to: FromPeers | undefined;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #known: (id: MemberId) => string | undefined;
  readonly #outs = new Map<MemberId, LinkId>();
  /** Epoch milliseconds. */
  readonly #lostAt = new Map<MemberId, number>();
  /** The newest link over which each member was heard. */
  readonly #ins = new Map<MemberId, LinkId>();

  /** @param known  where a member was found in an earlier life of this one. */
  constructor(clock: Clock, known: (id: MemberId) => string | undefined) {
    this.#clock = clock;
    this.#known = known;
    this.#startedAt = clock.wall();
  }

  send(to: MemberId, frame: Uint8Array): void {
    const link = this.#outs.get(to);
    if (link !== undefined) this.parts?.sendRaft(link, frame);
  }

  outOfReachSince(id: MemberId): number | undefined {
    // A link over which nothing comes stands for a while.
    const downSince = this.parts?.downSince(id);
    if (this.#outs.has(id) && downSince === undefined) return undefined;
    const lostAt = this.#outs.has(id) ? undefined : this.#lostAt.get(id);
    if (lostAt !== undefined || downSince === undefined) return lostAt ?? this.#startedAt;
    return this.#clock.wall() - (this.#clock.now() - downSince);
  }

  addressOf(id: MemberId): string {
    const shown = this.parts?.shown(id) ?? id;
    return shown === id ? this.#known(id) || id : shown;
  }

  /** @returns why the link is to be closed, if it is. */
  received(link: LinkId, from: MemberId, frame: Uint8Array): string | undefined {
    const newest = this.#ins.get(from);
    // What is left of a link that ended may come after what came over the next one.
    if (newest !== undefined && link < newest) return undefined;
    if (link !== newest) this.#ins.set(from, link);
    return this.to?.received(from, frame);
  }

  /** @param link  undefined: there is none any more. */
  follow(id: MemberId, link: LinkId | undefined): void {
    const before = this.#outs.get(id);
    if (before === link) return;
    if (link === undefined) this.#outs.delete(id);
    else this.#outs.set(id, link);
    // What was under way over a link that ended is lost, also when another one stands already.
    if (before !== undefined) {
      this.#lostAt.set(id, this.#clock.wall());
      this.to?.unreachable(id);
    }
    if (link !== undefined) this.to?.reachable(id);
  }

  /** All that came over it was handed on. */
  closed(link: LinkId): void {
    for (const [id, newest] of this.#ins) if (newest === link) this.#ins.delete(id);
  }

  /** A member was forgotten. */
  forget(id: MemberId): void {
    this.follow(id, undefined);
    this.#ins.delete(id);
    if (this.#lostAt.size > 1_000) this.#lostAt.clear();
  }
}
