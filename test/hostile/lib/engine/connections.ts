/** What is done with TCP and TLS rather than with frames. */
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { headers, settings } from "../../../../packages/grpc/src/http2/wire.fixture.ts";
import { type Attacks, ids, PREFACE, WATCH } from "./attack.ts";
import type { Engine } from "./engine.ts";
import { RawConnection, type RawOptions } from "./raw-connection.ts";

/** Ports run out below this many connections to one address. */
const PORTS = 5000;

/** How many connections this process and the server may have open at a time. */
export function connectionsMax(wanted: number): number {
  const limit = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim();
  return limit === "unlimited" ? wanted : Math.min(wanted, Number(limit) - 500);
}

/** Opens connections that say nothing, some hundreds at a time, from several addresses. */
export async function silent(server: RawOptions, count: number): Promise<RawConnection[]> {
  const all: RawConnection[] = [];
  // Only Linux has all of 127/8 on its loopback device.
  const many = process.platform === "linux";
  while (all.length < count) {
    const step = Math.min(500, count - all.length);
    const localAddress = many ? `127.0.0.${2 + Math.floor(all.length / PORTS)}` : "127.0.0.1";
    all.push(...(await Promise.all(ids(step).map(() => RawConnection.silent({ ...server, localAddress })))));
  }
  return all;
}

/** Connects and goes away again, at different points and in different ways. */
export async function storm(server: RawOptions, count: number): Promise<string> {
  const leave: ((connection: RawConnection) => unknown)[] = [
    (connection) => connection.destroy(),
    (connection) => connection.socket.end(),
    (connection) => connection.send(PREFACE).then(() => connection.destroy()),
    (connection) => connection.send(PREFACE, settings(), headers(1, WATCH)).then(() => connection.destroy()),
    (connection) => connection.socket.end(Buffer.concat([PREFACE, settings(), headers(1, WATCH)])),
  ];
  for (let at = 0; at < count; at += 250) {
    const some = await Promise.all(ids(250).map(() => RawConnection.silent(server)));
    await Promise.all(some.map((connection, nth) => leave[nth % leave.length]?.(connection)));
    await Promise.all(some.map((connection) => connection.until(() => connection.socket.destroyed)));
    for (const connection of some) connection.destroy();
  }
  return "gone";
}

/** Clients in a process of their own, in the middle of calls, that are killed without a goodbye. */
export async function killed(server: RawOptions, processes: number): Promise<string> {
  const start = async (): Promise<{ readonly child: ChildProcess; readonly gone: Promise<unknown> }> => {
    const child = fork(join(import.meta.dirname, "victim.fixture.ts"), [String(server.port)]);
    // One whose connections the server has ended meanwhile goes by itself, perhaps before it is ready.
    const gone = once(child, "exit");
    await Promise.race([once(child, "message"), gone]);
    return { child, gone };
  };
  const all = await Promise.all(ids(processes).map(start));
  for (const { child } of all) child.kill("SIGKILL");
  await Promise.all(all.map(({ gone }) => gone));
  return "killed";
}

export interface Watchers {
  readonly count: number;
  readonly messages: number;
  readonly bytes: number;
  /** Whether they read what they are told; by default they never do. */
  readonly read?: boolean;
}

/** Watchers, and a server that has much to tell them all. */
export async function watchers(engine: Engine, { count, messages, bytes, read = false }: Watchers): Promise<string> {
  const all = await Promise.all(
    ids(count).map(() => RawConnection.open(engine, { initialWindow: 2 ** 31 - 1, more: [headers(1, WATCH)] })),
  );
  if (!read) for (const { socket } of all) socket.pause();
  await engine.reaches(`${count} watchers`, ({ watchers }) => watchers === count);
  for (let at = 0; at < messages; at++) await engine.fanOut(bytes);
  const { watchers: left } = await engine.state();
  for (const connection of all) connection.destroy();
  return left === count ? "all are kept" : left === 0 ? "all were ended" : "some were ended";
}

