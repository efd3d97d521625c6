import { type DistroState, distroFacts, type Head, type HeadPlace, headOf, headsAfter } from "@nacre/core/distro";
import {
  type CauseRecord,
  causeSentence,
  causesOf,
  causeText,
  findService,
  type NamingState,
  type ShownInstance,
  servicesAfter,
  shownDigest,
  shownInstances,
} from "@nacre/core/naming";
import { list, object, optionalText, type ServiceName, text } from "@nacre/protocol";
import type { Page } from "../peer-calls.ts";
import {
  type ConvergeCalls,
  type KnownClient,
  PAGE_CHARS,
  PAGE_INSTANCES,
  PAGE_ITEMS,
  type ServiceDigest,
  serviceFields,
  word,
} from "./wire.ts";

export type ConvergeName = keyof ConvergeCalls;

export interface AnsweringSetup {
  readonly naming: NamingState;
  readonly distro: DistroState;
  readonly now: () => number;
  /** The address of a member. */
  readonly shown: (memberId: string) => string;
}

const fromField = object({ from: optionalText() });
const idsField = object({ ids: list(text(), PAGE_ITEMS) });
const ownerField = object({ owner: text(), from: optionalText() });
const instancesField = object({ ...serviceFields, from: optionalText() });
const whyField = object({
  ...serviceFields,
  key: text(),
  what: word(["removed", "unhealthy", "healthy"], "removed"),
});

/** This member's answers, to another one and to itself. @throws RegistryError for a question of another shape. */
export function answersOf({ naming, distro, now, shown }: AnsweringSetup): {
  readonly [Name in ConvergeName]: (given: unknown) => ConvergeCalls[Name]["answered"];
} {
  return {
    "converge.owners": () => {
      const { peers, waitingFor = "" } = distroFacts(distro, now());
      return {
        owners: distro.table.digest(),
        peers: peers.map(({ id, reachable, pending, inFlight }) => ({ id, reachable, pending, inFlight })),
        waitingFor,
      };
    },
    "converge.services": (given) => servicePage(naming, fromField.read(given, "").from),
    "converge.instances": (given) => {
      const { from, ...name } = instancesField.read(given, "");
      return instancePage(naming, name, from);
    },
    "converge.clients": (given) => ({
      items: idsField.read(given, "").ids.flatMap((id) => {
        const entry = distro.table.get(id);
        return entry === undefined ? [] : [knownOf(headOf(entry, now()))];
      }),
    }),
    "converge.heads": (given) => {
      const { owner, from } = ownerField.read(given, "");
      return headPage(distro, owner, from, now());
    },
    "converge.why": (given) => {
      const { key, what, ...name } = whyField.read(given, "");
      return lastCause(naming, name, key, what, shown);
    },
  };
}

function servicePage(naming: NamingState, from: string | undefined): Page<ServiceDigest> {
  const items: ServiceDigest[] = [];
  let [instances, chars] = [0, 0];
  const after = from === undefined ? undefined : nameIn(from);
  for (const service of servicesAfter(naming, after)) {
    const last = items.at(-1);
    if (last !== undefined && (items.length >= PAGE_ITEMS || instances >= PAGE_INSTANCES || chars >= PAGE_CHARS))
      return { items, next: JSON.stringify([last.namespace, last.group, last.name]) };
    items.push({ ...service.name, digest: shownDigest(service) });
    instances += service.hosts.size;
    chars += service.key.length;
  }
  return { items, next: undefined };
}

/** What follows the place that the last page said; a place that is none is the beginning. */
function nameIn(from: string): ServiceName | undefined {
  const [namespace, group, name] = parsed(from);
  if (typeof namespace !== "string" || typeof group !== "string" || typeof name !== "string") return undefined;
  return { namespace, group, name };
}

function parsed(from: string): readonly unknown[] {
  try {
    const read: unknown = JSON.parse(from);
    return Array.isArray(read) ? read : [];
  } catch {
    return [];
  }
}

function instancePage(naming: NamingState, name: ServiceName, from: string | undefined): Page<ShownInstance> {
  const service = findService(naming, name);
  const items: ShownInstance[] = [];
  let chars = 0;
  for (const shown of service === undefined ? [] : shownInstances(service)) {
    if (from !== undefined && shown.key <= from) continue;
    if (items.length >= PAGE_ITEMS || chars >= PAGE_CHARS) return { items, next: items.at(-1)?.key };
    items.push(shown);
    chars += shown.metadata.length + shown.clientId.length;
  }
  return { items, next: undefined };
}

function headPage(distro: DistroState, owner: string, from: string | undefined, now: number): Page<KnownClient> {
  const items: KnownClient[] = [];
  let last: HeadPlace | undefined;
  for (const { bucket, id, head } of headsAfter(distro, owner, placeIn(from), now)) {
    if (items.length >= PAGE_ITEMS && last !== undefined)
      return { items, next: JSON.stringify([last.bucket, last.id]) };
    items.push(knownOf(head));
    last = { bucket, id };
  }
  return { items, next: undefined };
}

function placeIn(from: string | undefined): HeadPlace | undefined {
  const [bucket, id] = parsed(from ?? "");
  return typeof bucket === "number" && typeof id === "string" ? { bucket, id } : undefined;
}

export function knownOf({ id, version, gone, contentHash, ageMs }: Head): KnownClient {
  return { id, state: gone ?? "held", ...version, contentHash, ageMs };
}

/** An address of IP version 6 has colons of its own; port and cluster have none. */
export const INSTANCE_KEY: RegExp = /^(.*):(\d+):([^:]*)$/;

function lastCause(
  naming: NamingState,
  { namespace, group, name }: ServiceName,
  key: string,
  what: CauseRecord["what"],
  shown: (memberId: string) => string,
): ConvergeCalls["converge.why"]["answered"] {
  const [, ip, port] = INSTANCE_KEY.exec(key) ?? [];
  const query = { namespace, group, name, ip, port: port === undefined ? undefined : Number(port) };
  const record = causesOf(naming, query, PAGE_ITEMS).find((one) => one.instance === key && one.what === what);
  if (record === undefined) return { sentence: "", because: "", at: 0 };
  return { sentence: causeSentence(record, shown), because: causeText(record, shown), at: record.at };
}
