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
import type { ServiceName } from "@nacre/protocol";
import type { World } from "./distro-world.ts";

/** How often the world looks around. */
export const LOOK_MS = 250;
/** After which a member that nobody hears is down. */
export const DOWN_MS = 3_000;

/** What a member's naming holds of a client. */
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

/** A process that registers its instance for some services, over a connection or by address. */
export interface SimClient {
  readonly name: string;
  readonly kind: "connection" | "address";
  clientId: string;
  /** The member it is connected to; for an address client, members that it can reach. */
  member: SimMember | undefined;
  published: boolean;
  /** What it says of its instance, by service. */
  readonly texts: Map<string, number>;
  /** Grows with each connection of one process. */
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

export function contentsOf({ name, texts, generation, kind }: SimClient): Contents {
  const instance = {
    ip: name,
    port: 80,
    weight: 1,
    healthy: true,
    enabled: true,
    cluster: "DEFAULT",
    metadata: {},
    instanceId: undefined,
  };
  const app = hash(name) % 4 === 0 ? "answers" : "";
  const createdAt = kind === "address" ? 0 : generation;
  const publications = [...texts].map(([service, text]) => ({
    service: { namespace: "public", group: "g", name: service },
    instances: [{ ...instance, metadata: { text: String(text) } }],
  }));
  return { ip: name, port: 80, app, agent: "", createdAt, publications };
}

/** Like the hash of naming, over what is published and in no order. */
export function contentHashOf({ publications }: Contents): number {
  return publications.reduce((sum, publication) => (sum + hash(JSON.stringify(publication))) >>> 0, 0);
}

/** What naming gives when it is asked for some services. */
export function partOf(contents: Contents, services: readonly ServiceName[] | undefined): Contents {
  if (services === undefined) return contents;
  const publications = services.map(
    (service) => contents.publications.find((held) => held.service.name === service.name) ?? { service, instances: [] },
  );
  return { ...contents, publications };
}

/** What naming holds after it was given a part. */
export function withPart(held: Contents, part: Contents): Contents {
  const publications = new Map([...held.publications, ...part.publications].map((one) => [one.service.name, one]));
  return { ...part, publications: [...publications.values()].filter(({ instances }) => instances.length > 0) };
}

/** The services for which two contents differ. */
export function differing(a: Contents, b: Contents): ServiceName[] {
  const told = (contents: Contents, { name }: ServiceName): string =>
    JSON.stringify(contents.publications.find(({ service }) => service.name === name));
  const all = new Map([...a.publications, ...b.publications].map(({ service }) => [service.name, service]));
  return [...all.values()].filter((service) => told(a, service) !== told(b, service));
}

export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  return (value ^ (value >>> 13)) >>> 0;
}
