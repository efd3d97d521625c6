import { resolve } from "node:path";
import { ownHost } from "./cluster/setups.ts";
import { collectGarbage } from "./collect-garbage.ts";
import { watchNpmShell } from "./npm-shell.ts";
import { resumeOptimizing } from "./optimizing.ts";
import {
  type Environment,
  OptionError,
  type Options,
  type ReadFile,
  type ReadOptions,
  readOptions,
  readTextFile,
} from "./options.ts";
import type { RunningServer, StartServer } from "./running.ts";
import { memberIp } from "./setups.ts";
import { startFailure } from "./start-failure.ts";
import { VERSION } from "./version.ts";

/** Service managers kill what has not stopped after 15 s or more. */
const STOP_MAX_MS = 15_000;
/** A terminal signals the whole group and npm passes the signal on: one keypress can arrive twice. */
const SAME_KEYPRESS_MS = 300;

/** What a process lends to `runServer`; tests lend something else. */
export interface Host {
  readonly start: StartServer;
  readonly readFile: ReadFile;
  /** Lines for people: what runs where. Logs go elsewhere. */
  readonly out: (line: string) => void;
  /** The one sentence of a failure, and warnings about options. */
  readonly err: (line: string) => void;
  /** Calls back for each signal until the function it returns is called. */
  readonly onSignal: (handle: (signal: "SIGINT" | "SIGTERM") => void) => () => void;
  /**
   * Calls back for each error that nobody caught, until the function it returns is called. Whatever threw it may have
   * left half of its work behind.
   */
  readonly onFault: (handle: (thrown: unknown) => void) => () => void;
  /** Called once, when the server is ready. */
  readonly started?: () => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly stopMaxMs: number;
}

/**
 * Runs a server until a signal or a bug stops it.
 *
 * @param argv words after the command.
 * @returns the exit code: 0 after a clean stop, 1 when the start or the stop failed and after a bug, 2 for bad options,
 * 130 when a second SIGINT asked to leave at once.
 */
export async function runServer(argv: readonly string[], env: Environment, host: Host = processHost): Promise<number> {
  const startedAt = host.now();
  let read: ReadOptions;
  try {
    read = readOptions(argv, env, host.readFile);
  } catch (thrown) {
    if (!(thrown instanceof OptionError)) throw thrown;
    host.err(thrown.message);
    return 2;
  }
  for (const notice of read.notices) host.err(`${notice.level === "warn" ? "Warning: " : ""}${notice.sentence}`);

  const stopping = stopRequest(host);
  try {
    const server = await Promise.race([host.start(read.options), stopping.overdue]);
    if (typeof server === "number") return server;
    for (const line of startLines(read, server, host.now() - startedAt)) host.out(line);
    void server.ready().then(
      () => {
        host.out(`Ready after ${Math.round(host.now() - startedAt)} ms.`);
        host.started?.();
      },
      // A server that is stopped before it is ready says so here; the stop itself reports what matters.
      () => undefined,
    );
    void server.stopOrdered.then((why) => stopping.stop(`Stopping: ${why}.`));
    const code = await stopping.requested;
    return await Promise.race([server.stop(read.options.stopGraceMs).then(() => code), stopping.overdue]);
  } catch (thrown) {
    const sentence = startFailure(thrown, read.options);
    host.err(sentence ?? `Nacre failed because of a bug in it: ${stackOf(thrown)}`);
    return 1;
  } finally {
    stopping.end();
  }
}

/** The lines that say what runs where. */
export function startLines(read: ReadOptions, server: RunningServer, tookMs: number): string[] {
  const { options } = read;
  const given = Object.values(read.origins).filter(
    (where) => read.file === undefined || !where.startsWith(`${read.file}:`),
  );
  return [
    `Nacre ${VERSION} started in ${Math.round(tookMs)} ms.`,
    `  HTTP     ${server.url}`,
    `  gRPC     port ${server.grpcPort}${options.tlsEnabled ? ", TLS" : ""}`,
    ...(server.consolePort === undefined ? [] : [`  console  port ${server.consolePort}, its API and health probes`]),
    `  member   ${memberText(options, server.httpPort)}`,
    `  data     ${options.dataDir === ":memory:" ? "in memory, gone after a stop" : resolve(options.dataDir)}`,
    `  options  ${read.file ?? "no properties file"}, ${given.length} from flags and environment`,
  ];
}

function memberText(options: Options, port: number): string {
  // Which of its addresses a member of a cluster goes by depends on a list that is not read yet.
  const ip = options.mode === "standalone" ? memberIp(options) : ownHost(options);
  const address = ip === undefined ? "" : `${ip.includes(":") ? `[${ip}]` : ip}:${port}, `;
  const others = options.clusterPortOpen ? `, port ${port + options.clusterPortOffset} for the others` : "";
  return `${address}${options.mode}${options.mode === "standalone" ? "" : others}`;
}

function stackOf(thrown: unknown): string {
  return (thrown as Error | undefined)?.stack ?? String(thrown);
}

/**
 * Turns signals into one request to stop, and into an exit code when stopping takes too long or is asked for twice. So
 * does an error that nobody caught: what is in memory cannot be trusted any more, while the log holds what was
 * acknowledged and clients bring back the rest.
 */
function stopRequest(host: Host): {
  requested: Promise<number>;
  overdue: Promise<number>;
  /** Another reason than a signal, as a line for people. */
  stop: (line: string) => void;
  end: () => void;
} {
  const requested = Promise.withResolvers<number>();
  const overdue = Promise.withResolvers<number>();
  let firstAt: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const stop = (code: number): void => {
    firstAt = host.now();
    requested.resolve(code);
    timer = setTimeout(() => {
      host.err(`Nacre did not stop within ${host.stopMaxMs / 1000} s; it leaves with work unfinished.`);
      overdue.resolve(1);
    }, host.stopMaxMs);
  };
  const offSignals = host.onSignal((signal) => {
    if (firstAt !== undefined) {
      if (signal === "SIGINT" && host.now() - firstAt > SAME_KEYPRESS_MS) overdue.resolve(130);
      return;
    }
    host.out(`Stopping on ${signal}.`);
    stop(0);
  });
  const offFaults = host.onFault((thrown) => {
    host.err(`Nacre stops because of a bug in it: ${stackOf(thrown)}`);
    if (firstAt === undefined) stop(1);
  });
  const end = (): void => {
    offSignals();
    offFaults();
    clearTimeout(timer);
  };
  const onOrder = (line: string): void => {
    if (firstAt !== undefined) return;
    host.out(line);
    stop(0);
  };
  return { requested: requested.promise, overdue: overdue.promise, stop: onOrder, end };
}

const processHost: Host = {
  start: async (options) => {
    // Loaded late, so that a bad option is answered before the server's libraries are read.
    const { startServer } = await import("./start.ts");
    // Before the log is read: a long one is work that is worth optimizing.
    resumeOptimizing();
    return startServer(options);
  },
  readFile: readTextFile,
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  onSignal: (handle) => {
    process.on("SIGINT", handle).on("SIGTERM", handle);
    const unwatch = watchNpmShell(process.env, () => handle("SIGTERM"));
    return () => {
      unwatch();
      process.off("SIGINT", handle).off("SIGTERM", handle);
    };
  },
  onFault: (handle) => {
    process.on("uncaughtException", handle).on("unhandledRejection", handle);
    return () => void process.off("uncaughtException", handle).off("unhandledRejection", handle);
  },
  started: () => void collectGarbage(),
  now: () => performance.now(),
  stopMaxMs: STOP_MAX_MS,
};
