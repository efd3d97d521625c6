import type { Event, LinkId, MemberId, Membership } from "@nacre/core/membership";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../connections/connections.ts";
import { uncaught } from "../../faults.ts";
import type { Identity, OpenedIdentity } from "../identity.ts";
import type { Peers } from "../peer-calls.ts";
import { CatchingUp } from "./catching-up.ts";
import { Forming } from "./forming-runner.ts";
import type { GroupLinks } from "./group-links.ts";
import type { GroupHandle } from "./group-log.ts";

const RENEWING = "it takes a snapshot of the leader, because its durable data differs from that of most voters";
/** For an answer of the group's leader, through the member that was asked. */
const JOIN_MS = 5_000;

export interface MemberGroupParts {
  readonly clock: Clock;
  readonly logger: Log;
  readonly log: GroupHandle;
  readonly links: GroupLinks;
  readonly identity: OpenedIdentity;
  readonly membership: () => Membership;
  readonly feed: (event: Event) => void;
  /** @returns whether it was queued. */
  readonly sendRaft: (link: LinkId, frame: Uint8Array) => boolean;
  readonly shown: (id: MemberId) => string;
  readonly peers: Pick<Peers, "ask">;
  /** Durable data may be served, or not any more. */
  readonly servingChanged: () => void;
}

/** Joins the group's log to the cluster: who hears whom, how this member comes into its group, when it has caught up. */
export class MemberGroup {
  readonly #parts: MemberGroupParts;
  readonly #forming: Forming;
  readonly #catchingUp: CatchingUp;
  #wasRenewing = false;
  /** To which this member belongs, as it was saved last. */
  #group: string;

  constructor(parts: MemberGroupParts) {
    const { clock, logger, log, links, identity, membership, feed, sendRaft, shown, peers, servingChanged } = parts;
    this.#parts = parts;
    this.#group = groupOf(identity.identity);
    const downSince = (id: MemberId): number | undefined => {
      const member = membership().members.get(id);
      return member?.state === "DOWN" ? member.since : undefined;
    };
    links.parts = { sendRaft, shown, downSince };
    links.to = log;
    this.#forming = new Forming({
      clock,
      log: logger,
      group: log,
      identity,
      membership,
      askToJoin: (id) => peers.ask(id, "group.join", { epoch: identity.identity.epoch }, JOIN_MS),
    });
    this.#catchingUp = new CatchingUp({ clock, log: logger, readIndex: () => log.readIndex(), ended: servingChanged });
    log.outside = {
      whyNotFirst: () => this.#forming.whyNotFirst(),
      whyApart: () => this.#forming.whyApart(),
      held: () => feed({ type: "dataHeld" }),
      changed: () => {
        this.#forming.look();
        if (this.isRenewing === this.#wasRenewing) return;
        this.#wasRenewing = this.isRenewing;
        servingChanged();
      },
    };
  }

  /** What this member waits for before it serves durable data, as a clause; undefined once it does. */
  get catchingUp(): string | undefined {
    if (this.isRenewing) return RENEWING;
    return this.#catchingUp.isOver ? undefined : this.#catchingUp.reason;
  }

  /** What it holds differs from what most hold. */
  get isRenewing(): boolean {
    return this.#parts.log.group?.trust === "stateLost";
  }

  start(): void {
    this.#forming.start();
    this.#catchingUp.start();
  }

  /** This member stops: it asks for nothing more. */
  leave(): void {
    this.#forming.stop();
  }

  stop(): void {
    this.#forming.stop();
    this.#catchingUp.stop();
  }

  /** Who this member is. When it is of another group by that, what it holds of the one before is given up. */
  async save(ids: Pick<Identity, "clusterId" | "settled" | "epoch" | "joined">): Promise<void> {
    const { identity, log } = this.#parts;
    const group = groupOf(ids);
    const isOther = group !== this.#group;
    await identity.save({ ...ids, ...(isOther && { group: "over" }) });
    this.#group = group;
    if (isOther) log.giveUp().catch(uncaught);
  }
}

function groupOf({ clusterId, epoch }: Pick<Identity, "clusterId" | "epoch">): string {
  return `${clusterId} ${epoch}`;
}
