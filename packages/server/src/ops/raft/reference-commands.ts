import { RegistryError } from "@nacre/protocol";
import type { RaftOps } from "./raft-ops.ts";

/** Groups that the reference has. Here one log holds what each of them holds. */
const GROUPS: readonly string[] = [
  "naming_persistent_service",
  "naming_persistent_service_v2",
  "naming_instance_metadata",
  "naming_service_metadata",
  "nacos_config",
  "lock_acquire_service_v2",
];
/** The port that the reference's groups use lies so far below the main one. */
const RAFT_OFFSET = 1000;

/** What the body of the reference's raft calls holds. */
export interface ReferenceCommand {
  readonly groupId: string;
  readonly command: string;
  readonly value: string;
}

type Ops = Pick<RaftOps, "status" | "transfer" | "snapshot" | "remove" | "find">;

/**
 * Carries out a command of the reference, truthfully: what is asked is done, or refused with what to do instead.
 *
 * @returns what was done, as a sentence.
 * @throws RegistryError with the reason why not.
 */
export async function referenceCommand(ops: Ops, { groupId, command, value }: ReferenceCommand): Promise<string> {
  if (groupId !== "" && !GROUPS.includes(groupId))
    throw refused(
      `there is no group '${groupId.slice(0, 128)}': one group holds everything durable, and groupId may be left out`,
    );
  const member = (address: string): string => {
    const raft = address.replace(/:(\d+)$/, (_, port: string) => `:${Number(port) + RAFT_OFFSET}`);
    return ops.find(address) === undefined && ops.find(raft) !== undefined ? raft : address;
  };
  switch (command) {
    case "transferLeader": {
      const { from, to } = await ops.transfer(value === "" ? undefined : member(value));
      return `${from.address} handed the leadership over${to === undefined ? "" : ` to ${to.address}`}`;
    }
    case "doSnapshot": {
      const taken = await ops.snapshot(value === "" ? undefined : member(value));
      const failed = taken.find(({ error }) => error !== undefined);
      if (failed?.error !== undefined) throw refused(`${failed.address} took no snapshot: ${failed.error}`);
      return taken
        .map(({ address, index }) => `${address} has a snapshot of everything up to entry ${index}`)
        .join("; ");
    }
    case "removePeer":
    case "removePeers": {
      const addresses = listed(value);
      // One change at a time, so that more than one could be left half done.
      if (addresses.length !== 1)
        throw refused("name one member to remove: members are removed one at a time, each when the one before is done");
      const { member: gone } = await ops.remove(member(addresses[0] ?? ""));
      return `${gone.address} is out of the group`;
    }
    case "changePeers":
    case "restRaftCluster":
    case "resetRaftCluster": {
      const { members } = await ops.status(false);
      const voters = members.filter(({ inGroup }) => inGroup === "voter");
      const wanted = new Set(listed(value).map((address) => ops.find(member(address)) ?? address));
      if (wanted.size === voters.length && voters.every(({ id }) => wanted.has(id)))
        return "these are the voters already";
      throw refused(
        `voters are not set by a list: members join with nacre cluster join, or by the list of members, and leave with nacre cluster leave --forever or forget; now they are ${voters.map(({ address }) => address).join(", ")}`,
      );
    }
    case "resetPeers":
      throw refused(
        "voters are not forced on a member that runs: when the majority is lost for good, stop this member and run nacre raft recover --data DIR",
      );
    default:
      throw new RegistryError(
        "invalidParameter",
        `Param 'command' must be one of transferLeader, doSnapshot, removePeer, removePeers, changePeers, restRaftCluster, resetPeers, not '${command.slice(0, 128)}'.`,
      );
  }
}

function listed(value: string): string[] {
  return value
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

function refused(sentence: string): RegistryError {
  return new RegistryError("illegalState", sentence);
}
