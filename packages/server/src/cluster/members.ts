import { MEMBERSHIP_DEFAULTS, peers, unfound } from "@nacre/core/membership";
import { RegistryError } from "@nacre/protocol";
import type { Clock } from "../clock.ts";
import type { RaftStatus } from "../raft/port.ts";
import type { ServerStatus } from "../readiness.ts";
import type { Cluster } from "./cluster.ts";

export const MEMBER_STATES = ["STARTING", "UP", "SUSPICIOUS", "DOWN", "ISOLATION"] as const;
export type MemberState = (typeof MEMBER_STATES)[number];

/** An entry of the cluster list. Its address is how clients and members know it. */
export interface Member {
  readonly ip: string;
  /** The main HTTP port. */
  readonly port: number;
  readonly state: MemberState;
  /** Blank while it has not said so. */
  readonly version: string;
  /** Epoch milliseconds of the last sign of life, 0 for none. */
  readonly refreshedAt: number;
  /** Probes in a row, or calls of its address, that came to nothing. */
  readonly failures: number;
}

/** The group of voters as this member knows it, by addresses. */
export interface GroupView {
  /** Undefined while nobody leads. */
  readonly leader: string | undefined;
  readonly voters: readonly string[];
  readonly term: number;
  /** Why this member takes no writes, as a sentence. */
  readonly refusing: string | undefined;
}

/** The cluster as this member sees it. */
export interface Members {
  self(): Member;
  /** All members, this one first; addresses that are listed and behind which nobody was found yet, too. */
  list(): readonly Member[];
  /** Who changes durable data. */
  group(): GroupView;
  /** Address of the member that speaks for what is known by `ip:port`, as clients that send heartbeats are. */
  ownerOf(ip: string, port: number): string;
  /** Address of a member by its id; the id when nobody is known by it. */
  shown(memberId: string): string;
}

/** The cluster of a server that runs alone. */
export function alone(self: () => Member): Members {
  const address = (): string => addressOf(self());
  const group = (): GroupView => ownGroup(address());
  return { self, list: () => [self()], group, ownerOf: address, shown: address };
}

export interface MembersSetup {
  readonly cluster: () => Pick<Cluster, "members" | "others" | "ownerOf" | "shown">;
  readonly clock: Clock;
  readonly self: () => { ip: string; port: number; status: ServerStatus; version: string };
  /** Undefined for a member that keeps nothing on disk, and for one whose log is being exchanged. */
  readonly group: () => RaftStatus | undefined;
}

/** The members as membership knows them, this one first as it knows itself. */
export function membersOf({ cluster, clock, self, group }: MembersSetup): Members {
  const own = (): Member => {
    const { ip, port, status, version } = self();
    const { selfAddress } = cluster().members.state;
    const at = selfAddress === undefined ? { ip, port } : hostPortOf(selfAddress);
    return { ...at, state: memberState(status), version, refreshedAt: clock.wall(), failures: 0 };
  };
  const shown = (memberId: string): string =>
    memberId === cluster().members.state.start.id ? addressOf(own()) : cluster().shown(memberId);
  return {
    self: own,
    list() {
      const { state } = cluster().members;
      const now = clock.now();
      const others = peers(state, now).flatMap((peer): Member[] => {
        const { addresses, version, heardAt, unanswered: failures } = peer;
        const [address] = addresses;
        if (address === undefined) return [];
        const refreshedAt = Math.round(clock.wall() - (now - heardAt));
        return [{ ...hostPortOf(address), state: SHOWN[peer.state], version, refreshedAt, failures }];
      });
      return [own(), ...others, ...unfound(state).map((one) => missing(one, now))];
    },
    group() {
      const status = group();
      if (status === undefined) return cluster().others ? NO_GROUP : ownGroup(addressOf(own()));
      const { leader, configuration, term, refusing } = status;
      return { leader: leader && shown(leader), voters: configuration.voters.map(shown), term, refusing };
    },
    ownerOf(ip, port) {
      const owner = cluster().ownerOf(`${ip.trim()}:${port}#true`);
      // Before there is a ring, whoever is asked serves.
      return owner === undefined ? addressOf(own()) : shown(owner);
    },
    shown,
  };
}

