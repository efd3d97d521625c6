import { setTimeout as pause } from "node:timers/promises";
import { Cluster } from "../../cluster/lib/cluster.ts";
import { groupStatus } from "../../cluster/lib/group.ts";
import { ServerProcess } from "./server.ts";

/** What clients are run against: a server alone, or the members of a cluster. */
export interface Served {
  /** Of one that can be asked over HTTP. */
  readonly address: string;
  /** As clients are configured with them, with commas between. */
  readonly addresses: string;
  /** The end of what was printed. */
  readonly printed: string;
  /** Resolves when all members show what was written at any of them until now. */
  settled(): Promise<void>;
  /** Kills all of it as a power cut would and starts it again. */
  killAndRestart(): Promise<void>;
  stop(): Promise<void>;
}

const LOOK_AGAIN_MS = 10;

export async function startServed(members: number, flags: readonly string[]): Promise<Served> {
  if (members === 1) return ServerProcess.start(...flags);
  const setup = { size: members, flags };
  const cluster = await Cluster.start(setup).catch((thrown: unknown) => {
    // Somebody else took a port between the look and the start.
    if (!String(thrown).includes("is in use by another process")) throw thrown;
    return Cluster.start(setup);
  });
  return {
    address: cluster.at(0).address,
    addresses: cluster.clientAddresses.join(","),
    get printed() {
      return cluster.said();
    },
    async settled() {
      const statuses = await Promise.all(cluster.members.map(groupStatus));
      const newest = Math.max(...statuses.map(({ appliedIndex }) => appliedIndex));
      for (const member of cluster.members)
        while ((await groupStatus(member)).appliedIndex < newest) await pause(LOOK_AGAIN_MS);
    },
    async killAndRestart() {
      await Promise.all(cluster.members.map((member) => member.kill()));
      await Promise.all(cluster.members.map((member) => member.start()));
    },
    stop: () => cluster.dispose(),
  };
}
