import type { Change, Head, Message } from "@nacre/core/distro";
import { WEIGHT_MAX } from "@nacre/core/naming";
import { portBroken } from "@nacre/protocol";
import { COUNT_MAX } from "./limits.ts";

/**
 * What members may tell each other of clients: what no member lets a client do, whatever its options are, no other member
 * may bring in. What options decide (characters of names, the length of metadata) is checked where a client speaks;
 * members with other options are still members of one cluster.
 */

/** All that are held, former ones included; each that differs is asked for its buckets. */
const OWNERS_MAX = 1_000;
const CLUSTER = /^[0-9a-zA-Z-]+$/;
const PERSISTENT = "#false";
const ID = /^[\x21-\x7e]{1,200}$/;

/** @returns what is wrong with the message, naming the client and the rule; undefined when nothing is. */
export function messageBroken(message: Message): string | undefined {
  switch (message.type) {
    case "sync":
    case "loadChunk":
      return firstOf(message.changes, changeBroken) ?? firstOf(message.removals, headBroken);
    case "listing":
    case "handOver":
    case "marks":
      return firstOf(message.heads, headBroken);
    case "digest":
      if (message.owners.length > OWNERS_MAX)
        return `a digest names ${message.owners.length} owners, more than ${OWNERS_MAX}`;
      return firstOf(message.owners, ({ owner }) =>
        ID.test(owner) ? undefined : "an owner in a digest is no member id",
      );
    default:
      return undefined;
  }
}

function firstOf<T>(items: readonly T[], broken: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const why = broken(item);
    if (why !== undefined) return why;
  }
  return undefined;
}

function headBroken({ id, version, after }: Head): string | undefined {
  if (!ID.test(version.owner)) return `the owner of client ${shown(id)} is no member id`;
  if (version.incarnation > COUNT_MAX || version.counter > COUNT_MAX || after > COUNT_MAX)
    return `the version of client ${shown(id)} is beyond ${COUNT_MAX}`;
  // One of that name here would make entries of the log mean something else at this member.
  if (id.endsWith(PERSISTENT)) return `client ${shown(id)} is a persistent one, which members have from the log`;
  return id.trim() === "" ? "a client has a blank id" : undefined;
}

function changeBroken(change: Change): string | undefined {
  const { contents } = change;
  const broken = headBroken(change) ?? portBroken(contents.port);
  if (broken !== undefined) return broken;
  if (!Number.isFinite(contents.createdAt)) return `client ${shown(change.id)} was made at no moment`;
  // Mostly all instances are of one cluster.
  let seen = "";
  for (const { service, instances } of contents.publications) {
    if (service.namespace === "" || service.group === "" || service.name.trim() === "")
      return `client ${shown(change.id)} publishes for a service without a name`;
    for (const { ip, port, weight, cluster } of instances) {
      if (!(port <= 65_535)) return `an instance of client ${shown(change.id)} has port ${port}, above 65535`;
      if (!(weight >= 0 && weight <= WEIGHT_MAX))
        return `an instance of client ${shown(change.id)} has weight ${weight}, not from 0 to ${WEIGHT_MAX}`;
      if (ip.trim() === "") return `an instance of client ${shown(change.id)} has no address`;
      if (cluster !== seen && !CLUSTER.test(cluster))
        return `an instance of client ${shown(change.id)} is in ${shown(cluster)}, which is no name of a cluster`;
      seen = cluster;
    }
  }
  return undefined;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}
