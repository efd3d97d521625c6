import assert from "node:assert/strict";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import { type Host, runServer } from "./main.ts";
import type { Options } from "./options.ts";
import { type RunningServer, StartError } from "./running.ts";

type Signal = "SIGINT" | "SIGTERM";

/** A process that a test holds in its hands. */
function newHost(start: Host["start"], stopMaxMs = 60_000) {
  const out: string[] = [];
  const err: string[] = [];
  const clock = { now: 1000 };
  let handle: ((signal: Signal) => void) | undefined;
  let fault: ((thrown: unknown) => void) | undefined;
  const host: Host = {
    start,
    readFile: () => undefined,
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    onSignal: (given) => {
      handle = given;
      return () => {
        handle = undefined;
      };
    },
    onFault: (given) => {
      fault = given;
      return () => {
        fault = undefined;
      };
    },
    now: () => clock.now,
    stopMaxMs,
  };
  return {
    host,
    out,
    err,
    clock,
    signal: (signal: Signal) => handle?.(signal),
    fault: (thrown: unknown) => fault?.(thrown),
    listening: () => handle !== undefined || fault !== undefined,
  };
}

function newServer(parts: Partial<RunningServer> = {}): RunningServer & { stops: (number | undefined)[] } {
  const stops: (number | undefined)[] = [];
  return {
    httpPort: 8848,
    grpcPort: 9848,
    url: "http://127.0.0.1:8848/nacos",
    ready: async () => undefined,
    stopOrdered: new Promise(() => undefined),
    stop: async (graceMs) => void stops.push(graceMs),
    ...parts,
    stops,
  };
}

const fails =
  (thrown: unknown): Host["start"] =>
  async () => {
    throw thrown;
  };

function systemError(code: string, more: object): Error {
  return Object.assign(new Error(`${code}: as the system says it`), { code, ...more });
}

describe("a server process", () => {
  test("says what runs where, and that it is ready", async () => {
    const server = newServer();
    const process = newHost(async () => {
      process.clock.now += 250;
      return server;
    });
    const exit = runServer(["--data", "d", "--nacos.server.ip=10.0.0.7"], {}, process.host);
    await new Promise(setImmediate);
    process.signal("SIGTERM");
    assert.equal(await exit, 0);
    assert.match(process.out[0] ?? "", /^Nacre \d+\.\d+\.\d+ started in 250 ms\.$/);
    assert.deepEqual(process.out.slice(1), [
      "  HTTP     http://127.0.0.1:8848/nacos",
      "  gRPC     port 9848",
      "  member   10.0.0.7:8848, standalone",
      `  data     ${resolve("d")}`,
      "  options  no properties file, 2 from flags and environment",
      "Ready after 250 ms.",
      "Stopping on SIGTERM.",
    ]);
    assert.deepEqual(process.err, []);
  });

  test("names no address of a member of a cluster that was not told one, but the port that the others need", async () => {
    const process = newHost(async () => newServer());
    const exit = runServer(["--mode=cluster", "--members=127.0.0.1:8848,127.0.0.1:8858"], {}, process.host);
    await new Promise(setImmediate);
    process.signal("SIGTERM");
    assert.equal(await exit, 0);
    assert.equal(process.out[3], "  member   cluster, port 9849 for the others");
  });

  test("starts with the options that were read, and shows what has no effect", async () => {
    const seen: (Partial<Options> | undefined)[] = [];
    const process = newHost(async (options) => {
      seen.push(options);
      return newServer();
    });
    const exit = runServer(["--port=0", "--nacos.core.auth.enabled=true"], {}, process.host);
    process.signal("SIGTERM");
    assert.equal(await exit, 0);
    assert.equal(seen[0]?.port, 0);
    assert.match(
      process.err.join("\n"),
      /^Warning: nacos\.core\.auth\.enabled .* has no effect: logins come in a later release/,
    );
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`drains on ${signal} for as long as the options allow, exits 0 and lets go of signals`, async () => {
      const server = newServer();
      const process = newHost(async () => server);
      const exit = runServer(["--nacre.stop.grace=3s"], {}, process.host);
      process.signal(signal);
      assert.equal(await exit, 0);
      assert.deepEqual(server.stops, [3000]);
      assert.equal(process.listening(), false);
    });
  }

  test("stops when an operator orders it over HTTP, as it does on a signal", async () => {
    const stopOrdered = Promise.withResolvers<string>();
    const server = newServer({ stopOrdered: stopOrdered.promise });
    const process = newHost(async () => server);
    const exit = runServer(["--nacre.stop.grace=3s"], {}, process.host);
    stopOrdered.resolve("an operator ordered it to stop");
    assert.equal(await exit, 0);
    assert.deepEqual([server.stops, process.out.at(-1)], [[3000], "Stopping: an operator ordered it to stop."]);
  });

  test("stops in order after an error that nobody caught, shows each, and exits 1", async () => {
    const server = newServer();
    const process = newHost(async () => server);
    const exit = runServer(["--nacre.stop.grace=3s"], {}, process.host);
    await new Promise(setImmediate);
    process.fault(new Error("a bug"));
    process.fault("a rejection");
    assert.equal(await exit, 1);
    assert.deepEqual(server.stops, [3000]);
    assert.match(process.err[0] ?? "", /^Nacre stops because of a bug in it: Error: a bug\n +at /);
    assert.equal(process.err[1], "Nacre stops because of a bug in it: a rejection");
    assert.equal(process.listening(), false);
  });

  test("exits 130 at once on a second SIGINT, but not on the echo of the first", async () => {
    const process = newHost(async () => newServer({ stop: () => new Promise(() => undefined) }));
    const exit = runServer([], {}, process.host);
    let exited = false;
    void exit.then(() => {
      exited = true;
    });
    process.signal("SIGINT");
    process.clock.now += 300;
    process.signal("SIGINT");
    await new Promise(setImmediate);
    assert.equal(exited, false, "a terminal and npm both pass one keypress on");
    process.clock.now += 1;
    process.signal("SIGINT");
    assert.equal(await exit, 130);
  });

  test("that hangs while it starts can still be left with SIGINT", async () => {
    const process = newHost(() => new Promise(() => undefined));
    const exit = runServer([], {}, process.host);
    process.signal("SIGINT");
    process.clock.now += 1000;
    process.signal("SIGINT");
    assert.equal(await exit, 130);
  });

  test("that cannot stop in time says so and exits 1", async () => {
    const process = newHost(async () => newServer({ stop: () => new Promise(() => undefined) }), 1);
    const exit = runServer([], {}, process.host);
    process.signal("SIGTERM");
    assert.equal(await exit, 1);
    assert.match(process.err.join("\n"), /^Nacre did not stop within 0\.001 s/);
  });
});

