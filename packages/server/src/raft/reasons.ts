import type { MemberId } from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import type { NotTaken } from "./codec.ts";
import type { Peers } from "./port.ts";

/** Why who was asked did not take it, as a clause. */
export function ifRefused(reason: NotTaken, who: string): string {
  switch (reason) {
    case "notLeader":
    case "lost":
      return `${who} does not lead the group`;
    case "transferring":
      return `${who} is giving its leadership to another member`;
    case "overThreshold":
      return `${who} has as many writes waiting as it takes`;
    case "diskRefuses":
      return `the disk of ${who} takes no writes`;
    case "changePending":
      return "the change of members before this one is not committed";
    case "alreadyDone":
      return "it is so already";
    case "unknownMember":
      return "the group does not know this member";
    case "lastVoter":
      return "the group would be left without a voter";
    case "behind":
      return "the member has not caught up yet";
    case "tooFewLeft":
      return "too few of the voters that would be left are in reach";
  }
}

/** For the client of a write that the leader has no room for. */
export function tooManyAtLeader(leader: string): string {
  return `${ifRefused("overThreshold", leader)}: try again when they are done`;
}

/** A sentence if it is certain that nobody can lead; undefined as long as a majority may be in reach. */
export function noMajority(voters: readonly MemberId[], self: MemberId, peers: Peers): string | undefined {
  const lost = voters.flatMap((id) => {
    const since = id === self ? undefined : peers.outOfReachSince(id);
    return since === undefined ? [] : [{ address: peers.addressOf(id), since }];
  });
  const needed = (voters.length >> 1) + 1;
  // Who does not know a group yet may be taken into one at any moment.
  if (voters.length === 0 || voters.length - lost.length >= needed) return undefined;
  return `${needed} of ${voters.length} members are needed to change durable data; ${outOfReach(lost)}`;
}

/** As a clause, with when the last of them was lost. @param lost  one at least; `since` in epoch milliseconds. */
export function outOfReach(lost: readonly { readonly address: string; readonly since: number }[]): string {
  const since = new Date(Math.max(...lost.map((one) => one.since))).toISOString().slice(11, 19);
  const names = lost.map(({ address }) => address);
  const listed = names.length === 1 ? names[0] : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  return `${listed} ${names.length === 1 ? "is" : "are"} out of reach since ${since} UTC`;
}

export function outcomeUnknown(why = "this member was brought up to date by a snapshot"): RegistryError {
  return new RegistryError(
    "outcomeUnknown",
    `it is not known whether the write was done, because ${why} while it was on its way: look before you repeat it`,
  );
}

export function resultLost(): RegistryError {
  return new RegistryError(
    "outcomeUnknown",
    "the write was done, but what it answered is not known, because this member was brought up to date by a snapshot",
  );
}
