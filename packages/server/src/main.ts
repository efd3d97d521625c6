import { resolve } from "node:path";
import { collectGarbage } from "./collect-garbage.ts";
import {
  type Environment,
  OptionError,
  type ReadFile,
  type ReadOptions,
  readOptions,
  readTextFile,
} from "./options.ts";
import type { RunningServer, StartServer } from "./running.ts";
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
  /** Called once, when the server is ready. */
  readonly started?: () => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly stopMaxMs: number;
}

/**
 * Runs a server until a signal stops it.
 *
 * @param argv words after the command.
 * @returns the exit code: 0 after a clean stop, 1 when the start or the stop failed, 2 for bad options, 130 when a second
 * SIGINT asked to leave at once.
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
    await stopping.requested;
    return await Promise.race([server.stop(read.options.stopGraceMs).then(() => 0), stopping.overdue]);
  } catch (thrown) {
    const sentence = startFailure(thrown, read.options);
    host.err(sentence ?? `Nacre failed because of a bug in it: ${(thrown as Error)?.stack ?? String(thrown)}`);
    return 1;
  } finally {
    stopping.end();
  }
}

/** The lines that say what runs where. */
export function startLines(read: ReadOptions, server: RunningServer, tookMs: number): string[] {
  const { options } = read;
  const member = `${options.ip ?? new URL(server.url).hostname}:${server.httpPort}`;
  const given = Object.values(read.origins).filter(
    (where) => read.file === undefined || !where.startsWith(`${read.file}:`),
  );
  return [
    `Nacre ${VERSION} started in ${Math.round(tookMs)} ms.`,
    `  HTTP     ${server.url}`,
    `  gRPC     port ${server.grpcPort}${options.tlsEnabled ? ", TLS" : ""}`,
    `  member   ${member}, ${options.mode}`,
    `  data     ${options.dataDir === ":memory:" ? "in memory, gone after a stop" : resolve(options.dataDir)}`,
    `  options  ${read.file ?? "no properties file"}, ${given.length} from flags and environment`,
  ];
}

/** Turns signals into one request to stop, and into an exit code when stopping takes too long or is asked for twice. */
function stopRequest(host: Host): { requested: Promise<void>; overdue: Promise<number>; end: () => void } {
  const requested = Promise.withResolvers<void>();
  const overdue = Promise.withResolvers<number>();
  let firstAt: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const unsubscribe = host.onSignal((signal) => {
    if (firstAt !== undefined) {
      if (signal === "SIGINT" && host.now() - firstAt > SAME_KEYPRESS_MS) overdue.resolve(130);
      return;
    }
    firstAt = host.now();
    host.out(`Stopping on ${signal}.`);
    requested.resolve();
    timer = setTimeout(() => {
      host.err(`Nacre did not stop within ${host.stopMaxMs / 1000} s; it leaves with work unfinished.`);
      overdue.resolve(1);
    }, host.stopMaxMs);
  });
  const end = (): void => {
    unsubscribe();
    clearTimeout(timer);
  };
  return { requested: requested.promise, overdue: overdue.promise, end };
}

const processHost: Host = {
  // Loaded late, so that a bad option is answered before the server's libraries are read.
  start: async (options) => (await import("./start.ts")).startServer(options),
  readFile: readTextFile,
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  onSignal: (handle) => {
    process.on("SIGINT", handle).on("SIGTERM", handle);
    return () => void process.off("SIGINT", handle).off("SIGTERM", handle);
  },
  started: () => void collectGarbage(),
  now: () => performance.now(),
  stopMaxMs: STOP_MAX_MS,
};