describe("a start that fails", () => {
  const cases: [string, unknown, RegExp][] = [
    [
      "the port for members in use",
      systemError("EADDRINUSE", { syscall: "listen", port: 9849 }),
      /^Port 9849 \(main port 8848 \+ 1001\), for other members, .*--nacre\.cluster\.port\.enabled=false\.$/,
    ],
    [
      "a port in use",
      systemError("EADDRINUSE", { syscall: "listen", port: 8848 }),
      /^Port 8848 is in use by another process; .* --port\.$/,
    ],
    [
      "the gRPC port in use",
      systemError("EADDRINUSE", { syscall: "listen", port: 9848 }),
      /^Port 9848 \(main port 8848 \+ 1000\) is in use/,
    ],
    [
      "a port that needs rights",
      systemError("EACCES", { syscall: "listen", port: 80 }),
      /^This user may not open port 80; .* 1024 .*--port\.$/,
    ],
    [
      "a bind address of another machine",
      systemError("EADDRNOTAVAIL", { syscall: "listen", port: 8848 }),
      /^0\.0\.0\.0 is no address of this machine; correct --bind/,
    ],
    [
      "a folder without write access",
      systemError("EACCES", { syscall: "mkdir", path: "/data" }),
      /^This user may not write \/data; .* --data/,
    ],
    [
      "a read-only file system",
      systemError("EROFS", { syscall: "open", path: "/data/x" }),
      /^\/data\/x is on a read-only file system; /,
    ],
    ["a full disk", systemError("ENOSPC", { syscall: "write" }), /^There is no room left to write data; /],
    [
      "a file where the folder should be",
      systemError("ENOTDIR", { syscall: "mkdir", path: "/f/d" }),
      /^\/f\/d cannot be made because a file stands/,
    ],
    [
      "a wrapped error of the system",
      new Error("no", { cause: systemError("EADDRINUSE", { port: 8848 }) }),
      /^Port 8848 is in use/,
    ],
    [
      "a folder that another process holds",
      new StartError("The folder is held by process 12; stop it."),
      /^The folder is held by process 12; stop it\.$/,
    ],
    [
      "data that cannot be read",
      new RegistryError("dataAccess", "log 3 is torn; restore it."),
      /^log 3 is torn; restore it\.$/,
    ],
  ];
  for (const [name, thrown, sentence] of cases) {
    test(`because of ${name} gives one sentence and exit code 1`, async () => {
      const process = newHost(fails(thrown));
      assert.equal(await runServer([], {}, process.host), 1);
      assert.equal(process.err.length, 1);
      assert.match(process.err[0] ?? "", sentence);
      assert.ok(!process.err[0]?.includes("\n"), "no stack");
    });
  }

  test("because of a bug says that it is one, with its stack", async () => {
    const process = newHost(fails(new TypeError("x is not a function")));
    assert.equal(await runServer([], {}, process.host), 1);
    assert.match(process.err[0] ?? "", /^Nacre failed because of a bug in it: TypeError: x is not a function\n\s+at /);
  });

  test("because of bad options gives one sentence and exit code 2, and nothing is started", async () => {
    const process = newHost(() => assert.fail("must not start"));
    assert.equal(await runServer(["--port=x"], {}, process.host), 2);
    assert.equal(process.err.length, 1);
  });
});
