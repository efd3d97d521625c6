import { compareVersions } from "@nacre/core/distro";
import { type Found, versionText } from "./compare.ts";
import type { KnownClient, OwnersAnswer } from "./wire.ts";

/** What members said, for explaining what differs. */
export interface Said {
  /** By member and client; a member that does not know a client has no entry for it. */
  readonly known: ReadonlyMap<string, ReadonlyMap<string, KnownClient>>;
  readonly owners: ReadonlyMap<string, OwnersAnswer>;
  /** By member, for one instance: what its journal says of the removal; blank where it says nothing. */
  readonly gone: ReadonlyMap<string, string>;
  /** Who is to own an address client, as this member sees it; undefined for others. */
  readonly ringOwner: (clientId: string) => string | undefined;
  /** The address of a member. */
  readonly shown: (memberId: string) => string;
}

export interface Why {
  /** How long ago the change was made that is not everywhere; undefined when nobody can say. */
  readonly ageMs: number | undefined;
  readonly why: string;
}

export function explain(found: Found, said: Said): Why {
  if (!found.ephemeral)
    return {
      ageMs: undefined,
      why: "it is durable data, of which a member has not applied the newest yet: nacre raft status says which",
    };
  for (const id of found.clientIds) {
    const about = explainClient(id, said);
    if (about === undefined) continue;
    const journal = [...said.gone.values()].filter((sentence) => sentence !== "");
    return { ...about, why: [about.why, ...journal].join("; ") };
  }
  if (found.field === "shown") return { ageMs: undefined, why: shownWhy(found, said) };
  const without = [...found.values].filter(([, value]) => value === "not there").map(([member]) => said.shown(member));
  const where = without.length > 0 ? ` of ${without.join(", ")}` : "";
  return {
    ageMs: undefined,
    why: `all hold the same versions, so a bound on instances or services may be reached: look for refusals in the log${where}`,
  };
}

/** Why members know different versions of a client; undefined when they do not. */
export function explainClient(id: string, said: Said): Why | undefined {
  const all = [...said.known].map(([member, clients]) => ({ member, client: clients.get(id) }));
  const newest = all.reduce<KnownClient | undefined>(
    (best, { client }) => (client !== undefined && (best === undefined || isNewer(client, best)) ? client : best),
    undefined,
  );
  if (newest === undefined) return undefined;
  const lagging = all.filter(({ client }) => client === undefined || !isSame(client, newest));
  if (lagging.length === 0) return undefined;
  const ages = all.flatMap(({ client }) => (client !== undefined && isSame(client, newest) ? [client.ageMs] : []));
  const owner = said.shown(newest.owner);
  const made = {
    held: `published ${versionText(newest)}`,
    removed: "removed it",
    lost: "is lost, and it was given up",
  };
  const behind = lagging.map(({ member, client }) => behindText(member, client, newest, said));
  return { ageMs: Math.min(...ages), why: `${owner} ${made[newest.state]}; ${behind.join("; ")}` };
}

function behindText(member: string, client: KnownClient | undefined, newest: KnownClient, said: Said): string {
  const has =
    client === undefined
      ? "does not know the client"
      : client.state === "held"
        ? isSameVersion(client, newest)
          ? newest.state === "held"
            ? "holds this version with another content"
            : "still holds it"
          : `holds ${versionText(client)}${client.owner === newest.owner ? "" : ` of ${said.shown(client.owner)}`}`
        : client.state === "removed"
          ? "holds that it was removed"
          : "gave it up, because its owner was lost";
  return `${said.shown(member)} ${has}${wayText(member, newest.owner, said)}`;
}

/** How the owner stands with the member that is behind. */
function wayText(member: string, owner: string, said: Said): string {
  if (member === owner) return "";
  const told = said.owners.get(owner);
  if (told === undefined) return `, and its owner ${said.shown(owner)} gave no answer`;
  const waiting = said.owners.get(member)?.waitingFor ?? "";
  if (waiting !== "") return `, and has not loaded: ${waiting}`;
  const peer = told.peers.find(({ id }) => id === member);
  if (peer === undefined || !peer.reachable) return `, and ${said.shown(owner)} does not reach it`;
  const count = peer.pending + peer.inFlight;
  return count === 0 ? "" : `, and ${count} changes wait for it at ${said.shown(owner)}`;
}

function shownWhy({ values, clientIds }: Found, said: Said): string {
  for (const id of clientIds) {
    const owner = [...said.known.values()].flatMap((clients) => clients.get(id)?.owner ?? [])[0];
    const next = said.ringOwner(id);
    if (next !== undefined && owner !== undefined && next !== owner)
      return `${said.shown(owner)} has it, ${said.shown(next)} is to have it from now on, and waits for its next heartbeat`;
  }
  const doubting = [...values].filter(([, value]) => value !== "asPublished").map(([member]) => said.shown(member));
  return `${doubting.join(", ")} ${doubting.length === 1 ? "does" : "do"} not hear from its owner, and others do`;
}

function isNewer(a: KnownClient, b: KnownClient): boolean {
  return compareVersions(versioned(a), versioned(b)) > 0;
}

function isSame(a: KnownClient, b: KnownClient): boolean {
  return a.state === b.state && isSameVersion(a, b) && a.contentHash === b.contentHash;
}

function isSameVersion(a: KnownClient, b: KnownClient): boolean {
  return a.owner === b.owner && a.incarnation === b.incarnation && a.counter === b.counter;
}

function versioned({ owner, incarnation, counter, state }: KnownClient) {
  return { version: { owner, incarnation, counter }, gone: state === "held" ? undefined : state };
}
