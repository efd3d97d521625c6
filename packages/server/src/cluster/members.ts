import { peers } from "@nacre/core/membership";
import { RegistryError } from "@nacre/protocol";
import type { Clock } from "../clock.ts";
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
  readonly version: string;
  /** Epoch milliseconds of the last sign of life. */
  readonly refreshedAt: number;
}

/** The cluster as this member sees it. */
export interface Members {
  self(): Member;
  /** All members, this one among them. */
  list(): readonly Member[];
}

/** The cluster of a server that runs alone. */
export function alone(self: () => Member): Members {
  return { self, list: () => [self()] };
}

export interface MembersSetup {
  readonly cluster: () => Pick<Cluster, "members">;
  readonly clock: Clock;
  readonly self: () => { ip: string; port: number; status: ServerStatus; version: string };
}

/** The members as membership knows them, this one first as it knows itself. */
export function membersOf({ cluster, clock, self }: MembersSetup): Members {
  const own = (): Member => {
    const { ip, port, status, version } = self();
    const { selfAddress } = cluster().members.state;
    const at = selfAddress === undefined ? { ip, port } : hostPortOf(selfAddress);
    return { ...at, state: memberState(status), version, refreshedAt: clock.wall() };
  };
  return {
    self: own,
    list() {
      const { state } = cluster().members;
      const now = clock.now();
      const others = peers(state, now).flatMap(({ addresses, state: peerState, heardAt }): Member[] => {
        const [address] = addresses;
        if (address === undefined) return [];
        const refreshedAt = clock.wall() - (now - heardAt);
        return [{ ...hostPortOf(address), state: SHOWN[peerState], version: "", refreshedAt }];
      });
      return [own(), ...others];
    },
  };
}

/** Consoles and scripts know the five states of the reference: one that leaves is not to be chosen any more. */
const SHOWN = { STARTING: "STARTING", UP: "UP", SUSPICIOUS: "SUSPICIOUS", DOWN: "DOWN", LEAVING: "DOWN" } as const;

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

/** The name of the durable log among the groups that monitoring scripts look for. */
const LOG_GROUP = "naming_persistent_service_v2";

/**
 * A member as the APIs show it. The durable log stands where scripts look for Raft groups: alone, a member leads its
 * log for ever, in the one term there is. No `raftPort` is named because none is open.
 */
export function memberBody(member: Member, all: readonly Member[]): Record<string, unknown> {
  const { ip, port, state, version, refreshedAt } = member;
  return {
    ip,
    port,
    state,
    address: addressOf(member),
    failAccessCnt: 0,
    grpcReportEnabled: false,
    extendInfo: {
      adWeight: "0",
      lastRefreshTime: refreshedAt,
      readyToUpgrade: true,
      site: "unknow",
      version,
      weight: "1",
      supportGrayModel: false,
      raftMetaData: { metaDataMap: { [LOG_GROUP]: logBody(all) } },
    },
    abilities: {
      remoteAbility: { supportRemoteConnection: true, grpcReportEnabled: false },
      configAbility: { supportRemoteMetrics: false },
      namingAbility: { supportJraft: false },
    },
  };
}

function logBody(all: readonly Member[]): Record<string, unknown> {
  const addresses = all.map(addressOf);
  return { leader: addresses[0], raftGroupMember: addresses, term: 1 };
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
