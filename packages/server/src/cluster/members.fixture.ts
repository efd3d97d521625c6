import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freeMainPort, GRPC_OFFSET } from "../free-ports.ts";
import type { Options } from "../options.ts";
import type { RunningServer } from "../running.ts";
import { IN_MEMORY, startServer } from "../start.ts";

const HOST = "127.0.0.1";
const CLUSTER_OFFSET = 1001;
const WAIT_MS = 20_000;
const METRICS = "GET /actuator/prometheus";

/** Real members in this process, over loopback. */
export class TestMembers {
  readonly servers: RunningServer[];
  readonly #directory: string;

  /** The addresses of all that were planned, whether they run or not. */
  readonly listed: readonly string[];

  private constructor(servers: RunningServer[], directory: string, listed: readonly string[]) {
    this.servers = servers;
    this.#directory = directory;
    this.listed = listed;
  }

  /** Started together, and each sees all others UP. */
  static async start(count: number, options: Partial<Options> = {}): Promise<TestMembers> {
    const ports = await freePorts(count);
    const memberList = ports.map((port) => `${HOST}:${port}`);
    const directory = await mkdtemp(join(tmpdir(), "nacre-members-"));
    const start = (port: number) =>
      TestMembers.one(port, memberList, { dataDir: join(directory, `${port}`), ...options });
    const members = new TestMembers(await Promise.all(ports.map(start)), directory, memberList);
    for (const { url } of members.servers)
      await until(async () => {
        const { data } = await json(url, "GET /v1/core/cluster/nodes");
        return data.every(({ state }: { state: string }) => state === "UP") && data.length === count;
      });
    await Promise.all(members.servers.map((server) => server.ready()));
    return members;
  }

  /** Not started yet. @returns for each its place in the list, its data folder, and what starts it. */
  static async planned(count: number): Promise<{ readonly members: TestMembers; readonly places: readonly Place[] }> {
    const ports = await freePorts(count);
    const memberList = ports.map((port) => `${HOST}:${port}`);
    const directory = await mkdtemp(join(tmpdir(), "nacre-members-"));
    const members = new TestMembers([], directory, memberList);
    const places = ports.map((port): Place => {
      const dataDir = join(directory, `${port}`);
      return {
        dataDir,
        async start(options) {
          const server = await TestMembers.one(port, memberList, { dataDir, ...options });
          members.servers.push(server);
          return server;
        },
      };
    });
    return { members, places };
  }

  /** Each a cluster of its own. */
  static async alone(count: number): Promise<TestMembers> {
    const ports = await freePorts(count);
    const directory = await mkdtemp(join(tmpdir(), "nacre-members-"));
    const started = ports.map((port) =>
      TestMembers.one(port, [], { mode: "standalone", dataDir: join(directory, `${port}`) }),
    );
    const members = new TestMembers(
      await Promise.all(started),
      directory,
      ports.map((port) => `${HOST}:${port}`),
    );
    await Promise.all(members.servers.map((server) => server.ready()));
    return members;
  }

  static one(port: number, memberList: readonly string[], options: Partial<Options> = {}): Promise<RunningServer> {
    return startServer({
      mode: "cluster",
      port,
      memberList,
      bindAddress: HOST,
      dataDir: IN_MEMORY,
      logLevel: (process.env.NACRE_TEST_LOG ?? "silent") as never,
      consolePort: -1,
      udpPushEnabled: false,
      actuatorExposure: ["prometheus"],
      ...options,
    });
  }

  /** Starts a member anew on its data folder, at its address. */
  async again(at: number, memberList: readonly string[], options: Partial<Options> = {}): Promise<void> {
    const { httpPort } = this.#at(at);
    const dataDir = join(this.#directory, `${httpPort}`);
    this.servers[at] = await TestMembers.one(httpPort, memberList, { dataDir, ...options });
  }

  get addresses(): string[] {
    return this.servers.map(({ httpPort }) => `${HOST}:${httpPort}`);
  }

  /** Asks a member, by its place: `GET /v1/ns/...`. */
  async ask(at: number, line: string, body?: string): Promise<Answered> {
    return json(this.#at(at).url, line, body);
  }

  async text(at: number, line: string): Promise<string> {
    const [method = "GET", path = ""] = line.split(" ");
    return (await fetch(`${this.#at(at).url}${path}`, { method })).text();
  }

  #at(at: number): RunningServer {
    const server = this.servers[at];
    assert.ok(server !== undefined);
    return server;
  }

  /** All of them are voters, as the member at this place shows it. */
  async grouped(at = 0, count = this.servers.length): Promise<void> {
    await until(async () => {
      const text = await this.text(at, METRICS);
      return Number(/^nacre_raft_members\{role="voter"\} (\d+)$/m.exec(text)?.[1]) === count;
    });
  }

  /** The place of the member that leads. */
  async leaderAt(): Promise<number> {
    let at = -1;
    await until(async () => {
      const texts = await Promise.all(this.servers.map((_, each) => this.text(each, METRICS)));
      at = texts.findIndex((text) => /^nacre_raft_role\{role="leader"\} 1$/m.test(text));
      return at >= 0;
    });
    return at;
  }

  async stop(graceMs = 0): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop(graceMs)));
    await rm(this.#directory, { recursive: true });
  }
}

export interface Place {
  readonly dataDir: string;
  start(options?: Partial<Options>): Promise<RunningServer>;
}

async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = await freeMainPort(HOST, [GRPC_OFFSET, CLUSTER_OFFSET]);
    // The port of one must not be a derived one of another.
    if (!ports.some((held) => Math.abs(Math.abs(held - port) - GRPC_OFFSET) <= 1 || held === port)) ports.push(port);
  }
  return ports;
}

export interface Answered {
  readonly status: number;
  readonly code: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at answers of every shape
  readonly data: any;
}

async function json(url: string, line: string, body?: string): Promise<Answered> {
  const [method = "GET", path = ""] = line.split(" ");
  const headers = body?.startsWith("[") ? { "Content-Type": "application/json" } : {};
  const answer = await fetch(`${url}${path}`, { method, headers, ...(body !== undefined && { body }) });
  const text = await answer.text();
  const parsed = /^[[{]/.test(text) ? JSON.parse(text) : text;
  return { status: answer.status, code: parsed.code, data: parsed.data ?? parsed };
}

/** Waits for what comes by itself. Members tell tests nothing of their own accord, so it is asked for in short turns. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS;
  while (!(await holds())) {
    assert.ok(performance.now() < giveUpAt, "it did not come in time");
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
