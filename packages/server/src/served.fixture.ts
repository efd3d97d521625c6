import { TestMembers } from "./cluster/members.fixture.ts";
import type { Options } from "./options.ts";
import type { RunningServer } from "./running.ts";
import { IN_MEMORY, startServer } from "./start.ts";

/**
 * A server for a suite that speaks to it over sockets. With NACRE_TEST_MEMBERS=3 it is a member of three that have a group,
 * and one that does not lead, so that what the suite promises is promised of a cluster too. It stops with all of them.
 */
export async function startServed(options: Partial<Options> = {}): Promise<RunningServer> {
  const count = Number(process.env.NACRE_TEST_MEMBERS ?? 1);
  const all: Partial<Options> = { bindAddress: "127.0.0.1", logLevel: "error", ...options };
  if (count === 1) return startServer({ port: 0, dataDir: IN_MEMORY, ...all });
  const members = await TestMembers.start(count, all);
  await members.grouped();
  const server = members.servers[(await members.leaderAt()) === 0 ? 1 : 0];
  if (server === undefined) throw new Error("there are no members");
  const stop = (graceMs?: number) => members.stop(graceMs);
  return Object.create(server, { stop: { value: stop } }) as RunningServer;
}