/** Of a member that keeps nothing: alone it changes what it has, for ever in one term; beside others nobody does. */
function ownGroup(address: string): GroupView {
  return { leader: address, voters: [address], term: 1, refusing: undefined };
}

const NO_GROUP: GroupView = { leader: undefined, voters: [], term: 0, refusing: undefined };

/** An address behind which nobody was found: down, unless nobody has tried yet. */
function missing({ address, since, errors }: ReturnType<typeof unfound>[number], now: number): Member {
  const isTried = errors.length > 0;
  const failures = isTried ? 1 + Math.floor((now - since) / REDIAL_MS) : 0;
  return { ...hostPortOf(address), state: isTried ? "DOWN" : "STARTING", version: "", refreshedAt: 0, failures };
}

/** Consoles and scripts know the five states of the reference: one that leaves is not to be chosen any more. */
const SHOWN = { STARTING: "STARTING", UP: "UP", SUSPICIOUS: "SUSPICIOUS", DOWN: "DOWN", LEAVING: "DOWN" } as const;

/** Whoever is not found is called this often. */
const REDIAL_MS = MEMBERSHIP_DEFAULTS.redialMs;

function hostPortOf(address: string): { ip: string; port: number } {
  const at = address.lastIndexOf(":");
  return { ip: address.slice(0, at).replace(/^\[(.*)\]$/, "$1"), port: Number(address.slice(at + 1)) };
}

export function addressOf({ ip, port }: { ip: string; port: number }): string {
  return `${ip.includes(":") ? `[${ip}]` : ip}:${port}`;
}

/** A member that an operator narrowed is still a member that is up. */
export function memberState(status: ServerStatus): MemberState {
  return status === "STARTING" || status === "DOWN" ? status : "UP";
}

/** The name of the group of voters among those that monitoring scripts look for. */
const GROUP = "naming_persistent_service_v2";

/**
 * A member as the APIs show it, with the one group there is where scripts look for those of the reference. Addresses in it
 * are main ones, and no `raftPort` is named, because none is open.
 */
export function memberBody(member: Member, { group }: Pick<Members, "group">): Record<string, unknown> {
  const { ip, port, state, version, refreshedAt, failures } = member;
  const { leader = "", voters, term, refusing } = group();
  const error = refusing === undefined ? {} : { errMsg: refusing };
  const log = voters.length === 0 ? {} : { [GROUP]: { leader, raftGroupMember: voters, term, ...error } };
  return {
    ip,
    port,
    state,
    address: addressOf(member),
    failAccessCnt: failures,
    grpcReportEnabled: false,
    extendInfo: {
      adWeight: "0",
      lastRefreshTime: refreshedAt,
      readyToUpgrade: true,
      site: "unknow",
      version,
      weight: "1",
      supportGrayModel: false,
      raftMetaData: { metaDataMap: log },
    },
    abilities: {
      remoteAbility: { supportRemoteConnection: true, grpcReportEnabled: false },
      configAbility: { supportRemoteMetrics: false },
      namingAbility: { supportJraft: false },
    },
  };
}

/** Members whose address begins with the text and, if named, are in the state. @throws RegistryError for an unknown state. */
export function findMembers(all: readonly Member[], addressPrefix: string, state: string): Member[] {
  const wanted = state.trim().toUpperCase();
  if (wanted !== "" && !MEMBER_STATES.some((known) => known === wanted))
    throw new RegistryError(
      "illegalState",
      `Param 'state' must be one of ${MEMBER_STATES.join(", ")}, not '${state}'.`,
    );
  return all.filter(
    (member) => addressOf(member).startsWith(addressPrefix.trim()) && (wanted === "" || member.state === wanted),
  );
}
