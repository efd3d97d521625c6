import type { PeerAnswer } from "../../cluster/peer-calls.ts";
import type { RaftStatus } from "../../raft/port.ts";
import type { FollowerBody, MemberStatus } from "./wire.ts";

export interface Named {
  readonly id: string;
  readonly address: string;
}

/** One member of the group, or of the cluster. */
export interface GroupMember extends Named {
  /** In the configuration that the asked member knows: `voter`, `learner` or `none`. */
  readonly inGroup: string;
  /** What it says of itself; undefined when it could not be asked, or keeps nothing on disk. */
  readonly status: MemberStatus | undefined;
  /** Why there is no status, as a sentence. */
  readonly error: string | undefined;
  /** What the leader says of it; undefined for the leader, and without one. */
  readonly seen: FollowerBody | undefined;
}

/** The group as all members tell it. */
export interface GroupStatus {
  readonly by: Named;
  readonly clusterId: string;
  readonly epoch: number;
  /** Of the member that leads, or of the one that was asked. */
  readonly term: number;
  readonly leader: Named | undefined;
  readonly voters: number;
  /** Voters that answered and follow this leader, or are it. */
  readonly following: number;
  readonly members: readonly GroupMember[];
  /** Whether the same entries led to the same state, at the newest index of which several members know it. */
  readonly state: {
    readonly index: number;
    readonly hashes: readonly (Named & { readonly hash: number })[];
    readonly isEqual: boolean;
  } | null;
}

/** A status as it goes over the wire: ages instead of moments, because clocks differ. */
export function memberStatus(status: RaftStatus, epoch: number, now: number, wall: number): MemberStatus {
  const { configuration, snapshotAt, hashes, followers, leader, refusing, storeFailing } = status;
  const { role, term, commitIndex, appliedIndex, firstIndex, lastIndex, snapshotIndex } = status;
  const { logBytes, pending, trust, syncMs } = status;
  return {
    ...{ epoch, role, term, leader, voters: configuration.voters, learners: configuration.learners },
    ...{ commitIndex, appliedIndex, firstIndex, lastIndex, snapshotIndex },
    snapshotAgeMs: snapshotAt === undefined ? undefined : Math.max(0, Math.round(wall - snapshotAt)),
    ...{ logBytes, pending, trust, refusing, storeFailing, syncMs },
    hashes: hashes.map(([index, hash]) => ({ index, hash })),
    followers: followers.map(({ snapshot, heardAt, id, mode, match, lag, trust: of, role: as }) => ({
      ...{ id, role: as, mode, match, lag, trust: of },
      heardMs: Math.max(0, Math.round(now - heardAt)),
      sent: snapshot?.sent,
      total: snapshot?.total,
    })),
  };
}

/** @param own  of the asked member, which is the first. */
export function groupStatus(
  by: Named & { readonly clusterId: string },
  own: MemberStatus,
  others: readonly PeerAnswer<{ readonly status: MemberStatus | undefined }>[],
  shown: (id: string) => string,
): GroupStatus {
  const statuses = new Map([[by.id, own]]);
  const errors = new Map<string, string>();
  for (const { memberId, answer, error } of others) {
    if (error !== undefined) errors.set(memberId, error.message);
    else if (answer.status === undefined) errors.set(memberId, "it keeps nothing on disk");
    else statuses.set(memberId, answer.status);
  }
  // Of several that think that they lead, the one of the newest term does.
  const leading = [...statuses].filter(([, { role }]) => role === "leader").sort(([, a], [, b]) => b.term - a.term)[0];
  const { voters, learners } = leading?.[1] ?? own;
  const leaderId = leading?.[0] ?? own.leader;
  const named = (id: string): Named => ({ id, address: id === by.id ? by.address : shown(id) });
  const ids = new Set([by.id, ...voters, ...learners, ...others.map(({ memberId }) => memberId)]);
  const members = [...ids].map((id): GroupMember => {
    const status = statuses.get(id);
    const error = status === undefined ? (errors.get(id) ?? "this member does not know it") : undefined;
    const inGroup = voters.includes(id) ? "voter" : learners.includes(id) ? "learner" : "none";
    return { ...named(id), inGroup, status, error, seen: leading?.[1].followers.find((one) => one.id === id) };
  });
  return {
    by: { id: by.id, address: by.address },
    clusterId: by.clusterId,
    epoch: own.epoch,
    term: leading?.[1].term ?? own.term,
    leader: leaderId === undefined ? undefined : named(leaderId),
    voters: voters.length,
    following: members.filter(
      ({ inGroup, status }) => inGroup === "voter" && leading !== undefined && status?.leader === leading[0],
    ).length,
    members,
    state: comparedState(members),
  };
}

function comparedState(members: readonly GroupMember[]): GroupStatus["state"] {
  const byIndex = new Map<number, (Named & { readonly hash: number })[]>();
  for (const { id, address, status } of members)
    for (const { index, hash } of status?.hashes ?? []) {
      const held = byIndex.get(index) ?? [];
      held.push({ id, address, hash });
      byIndex.set(index, held);
    }
  const known = members.filter(({ status }) => (status?.hashes.length ?? 0) > 0).length;
  // The newest that most of them have come to; one that lags far is compared where it is.
  const [newest] = [...byIndex].filter(([, held]) => held.length > 1 || known === 1).sort(([a], [b]) => b - a);
  if (newest === undefined) return null;
  const [index, hashes] = newest;
  return { index, hashes, isEqual: hashes.every(({ hash }) => hash === hashes[0]?.hash) };
}
