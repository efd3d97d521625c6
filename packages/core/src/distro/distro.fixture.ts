import type { Effect, Event } from "./events.ts";
import type { Message, Outgoing } from "./messages.ts";
import type { Change, Contents, Head, Version } from "./model.ts";
import { type DistroOptions, type NamingFacts, newDistro, type Patience } from "./state.ts";
import { nextAt, step } from "./step.ts";

export const CONTENTS: Contents = { ip: "10.0.0.1", port: 80, app: "", agent: "", createdAt: 0, publications: [] };

export function version(owner: string, counter: number, incarnation = 1): Version {
  return { owner, incarnation, counter };
}

export function head(id: string, of: Version, given: Partial<Head> = {}): Head {
  const kind = id.includes("#") ? "address" : "connection";
  return {
    id,
    kind,
    version: of,
    contentHash: of.counter,
    gone: undefined,
    answers: false,
    after: 0,
    ageMs: 0,
    ...given,
  };
}

export function sync(changes: readonly Head[], removals: readonly Head[] = [], seq = 0): Message {
  return { type: "sync", seq, changes: changes.map((of): Change => ({ ...of, contents: CONTENTS })), removals };
}

export function removal(id: string, of: Version, gone: "removed" | "lost" = "removed"): Head {
  return head(id, of, { gone, contentHash: 0 });
}

/** Member `a` of the life 1, told what happens, answering in short form. */
export function newMember(options: Partial<DistroOptions> = {}) {
  const heard = new Map<string, number>();
  /** Of which the newer client that took their place is gone. */
  const ended = new Set<string>();
  const patience = new Map<string, Patience>();
  const naming: NamingFacts = {
    heardAt: (id) => heard.get(id),
    isSuperseded: (id) => !ended.has(id),
    patienceOf: (id) => patience.get(id),
  };
  const state = newDistro("a", 1, naming, options);
  return {
    state,
    heard,
    ended,
    patience,
    effects(ms: number, event: Event): Effect[] {
      return step(state, event, ms);
    },
    at(ms: number, event: Event): string[] {
      return this.effects(ms, event).map(brief);
    },
    tell(ms: number, from: string, message: Message): string[] {
      return this.at(ms, { type: "received", from, message });
    },
    changed(ms: number, clientId: string, counter: number, contentHash = counter): string[] {
      const kind = clientId.includes("#") ? "address" : "connection";
      return this.at(ms, { type: "changed", clientId, kind, counter, contentHash });
    },
    peer(ms: number, id: string, peerState: "unknown" | "up" | "suspicious" | "down", incarnation = 1): string[] {
      return this.at(ms, { type: "peer", id, state: peerState, incarnation });
    },
    /** Ticks as the shell would, and tells what happened when. */
    ticks(from: number, to: number): [number, ...string[]][] {
      const happened: [number, ...string[]][] = [];
      for (let ms = Math.max(from, nextAt(state)); ms <= to; ms = Math.max(ms + 1, nextAt(state))) {
        const effects = this.at(ms, { type: "tick" });
        if (effects.length > 0) happened.push([ms, ...effects]);
      }
      return happened;
    },
    /** Started and ready, with peers that are up and take what they are sent. */
    ready(...peers: string[]) {
      this.at(0, { type: "start", journal: [] });
      for (const id of peers) this.peer(0, id, "up");
      for (const id of peers) this.at(0, { type: "credit", peer: id, batches: 100 });
      this.at(0, { type: "membersKnown" });
      for (const id of peers) this.tell(0, id, { type: "loadOffer", loaded: false, clients: 0 });
      for (const id of peers) this.tell(0, id, { type: "digest", loaded: false, owners: [] });
      return this;
    },
  };
}

function brief(effect: Effect): string {
  switch (effect.type) {
    case "send":
      return `${briefMessage(effect.message)} to ${effect.to}`;
    case "apply":
      return `apply ${effect.clientId} ${briefVersion(effect.version)}`;
    case "forget":
      return `forget ${effect.clientId}: ${effect.cause}`;
    case "renumber":
      return `renumber ${effect.clientId} ${briefVersion(effect.version)}`;
    case "mark":
      return `${effect.as} ${effect.clientIds.join()}`;
    case "probe":
      return `probe ${effect.clientIds.join()}`;
    case "hold":
      return `hold ${effect.clients} of ${effect.owner}/${effect.incarnation}`;
    case "release":
      return `release ${effect.owner}/${effect.incarnation}`;
    case "takeOver":
      return `takeOver ${effect.clientIds.join()}`;
    case "handOver":
      return `handOver ${effect.clientIds.join()} to ${effect.to}`;
    case "ready":
      return `ready: ${effect.how}`;
    case "notReady":
      return `not ready: ${effect.reason}`;
  }
}

function briefVersion({ owner, incarnation, counter }: Version): string {
  return `${owner}/${incarnation}/${counter}`;
}

function briefMessage(message: Outgoing): string {
  switch (message.type) {
    case "sync":
      return `sync ${[...message.changes, ...message.removals].map(briefHead).join()}`;
    case "listing":
      return `listing of ${message.owner}: ${message.heads.map(briefHead).join()}`;
    case "fetch":
      return `fetch ${message.ids.join()}`;
    case "loadChunk":
      return `chunk ${[...message.changes, ...message.removals].map(briefHead).join()}`;
    case "loadOffer":
      return message.loaded ? "loaded" : "not loaded";
    default:
      return message.type;
  }
}

function briefHead({ id, version: of, gone }: Head): string {
  return `${id} ${briefVersion(of)}${gone === undefined ? "" : ` ${gone}`}`;
}
