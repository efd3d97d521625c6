import { setTimeout as pause } from "node:timers/promises";
import { Link, TcpProxy } from "@nacre/testkit/tcp-proxy";
import { callerOf } from "./caller.ts";
import { freePorts } from "./free-ports.ts";
import { MemberProcess } from "./member-process.ts";

/** A member that stopped being UP twice within a minute is held SUSPICIOUS until the minute is over. */
const FORM_MAX_MS = 75_000;
const LOOK_AGAIN_MS = 50;

export interface ClusterSetup {
  readonly size?: number;
  readonly flags?: readonly string[];
  /** Members reach each other through proxies, so that links can break. Clients go around them. */
  readonly hasProxies?: boolean;
  /** Lists of members stand in a file of each member rather than on the command line. */
  readonly hasFiles?: boolean;
}

/** A member as another one shows it. */
export interface Shown {
  readonly address: string;
  readonly state: string;
}

/**
 * Members in processes of their own, on one machine. With proxies a member `n` listens on 127.0.1.n and is known to all
 * as 127.0.0.n, where proxies listen: whoever calls it comes through them, and by whose process called they know which
 * link it is. That needs Linux and nobody's rights.
 */
export class Cluster {
  readonly members: MemberProcess[];
  readonly #proxies = new Map<MemberProcess, readonly TcpProxy[]>();
  readonly #links = new Map<string, Link>();

  private constructor(members: MemberProcess[]) {
    this.members = members;
  }

  /** Members that do not run yet. */
  static async create(setup: ClusterSetup = {}): Promise<Cluster> {
    const { size = 3, flags = [], hasProxies = false, hasFiles = false } = setup;
    const hostOf = (i: number) => (hasProxies ? `127.0.0.${i + 1}` : "127.0.0.1");
    const bindOf = (i: number) => (hasProxies ? `127.0.1.${i + 1}` : "127.0.0.1");
    const indexes = Array.from({ length: size }, (_, i) => i);
    const ports = await freePorts(size, [...new Set(indexes.flatMap((i) => [hostOf(i), bindOf(i)]))]);
    const list = ports.map((port, i) => `${hostOf(i)}:${port}`).join(",");
    const members = await Promise.all(
      ports.map((port, i) =>
        MemberProcess.create({
          name: nameOf(i),
          host: hostOf(i),
          bind: bindOf(i),
          port,
          flags,
          list: list.split(","),
          hasFiles,
        }),
      ),
    );
    const cluster = new Cluster(members);
    if (hasProxies) for (const member of members) await cluster.#openProxies(member);
    return cluster;
  }

  /** Members that have formed a cluster. */
  static async start(setup: ClusterSetup = {}): Promise<Cluster> {
    const cluster = await Cluster.create(setup);
    try {
      await Promise.all(cluster.members.map((member) => member.start()));
      await cluster.formed();
      return cluster;
    } catch (thrown) {
      await cluster.dispose();
      throw thrown;
    }
  }

  at(index: number): MemberProcess {
    const member = this.members[index];
    if (member === undefined) throw new Error(`there is no member ${index}`);
    return member;
  }

  /** One more member, which does not run yet, with this list of members; itself is added to it. */
  async add(list: readonly string[], flags: readonly string[] = []): Promise<MemberProcess> {
    const host = "127.0.0.1";
    const [port = 0] = await freePorts(1, [host]);
    const name = nameOf(this.members.length);
    const member = await MemberProcess.create({ name, host, port, flags, list: [...list, `${host}:${port}`] });
    this.members.push(member);
    return member;
  }

  /** Ends a member for good. */
  async remove(member: MemberProcess): Promise<void> {
    this.members.splice(this.members.indexOf(member), 1);
    await member.dispose();
  }

  get running(): readonly MemberProcess[] {
    return this.members.filter((member) => member.isRunning);
  }

  /** All addresses, as a client is configured with them. */
  get clientAddresses(): string[] {
    return this.members.map((member) => `${member.bind}:${member.setup.port}`);
  }

