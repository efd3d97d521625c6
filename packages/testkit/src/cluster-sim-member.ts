import type { MemberReport } from "@nacre/core/diagnosis";
import type { Message } from "@nacre/core/distro";
import { type ClientNews, type Event as NamingEvent, viewOf } from "@nacre/core/naming";
import { RegistryError, type ServiceName } from "@nacre/protocol";
import {
  type AddressEvent,
  askReports,
  Balancer,
  Cluster,
  type ClusterSetup,
  Diagnosing,
  factsOf,
  leave,
  Naming,
  type NamingSetup,
  namingFeature,
  OwnWatch,
  openIdentity,
  SilentClientCount,
} from "@nacre/server/cluster";
import { Connections, type Push } from "@nacre/server/connections";
import { SimLinks } from "./cluster-sim-links.ts";
import { DATA, logOf, MAIN_PORT, type SimHost, type SimMachine, shownIn } from "./cluster-sim-machine.ts";
import { SimProcess } from "./cluster-sim-process.ts";
import { SimTransport } from "./cluster-sim-transport.ts";

export const SDK_PORT = MAIN_PORT + 1000;
export const CLUSTER_PORT_OFFSET = 1001;
/** How long clients may take to go elsewhere at a planned stop; what is left of the time of a stop after that. */
const DRAIN_MS = 15_000;
const STOP_MS = 30_000;

class SimNaming extends Naming {
  readonly #broken: (event: NamingEvent) => NamingEvent | undefined;
  readonly #news: (news: ClientNews) => ClientNews | undefined;

  constructor(
    setup: NamingSetup,
    broken: (event: NamingEvent) => NamingEvent | undefined,
    news: (news: ClientNews) => ClientNews | undefined,
  ) {
    super(setup);
    this.#broken = broken;
    this.#news = news;
  }

  override submit(event: NamingEvent): ReturnType<Naming["submit"]> {
    const fed = this.#broken(event);
    return fed && super.submit(fed);
  }

  override share(tell: (news: ClientNews) => void): void {
    super.share((news) => {
      const told = this.#news(news);
      if (told !== undefined) tell(told);
    });
  }
}

class SimConnections extends Connections {
  broken: (push: Push) => Push | undefined = (push) => push;

  override push(push: Push): void {
    const sent = this.broken(push);
    if (sent !== undefined) super.push(sent);
  }
}

/** One run of a whole member: the shells of the product, on simulated time, network and disk. */
export class SimMember {
  readonly host: SimHost;
  readonly machine: SimMachine;
  readonly process: SimProcess;
  id = "";
  incarnation = 0;
  ready = false;
  reason = "it has just started";
  readyAt = Number.POSITIVE_INFINITY;
  isStopping = false;
  /** When its process ended, and whether the machine lost power with it. */
  ended: { readonly at: number; readonly power: "on" | "off" } | undefined;
  naming!: Naming;
  connections!: Connections;
  cluster!: Cluster;
  diagnosing!: Diagnosing;
  #balancer!: Balancer;
  #transport!: SimTransport;
  #isOpen = false;

  constructor(host: SimHost, machine: SimMachine) {
    this.host = host;
    this.machine = machine;
    this.process = new SimProcess(host.net.agenda, machine);
    machine.isOn = true;
    machine.starts++;
    machine.member = this;
    this.process.onEnd((power) => {
      this.ended = { at: host.net.agenda.now, power };
      host.log(`${machine.place} ends${power === "off" ? " with its machine" : ""}`);
      for (const [address, { owner }] of host.net.ports) if (owner === this.process) host.net.ports.delete(address);
      if (power === "off") machine.disk.losePower();
      if (machine.member === this) machine.member = undefined;
    });
    host.log(`${machine.place} starts at ${machine.ip}`);
    this.#start().catch((thrown: unknown) => host.fail(`${machine.place} does not start: ${(thrown as Error).stack}`));
  }

  /** Whether it has all its parts, and runs. */
  get isUp(): boolean {
    return this.#isOpen && this.process.isAlive;
  }

