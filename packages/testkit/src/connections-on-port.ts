import type { TestContext } from "node:test";
import type { ChannelCredentials } from "@grpc/grpc-js";
import { systemClock } from "@nacre/server/clock";
import {
  type ConnectionListener,
  Connections,
  type ConnectionsSetup,
  type Feature,
  type Port,
  type Settled,
} from "@nacre/server/connections";
import { grpcJsTransport } from "@nacre/server/grpc-js";
import type { TransportOptions } from "@nacre/server/transport";
import { FakeClock } from "./fake-clock.ts";
import { RegistryClient } from "./registry-client.ts";

/** The connection shell on a real port, its time in the hands of the test. */
export interface OnPort {
  readonly connections: Connections;
  readonly clock: FakeClock;
  readonly port: number;
  /** What features heard, in order, in short form. */
  readonly heard: string[];
  readonly settled: Settled[];
  readonly logged: { readonly level: string; readonly text: string; readonly details: Record<string, unknown> }[];
  /** Resolves once a feature has heard something that begins with `what`. */
  hears(what: string): Promise<string>;
  client(credentials?: ChannelCredentials): RegistryClient;
}

export interface OnPortSetup extends Partial<ConnectionsSetup> {
  readonly features?: readonly Feature[];
  readonly side?: Port;
  readonly transport?: Partial<TransportOptions>;
  /** Leave the server starting. */
  readonly starting?: boolean;
}

export async function connectionsOnPort(t: TestContext, setup: OnPortSetup = {}): Promise<OnPort> {
  const { features = [], side = "sdk", transport: transportOptions = {}, starting = false, ...given } = setup;
  const clock = new FakeClock();
  const heard: string[] = [];
  const settled: Settled[] = [];
  const logged: { level: string; text: string; details: Record<string, unknown> }[] = [];
  const log = (level: string) => (details: object, text: string) => {
    logged.push({ level, text, details: { ...details } });
  };
  let checks: (() => void)[] = [];
  const hear = (what: string): void => {
    heard.push(what);
    const waiting = checks;
    checks = [];
    for (const check of waiting) check();
  };

  const connections = new Connections({
    clock,
    log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    abilities: { supportPersistentInstanceByGrpc: true, fuzzyWatch: true, lock: false, mcp: false },
    address: { ip: "10.20.0.2", port: 8848 },
    queuedBytesMax: 64 * 1024,
    ...given,
  });
  for (const one of features) connections.serve(one);
  connections.listen({
    registered: ({ clientIp }) => hear(`registered ${clientIp}`),
    unregistered: (_connection, cause) => hear(`unregistered: ${cause}`),
    pushSettled: (one) => {
      settled.push(one);
      hear(`${one.outcome} ${one.requestId}`);
    },
  } satisfies ConnectionListener);
  connections.start();
  if (!starting) connections.ready();

  const transport = grpcJsTransport(
    {
      host: "127.0.0.1",
      port: 0,
      messageBytesMax: 10 * 1024 * 1024,
      queuedBytesMax: 64 * 1024,
      connectionsMax: 1000,
      ...transportOptions,
    },
    connections.port(side),
    systemClock,
  );
  const port = await transport.listen();
  t.after(async () => {
    connections.stop();
    await transport.close(0);
  });
  return {
    connections,
    clock,
    port,
    heard,
    settled,
    logged,
    async hears(what) {
      for (;;) {
        const found = heard.find((one) => one.startsWith(what));
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => checks.push(resolve));
      }
    },
    client(credentials) {
      const client = new RegistryClient(port, credentials);
      t.after(() => client.close());
      return client;
    },
  };
}