/** How a connection ends of which the server sees too little for too long. */
async function slow(server: RawOptions, first: Uint8Array, then: Uint8Array): Promise<string> {
  const connection = await RawConnection.silent(server);
  const ended = connection.ending();
  await connection.send(first);
  for (let at = 0; at < then.length && !connection.closed; at++) {
    await connection.send(then.subarray(at, at + 1));
    // Time passes between the bytes: as much as another client needs to come and go.
    (await RawConnection.open(server)).destroy();
  }
  return ended;
}

export const SLOW: Attacks = {
  "that says nothing": { answer: "closed", run: (server) => slow(server, Buffer.of(), Buffer.of()) },
  "that sends its preface byte by byte": {
    answer: "closed",
    run: (server) => slow(server, Buffer.of(), PREFACE.subarray(0, -1)),
  },
  "that greets and never calls": {
    answer: "closed",
    run: (server) => slow(server, Buffer.concat([PREFACE, settings()]), Buffer.of()),
  },
  "that sends a head byte by byte and never all of it": {
    answer: "closed",
    run: (server) => slow(server, Buffer.concat([PREFACE, settings()]), headers(1, WATCH).subarray(0, -1)),
  },
  "that speaks HTTP/1": {
    answer: /^GOAWAY PROTOCOL_ERROR/,
    run: (server) => slow(server, Buffer.from("GET / HTTP/1.1\r\nhost: a\r\n\r\n"), Buffer.of()),
  },
  "that begins with TLS": {
    answer: /^GOAWAY PROTOCOL_ERROR/,
    run: (server) => slow(server, CLIENT_HELLO, Buffer.of()),
  },
};

/** The beginning of a handshake: a record of 512 bytes that says it is a ClientHello. */
const CLIENT_HELLO = Buffer.concat([Buffer.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3), Buffer.alloc(506)]);

async function times(count: number, run: () => Promise<RawConnection>): Promise<string> {
  const endings = new Set<string>();
  for (let at = 0; at < count; at += 50) {
    const some = await Promise.all(ids(50).map(run));
    for (const words of await Promise.all(some.map((connection) => connection.ending()))) endings.add(words);
  }
  return [...endings].join(", ");
}

export const TLS: Attacks = {
  "of plaintext": {
    answer: "closed",
    run: (server) =>
      times(200, async () => {
        const connection = await RawConnection.silent(server);
        await connection.send(PREFACE, settings());
        return connection;
      }),
  },
  "of garbage in place of a handshake": {
    answer: "closed",
    run: (server) =>
      times(200, async () => {
        const connection = await RawConnection.silent(server);
        await connection.send(Buffer.alloc(1000, 0x16));
        return connection;
      }),
  },
  "of handshakes that are begun and left": {
    answer: "left",
    async run(server) {
      for (let at = 0; at < 1000; at += 100) {
        const some = await silent(server, 100);
        await Promise.all(some.map((connection) => connection.send(CLIENT_HELLO.subarray(0, 100))));
        for (const connection of some) connection.destroy();
      }
      return "left";
    },
  },
  "of whole handshakes": {
    answer: "left",
    async run(server) {
      for (let at = 0; at < 200; at += 20) {
        const some = await Promise.all(ids(20).map(() => RawConnection.silent({ ...server, tls: true })));
        for (const connection of some) connection.destroy();
      }
      return "left";
    },
  },
  "of garbage behind a handshake": {
    answer: /^GOAWAY PROTOCOL_ERROR/,
    run: (server) =>
      times(50, async () => {
        const connection = await RawConnection.silent({ ...server, tls: true });
        await connection.send(Buffer.alloc(1000, "garbage"));
        return connection;
      }),
  },
  "of records cut short behind a handshake": {
    answer: "left",
    async run(server) {
      const some = await Promise.all(ids(50).map(() => RawConnection.silent({ ...server, tls: true })));
      for (const { socket } of some) {
        // Beneath TLS: a record of 16 kB of which most never comes.
        const tcp = (socket as unknown as { _parent?: { write(bytes: Buffer): void } })._parent;
        tcp?.write(Buffer.concat([Buffer.of(0x17, 3, 3, 0x40, 0), Buffer.alloc(100)]));
      }
      for (const connection of some) connection.destroy();
      return "left";
    },
  },
};