  /** In the order of `start.ts`. */
  async #start(): Promise<void> {
    const { host, machine, process: clock } = this;
    const files = machine.disk.of(clock);
    const identity = await openIdentity(DATA, files, (end) => 1 + host.random.below(end - 1));
    const { memberId, incarnation } = identity.identity;
    this.id = memberId;
    this.incarnation = incarnation;
    const log = logOf(host, machine.place);
    const address = { ip: machine.ip, port: MAIN_PORT };
    const { breakage } = host;
    const connections = new SimConnections({
      clock,
      log,
      abilities: { supportPersistentInstanceByGrpc: true, fuzzyWatch: true },
      address,
      queuedBytesMax: 1024 * 1024,
    });
    connections.broken = (push) => (breakage.push === undefined ? push : breakage.push(push, this));
    const naming = new SimNaming(
      { clock, log, connections, options: {}, pushTimeoutMs: 5000, self: identity.identity },
      (event) => (breakage.naming === undefined ? event : breakage.naming(event, this)),
      (news) => (breakage.news === undefined ? news : breakage.news(news, this)),
    );
    connections.serve(namingFeature(naming));
    naming.attach({
      durable: {
        propose: () => Promise.reject(new RegistryError("notLeader" as "serverError", "nothing durable is simulated")),
        readIndex: async () => 0,
      },
      forward: (event) => cluster.forward(event),
    });
    const ownLoad = () => ({
      address: cluster.members.state.selfAddress ?? machine.address,
      ready: this.ready,
      connections: connections.count,
      load: 0,
      cpu: 0,
    });
    const cluster = new Cluster({
      clock,
      log,
      naming,
      identity,
      directory: `${DATA}/clients`,
      membership: { ...breakage.membership },
      distro: { ...breakage.distro },
      fingerprint: () => machine.fingerprint,
      host: undefined,
      port: MAIN_PORT,
      portOffset: CLUSTER_PORT_OFFSET,
      tls: undefined,
      calls: {
        "diagnosis.report": () => diagnosing.report(),
        "loader.load": ownLoad,
        "loader.reload": () => ({ moved: 0 }),
        // What is asked for people alone is not asked here.
      } as Partial<ClusterSetup["calls"]> as ClusterSetup["calls"],
      resolve: async (name) => {
        await clock.sleep(5);
        const ips = host.resolve(name);
        return ips.length === 0 ? { ips, error: "no such name" } : { ips };
      },
      readiness: (state) => {
        this.reason = state.reason;
        if (!state.ready || this.ready || this.isStopping) return;
        this.ready = true;
        this.readyAt = host.net.agenda.now;
        host.log(`${machine.place} is ready: ${state.reason}`);
        connections.ready();
      },
      outside: {
        files,
        links: (setup) =>
          new SimLinks(
            {
              net: host.net,
              process: clock,
              frame: (frame) => breakage.frame?.(frame, this) ?? frame,
              malformed: (reason) => host.fail(`${machine.place} was sent what no member sends: ${reason}`),
            },
            this.#breakLinks(setup),
          ),
        connects: (ip, port) =>
          new Promise((resolve) =>
            host.net.dial(clock, ip, port, 1000, {
              failed: () => resolve(false),
              connected: (half) => {
                half.destroy();
                resolve(true);
                return { received: () => {}, ended: () => {} };
              },
            }),
          ),
      },
    });
    Object.assign(this, { naming, connections, cluster });
    await cluster.open();
    await cluster.listen("0.0.0.0");
    connections.start();
    this.#transport = new SimTransport(clock, connections.port("sdk"));
    host.net.ports.set(`${machine.ip}:${SDK_PORT}`, {
      owner: clock,
      accept: (half) => this.#transport.accept(half),
    });
    this.#balancer = new Balancer({
      clock,
      log,
      connections,
      peers: cluster.peers,
      self: () => ({ address: ownLoad().address, ready: this.ready, sdk: connections.count.sdk }),
      membersChangedAt: () => cluster.membersChangedAt,
    });
    const own = new OwnWatch(clock, undefined);
    const silent = new SilentClientCount(naming.state);
    const gathered = factsOf({
      clock,
      startedAt: clock.now(),
      cluster,
      naming,
      connections,
      balancer: this.#balancer,
      own,
      silent,
      lookup: () => undefined,
      log: () => ({ refusing: undefined, storeFailing: undefined, syncMs: 0 }),
      group: undefined,
      held: () => ({ configs: 0, namespaces: 0 }),
      stage: () => (this.isStopping ? "stopping" : this.ready ? "running" : "starting"),
      port: MAIN_PORT,
      address: `${machine.ip}:${MAIN_PORT}`,
      portOffset: CLUSTER_PORT_OFFSET,
      portOpen: true,
      connectionsMax: 100_000,
    });
    const diagnosing: Diagnosing = new Diagnosing({
      clock,
      log,
      version: "",
      // Of the memory of this process nothing follows from the seed.
      facts: () => {
        const facts = gathered();
        return { ...facts, process: { ...facts.process, memory: undefined } };
      },
      looked: () => {
        own.look();
        silent.look();
      },
      askOthers: () => askReports(cluster.peers),
    });
    this.diagnosing = diagnosing;
    this.#isOpen = true;
    cluster.members.feed({ type: "localAddresses", ips: [machine.ip] });
    this.readList();
    cluster.start();
    this.#balancer.start();
    diagnosing.start();
  }

  #breakLinks<S extends { readonly handlers: { message(link: number, message: Message): void } }>(setup: S): S {
    const broken = this.host.breakage.message;
    if (broken === undefined) return setup;
    const message = (link: number, given: Message): void => {
      const taken = broken(given, this);
      if (taken !== undefined) setup.handlers.message(link, taken);
    };
    return { ...setup, handlers: { ...setup.handlers, message } };
  }

  readList(): void {
    if (this.#isOpen) this.cluster.members.feed({ type: "listRead", text: this.machine.list, source: "cluster.conf" });
  }

  /** What consumers see: by `ip:port`, whether it is healthy. */
  shows(service: ServiceName): Map<string, boolean> {
    const query = { clusters: "", healthyOnly: false, consumerIp: undefined };
    const { hosts } = viewOf(this.naming.state, service, query, this.process.now());
    return shownIn(JSON.parse(hosts), this.host, this.machine.place);
  }

  report(): MemberReport {
    return this.diagnosing.report();
  }

  /** A write over HTTP. @throws RegistryError. */
  async write(event: AddressEvent): ReturnType<Naming["submitAddress"]> {
    if (!this.ready || this.isStopping) throw new RegistryError("starting", this.reason);
    return this.naming.submitAddress(event);
  }

  /** A planned stop, in the order of `start.ts`; then the process ends. */
  async stop(): Promise<void> {
    if (this.isStopping || !this.#isOpen) return;
    this.isStopping = true;
    const { process: clock, cluster, connections, naming } = this;
    this.host.log(`${this.machine.place} leaves`);
    const until = clock.now() + STOP_MS;
    await leave({ clock, cluster, connections, naming }, clock.now() + DRAIN_MS);
    naming.stop();
    cluster.freeze();
    this.diagnosing.stop();
    this.#balancer.stop();
    this.host.net.ports.delete(`${this.machine.ip}:${SDK_PORT}`);
    this.#transport.close();
    connections.stop();
    await cluster.stop(until - clock.now());
    clock.end("on");
  }
}
