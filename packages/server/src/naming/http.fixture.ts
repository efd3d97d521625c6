import type { Command, NamingOptions } from "@nacre/core/naming";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { type Injector, injector } from "@nacre/testkit/inject";
import { neverReplaced } from "@nacre/testkit/log-suite";
import { checkedCodec } from "../checked-codec.ts";
import { alone, type Members } from "../cluster/members.ts";
import { NO_PEERS, type Peers } from "../cluster/peer-calls.ts";
import { Connections, type Log } from "../connections/connections.ts";
import { openTestLog } from "../durable.fixture.ts";
import type { Ready } from "../readiness.ts";
import type { StateMachine } from "../storage/port.ts";
import { statusOf } from "../transport/http/filters.ts";
import { createHttpServer, type HttpServer, type HttpServerSetup } from "../transport/http/http-server.ts";
import type { Route } from "../transport/http/route.ts";
import type { NamingDeps } from "./http-deps.ts";
import { namingV1Routes } from "./http-v1/routes.ts";
import { Naming } from "./naming.ts";

/** A log for tests: what is worse than a warning is kept. */
export class KeptLog implements Log {
  readonly errors: { details: object; text: string }[] = [];
  debug(): void {}
  info(): void {}
  warn(): void {}
  error(details: object, text: string): void {
    this.errors.push({ details, text });
  }
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** The body as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look at answers of every shape
  readonly json: any;
}

/** The core and shell of a member on a clock that stands still. */
export function testedNaming(memberId: string, options: Partial<NamingOptions>, clock = new FakeClock()) {
  const log = new KeptLog();
  const address = { ip: "10.0.0.1", port: 8848 };
  const connections = new Connections({ clock, log, abilities: {}, address, queuedBytesMax: 1024 * 1024 });
  const self = { memberId, incarnation: 1 };
  const naming = new Naming({ clock, log, connections, options, pushTimeoutMs: 5000, self });
  return { clock, log, connections, naming };
}

/** Naming over HTTP without sockets: real cores and shells on a clock that stands still. */
export class TestHttp {
  readonly clock: FakeClock;
  readonly connections: Connections;
  readonly naming: Naming;
  readonly members: Members;
  readonly log: KeptLog;
  /** `app.inject` runs a request without a socket. */
  readonly server: HttpServer & { readonly app: Injector; readonly routes: readonly Route[] };
  /** What the readiness of the member says; a test may change it. */
  ready: Ready = { ready: true, status: "UP", reason: undefined };
  readonly logLevels: string[] = [];
  /** Whom v1 asks; a test may change it. */
  peers: Peers = NO_PEERS;
  readonly #durable: { close(): Promise<void> };

  constructor(some: Partial<HttpServerSetup> = {}, more: (test: TestHttp) => readonly Route[] = () => []) {
    this.clock = new FakeClock();
    const options = { metadataLengthMax: some.metadataLengthMax ?? 1024 };
    const here = testedNaming("m", options, this.clock);
    this.log = here.log;
    this.connections = here.connections;
    this.naming = here.naming;
    const machineOf = ({ machine }: Naming): StateMachine<Command, undefined> => ({
      ...machine,
      codec: checkedCodec(),
      replace: neverReplaced,
    });
    const durable = openTestLog({
      machine: machineOf(this.naming),
      another: () => machineOf(testedNaming("n", options).naming),
      wallClock: () => this.clock.wall(),
    });
    this.#durable = durable;
    this.naming.attach({ durable });
    this.members = alone(() => ({
      ip: "10.0.0.1",
      port: 8848,
      state: "UP",
      version: "0.0.0",
      refreshedAt: this.clock.wall(),
      failures: 0,
    }));
    const filters = { readiness: { state: () => this.ready }, switches: () => this.naming.state.switches };
    const v1: NamingDeps = {
      naming: this.naming,
      members: this.members,
      peers: {
        ask: (...asked) => this.peers.ask(...asked),
        askAll: (...asked) => this.peers.askAll(...asked),
      },
      status: () => statusOf(filters),
      load: () => ({ cpu: 0.12, load: 0.5, mem: 0.4 }),
      setLogLevel: (name, level) => this.logLevels.push(`${name}=${level}`),
    };
    const setup: HttpServerSetup = {
      ...filters,
      clock: this.clock,
      log: this.log,
      contextPath: "/nacos",
      routes: [...namingV1Routes(v1), ...more(this)],
      gates: { open: true, admin: true, console: true },
      checkParams: true,
      metadataLengthMax: 1024,
      headerBytesMax: 524_288,
      bodyBytesMax: 2 * 1024 * 1024,
      keepAliveMs: 60_000,
      connectionsMax: 100,
      connectionsPerIpMax: 100,
      ...some,
    };
    const server = createHttpServer(setup);
    this.server = { ...server, app: injector(server.listener), routes: setup.routes };
  }

  /** `POST /v1/ns/instance?a=b`, below the context path; `form` is sent as it stands. */
  async call(
    line: string,
    form?: string | Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Answered> {
    const [method = "GET", url = "/"] = line.split(/ (.*)/s);
    const payload = typeof form === "object" ? new URLSearchParams(form).toString() : form;
    const answer = await this.server.app.inject({
      method: method as "GET",
      url: `/nacos${url}`,
      headers: {
        "user-agent": "Nacos-Java-Client:v1.4.2",
        ...(payload !== undefined && { "content-type": "application/x-www-form-urlencoded" }),
        ...headers,
      },
      ...(payload !== undefined && { payload }),
    });
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text: answer.body,
      get json() {
        return JSON.parse(answer.body);
      },
    };
  }

  /** Registers `ip:port` for a service, with further parameters. */
  async register(serviceName: string, address: string, more: Record<string, string> = {}): Promise<Answered> {
    const [ip = "", port = ""] = address.split(":");
    return this.call("POST /v1/ns/instance", { serviceName, ip, port, ...more });
  }

  async close(): Promise<void> {
    this.naming.stop();
    await this.server.close(0);
    await this.#durable.close();
  }
}
