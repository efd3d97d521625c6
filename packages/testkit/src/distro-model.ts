import type {
  Contents,
  DistroOptions,
  DistroState,
  Effect,
  Event,
  Head,
  Message,
  PeerState,
  step,
  Version,
} from "@nacre/core/distro";
import type { World } from "./distro-world.ts";

/** How often the world looks around. */
export const LOOK_MS = 250;
/** After which a member that nobody hears is down. */
export const DOWN_MS = 3_000;

/** What a client publishes is one instance; `generation` grows with each connection of one process. */
export interface Published {
  readonly kind: "connection" | "address";
  version: Version;
  /** Whether this member's naming changes it. */
  own: boolean;
  contents: Contents;
  contentHash: number;
  shown: "asPublished" | "unconfirmed" | "unhealthy";
}

export interface SimMember {
  readonly id: string;
  readonly at: number;
  incarnation: number;
  /** Undefined while it is down. */
  distro: DistroState | undefined;
  /** The toy of naming: everything that this member holds. */
  readonly naming: Map<string, Published>;
  readonly heardAt: Map<string, number>;
  journal: { head: Head; published: Published | undefined }[];
  startedAt: number;
  crashedAt: number;
  readyAt: number | undefined;
  pausedUntil: number;
  /** When its next tick is due. */
  wakeAt: number;
  isolatedUntil: number;
  isolated: boolean;
  ring: readonly string[];
  /** When that ring came into force. */
  ringAt: number;
  ringNext: { readonly members: readonly string[]; readonly since: number };
  readonly sees: Map<string, { state: PeerState; incarnation: number; directSince: number; lastAt: number }>;
}

/** A process that registers one instance, over a connection or by address. */
export interface SimClient {
  readonly name: string;
  readonly kind: "connection" | "address";
  clientId: string;
  /** The member it is connected to; for an address client, members that it can reach. */
  member: SimMember | undefined;
  published: boolean;
  text: number;
  generation: number;
  changedAt: number;
  reconnectAt: number;
  /** Its machine is off. */
  deadUntil: number;
  beatAt: number;
  /** Which side of the network it is on: index of a member that it always reaches. */
  side: number;
}

export interface Link {
  cut: boolean;
  loss: number;
  duplicates: number;
  delayMaxMs: number;
}

/** What a run looks at. A checker throws when its invariant does not hold. */
export interface Checker {
  readonly name: string;
  /** After a step of one member and its effects. `again`: the event is one that had just been fed. */
  stepped?(world: World, member: SimMember, event: Event, effects: readonly Effect[], again: boolean): void;
  /** Every 250 ms. */
  looked?(world: World): void;
  sent?(world: World, from: SimMember, to: SimMember, message: Message): void;
}

export interface WorldOptions {
  readonly distro: Partial<DistroOptions>;
  /** Stands between the world and the core: tests of checkers break it here. */
  readonly step: typeof step;
  readonly checkers: readonly Checker[];
}

export function newMember(at: number): SimMember {
  return {
    id: `m${at}`,
    at,
    incarnation: 0,
    distro: undefined,
    naming: new Map(),
    heardAt: new Map(),
    journal: [],
    startedAt: 0,
    crashedAt: 0,
    readyAt: undefined,
    pausedUntil: 0,
    wakeAt: Infinity,
    isolatedUntil: 0,
    isolated: false,
    ring: [],
    ringAt: 0,
    ringNext: { members: [], since: 0 },
    sees: new Map(),
  };
}

export function contentsOf({ name, text, generation, kind }: SimClient): Contents {
  const service = { namespace: "public", group: "g", name: `s${name.length % 3}` };
  const instance = {
    ip: name,
    port: 80,
    weight: 1,
    healthy: true,
    enabled: true,
    cluster: "DEFAULT",
    metadata: { text: String(text) },
    instanceId: undefined,
  };
  const app = hash(name) % 4 === 0 ? "answers" : "";
  const createdAt = kind === "address" ? 0 : generation;
  return { ip: name, port: 80, app, agent: "", createdAt, publications: [{ service, instances: [instance] }] };
}

export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  return (value ^ (value >>> 13)) >>> 0;
}
