import type { Effect, Event } from "./events.ts";
import type { Card, Frame, MemberState, Sight } from "./frames.ts";
import { type Membership, type MembershipOptions, newMembership, type Start } from "./state.ts";
import { step } from "./step.ts";

export const START = 1_767_225_600_000;
const TICK_MS = 100;
const PROBE_MS = 500;

/** A peer that does as it is told: it answers or not, probes or not, lets itself be called or not. */
export interface Peer {
  card: Card;
  address: string;
  answers: boolean;
  probes: boolean;
  /** What happens to a call. */
  door: "open" | "refuses" | "silent";
  row: Sight[];
  /** What it says when it is asked to probe another. */
  denies: boolean;
  /** As what it refuses this member: as a copy. */
  refuses?: string | undefined;
}

export function card(id: string, ip: string, about: Partial<Card> = {}): Card {
  return {
    id,
    clusterId: "prod",
    settled: true,
    epoch: 0,
    incarnation: 1,
    beat: 0,
    addresses: [`${ip}:8848`],
    protocol: { speaks: 1, oldest: 1 },
    version: "1.2.3",
    fingerprint: "f",
    listHash: "",
    clockAt: 0,
    state: "UP",
    forever: false,
    pausedMs: 0,
    ...about,
  };
}

/** The member `a` at 10.0.0.1 among peers that are scripted; what it decides is kept in short form. */
export class Bench {
  now = START;
  readonly core: Membership;
  readonly peers: Peer[] = [];
  readonly sent: { to: Peer | undefined; frame: Frame }[] = [];
  /** `seconds what`, since they were last taken. */
  #said: string[] = [];
  readonly #links = new Map<number, { peer: Peer; isInbound: boolean }>();
  #nextLink = 1;
  #seq = 1;

  constructor(list: string | undefined, about: Partial<Start> = {}, options: Partial<MembershipOptions> = {}) {
    const start: Start = {
      id: "a",
      incarnation: 1,
      clusterId: "prod",
      settled: true,
      epoch: 0,
      holdsData: false,
      joined: [],
      protocol: { speaks: 1, oldest: 1 },
      version: "1.2.3",
      fingerprint: "f",
      port: 8848,
      host: undefined,
      ...about,
    };
    this.core = newMembership(start, this.now, options);
    this.feed({ type: "localAddresses", ips: ["10.0.0.1"] });
    this.feed({ type: "listRead", text: list, source: "cluster.conf" });
  }

  peer(id: string, ip: string, about: Partial<Card> = {}): Peer {
    const peer: Peer = {
      card: card(id, ip, { listHash: this.core.list.hash, ...about }),
      address: `${ip}:8848`,
      answers: true,
      probes: true,
      door: "open",
      row: [],
      denies: true,
    };
    this.peers.push(peer);
    return peer;
  }

  /** What was said since it was last asked for. */
  get said(): string[] {
    return this.#said.splice(0);
  }

  state(id: string): MemberState | undefined {
    return this.core.members.get(id)?.state;
  }

  feed(event: Event): void {
    for (const effect of step(this.core, event, this.now)) this.#perform(effect);
  }

  run(ms: number): this {
    for (const until = this.now + ms; this.now < until; ) {
      this.now += TICK_MS;
      if ((this.now - START) % PROBE_MS === 0) for (const peer of this.peers) if (peer.probes) this.probe(peer);
      this.feed({ type: "tick", clockAt: this.now });
    }
    return this;
  }

  /** Its process dies, or starts anew: all its links end. */
  hangUp(peer: Peer): void {
    for (const [link, end] of this.#links)
      if (end.peer === peer) {
        this.#links.delete(link);
        this.feed({ type: "linkClosed", link, error: "closed" });
      }
  }

  /** As a kill does: links end, and the machine refuses. */
  kill(peer: Peer): void {
    peer.answers = false;
    peer.probes = false;
    peer.door = "refuses";
    this.hangUp(peer);
  }

  cutOff(peer: Peer): void {
    peer.answers = false;
    peer.probes = false;
    peer.door = "silent";
  }

  heal(peer: Peer): void {
    peer.answers = true;
    peer.probes = true;
    peer.door = "open";
  }

  probe(peer: Peer): void {
    const known = [...this.#links].find(([, end]) => end.peer === peer && end.isInbound);
    const link = known?.[0] ?? this.#nextLink++;
    if (known === undefined) {
      this.#links.set(link, { peer, isInbound: true });
      this.feed({ type: "linkOpened", link, address: undefined });
    }
    const frame: Frame = { type: "probe", seq: this.#seq++, card: this.#cardOf(peer), row: peer.row, list: undefined };
    this.feed({ type: "received", link, frame });
  }

  #cardOf(peer: Peer): Card {
    peer.card = { ...peer.card, beat: peer.card.beat + 1, clockAt: this.now };
    return peer.card;
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case "connect": {
        const { address } = effect;
        const peer = this.peers.find((each) => each.address === address);
        if (peer?.door === "open") {
          const link = this.#nextLink++;
          this.#links.set(link, { peer, isInbound: false });
          return this.feed({ type: "linkOpened", link, address });
        }
        const refused = peer?.door === "refuses";
        const error = refused ? "connection refused" : "no answer";
        return this.feed({ type: "connectFailed", address, error, refused });
      }
      case "closeLink":
        this.#links.delete(effect.link);
        return;
      case "send":
        return this.#take(effect.link, effect.frame);
      case "memberChanged":
        return this.#say(`${effect.id} ${effect.to ?? "forgotten"}`);
      case "selfChanged":
        return this.#say(`self ${effect.state} ${effect.address ?? "without address"}`);
      case "persist":
        return this.#say(
          `persist ${effect.clusterId}${effect.settled ? " settled" : ""}${effect.epoch > 0 ? ` epoch ${effect.epoch}` : ""} [${effect.joined.join(" ")}]`,
        );
      case "restarted":
        return this.#say(`${effect.id} restarted`);
      case "ringChanged":
        return this.#say(`ring ${effect.members.join(" ")}`);
      case "joined":
        return this.#say(`joined ${effect.address}`);
      case "joinCancelled":
        return this.#say(`cancelled ${effect.addresses}`);
      case "joinRefused":
      case "cancelRefused":
      case "forgetRefused":
        return this.#say(effect.sentence);
      case "resolve":
        return this.#say(`resolve ${effect.host}`);
    }
  }

  #say(what: string): void {
    this.#said.push(`${((this.now - START) / 1000).toFixed(1)} ${what}`);
  }

  #take(link: number, frame: Frame): void {
    const peer = this.#links.get(link)?.peer;
    this.sent.push({ to: peer, frame });
    if (peer?.refuses !== undefined && frame.type === "probe") {
      const {
        refuses: sentence,
        card: { id },
      } = peer;
      return this.feed({ type: "received", link, frame: { type: "refuse", code: "twin", sentence, id } });
    }
    if (peer === undefined || !peer.answers) return;
    if (frame.type === "probe") {
      const { seq } = frame;
      const answer: Frame = {
        type: "answer",
        seq,
        card: this.#cardOf(peer),
        row: peer.row,
        listed: true,
        list: undefined,
      };
      this.feed({ type: "received", link, frame: answer });
    }
    if (frame.type === "probeFor" && peer.denies) {
      const denial: Frame = {
        type: "probedFor",
        target: frame.target,
        incarnation: 0,
        beat: -1,
        error: "connection refused",
      };
      this.feed({ type: "received", link, frame: denial });
    }
  }
}