  /** Resolves when each running member shows each running one as UP, with the milliseconds that took. */
  async formed(among: readonly MemberProcess[] = this.running, maxMs = FORM_MAX_MS): Promise<number> {
    const startedAt = performance.now();
    for (;;) {
      const views = await Promise.all(among.map((member) => shownBy(member).catch(() => [])));
      const isFormed = views.every((view) => {
        const up = new Set(view.filter(({ state }) => state === "UP").map(({ address }) => address));
        return among.every(({ address }) => up.has(address));
      });
      const tookMs = performance.now() - startedAt;
      if (isFormed) return tookMs;
      if (tookMs > maxMs) {
        const said = among.map((member, i) => `${member.name}: ${JSON.stringify(views[i])}`).join("\n");
        throw new Error(`not all members show all as UP within ${maxMs} ms:\n${said}\n${this.said()}`);
      }
      await pause(LOOK_AGAIN_MS);
    }
  }

  /** The link over which one member calls another. Only with proxies. */
  link(from: MemberProcess, to: MemberProcess): Link {
    const key = `${from.name}>${to.name}`;
    const link = this.#links.get(key) ?? new Link();
    this.#links.set(key, link);
    return link;
  }

  /** Both links between any of the one side and any of the other. */
  linksBetween(one: readonly MemberProcess[], other: readonly MemberProcess[]): Link[] {
    return one.flatMap((a) => other.flatMap((b) => [this.link(a, b), this.link(b, a)]));
  }

  /** What the one member sends does not arrive at the other, over whichever connection; what it is sent does. */
  deafen(from: MemberProcess, to: MemberProcess): void {
    this.link(from, to).up.stall();
    this.link(to, from).down.stall();
  }

  mend(): void {
    for (const link of this.#links.values()) link.mend();
  }

  /** The ends of what all members printed. */
  said(characters = 3000): string {
    return this.members.map((member) => member.tail(characters)).join("\n");
  }

  async dispose(): Promise<void> {
    await Promise.all(this.members.map((member) => member.dispose()));
    for (const proxies of this.#proxies.values()) await Promise.all(proxies.map((proxy) => proxy.close()));
  }

  async #openProxies(member: MemberProcess): Promise<void> {
    const { host, port } = member.setup;
    const linkOf = async (socket: Parameters<typeof callerOf>[0]) => {
      const pids = this.running.flatMap(({ pid }) => pid ?? []);
      const pid = await callerOf(socket, pids);
      const from = this.members.find((each) => each.pid !== undefined && each.pid === pid);
      if (from !== undefined) return this.link(from, member);
      if (socket.localPort === port + 1001)
        process.emitWarning(`nobody knows who called ${member.name} from port ${socket.remotePort}`);
      // A client that was sent there.
      return new Link();
    };
    const listen = (each: number) =>
      TcpProxy.listen({ at: { host, port: each }, to: { host: member.bind, port: each }, linkOf });
    this.#proxies.set(member, await Promise.all([port, port + 1000, port + 1001].map(listen)));
  }
}

function nameOf(index: number): string {
  return String.fromCharCode("a".charCodeAt(0) + index);
}

/** The members as one of them shows them. */
export async function shownBy(member: MemberProcess): Promise<Shown[]> {
  const { data } = await getJson<{ data: Shown[] }>(member, "/v2/core/cluster/node/list");
  return data.map(({ address, state }) => ({ address, state }));
}

/** For a look at a member: what has a bound of its own is measured around it. */
const LOOK_MAX_MS = 5000;

/** @throws Error for any status but 200. */
export async function getJson<T>(member: MemberProcess, path: string, timeoutMs = LOOK_MAX_MS): Promise<T> {
  const answer = await fetch(`${member.url}${path}`, { signal: AbortSignal.timeout(timeoutMs) });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${member.name}: GET ${path}: ${answer.status} ${text}`);
  return JSON.parse(text) as T;
}
