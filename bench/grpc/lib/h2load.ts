import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { framed } from "./raw-connection.ts";

/** What one run of h2load found out. */
export interface H2Load {
  /** Answered calls, each with when it began (microseconds since the epoch) and how long it took. */
  readonly calls: readonly { readonly atUs: number; readonly tookUs: number }[];
  /** DATA bytes of all answers. */
  readonly dataBytes: number;
}

export interface H2LoadRun {
  /** Each connection asks for them in turn. */
  readonly urls: readonly string[];
  readonly connections: number;
  /** At the same time on each connection. */
  readonly streams: number;
  readonly durationMs: number;
  readonly message: Buffer;
}

/** @returns a sentence for people when h2load is not there. */
export function h2loadMissing(): string | undefined {
  try {
    execFileSync("h2load", ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "The benches of unary calls need h2load; install it with `apt-get install nghttp2-client`.";
  }
}

/** How long h2load takes to stop its clients. */
const STOP_MS = 3000;

/** A connection that is still being set up at the end of a run never hears of it, and h2load waits for it for ever. */
export class Unsettled extends Error {}

/** @throws Unsettled when connections were still being set up at the end. */
export async function h2load({ urls, connections, streams, durationMs, message }: H2LoadRun): Promise<H2Load> {
  const folder = await mkdtemp(join(tmpdir(), "nacre-h2load-"));
  try {
    const body = join(folder, "body");
    const log = join(folder, "log");
    await writeFile(body, framed(message));
    const words = [
      `-c${connections}`,
      `-m${streams}`,
      `-D${durationMs}ms`,
      "-t1",
      `--data=${body}`,
      `--log-file=${log}`,
      "--header=content-type: application/grpc",
      "--header=te: trailers",
    ];
    const output = await run("h2load", [...words, ...urls], durationMs + STOP_MS);
    const calls: { atUs: number; tookUs: number }[] = [];
    for (const line of (await readFile(log, "latin1")).split("\n")) {
      const [atUs, status, tookUs] = line.split("\t");
      // What runs when the time is over is broken off and logged with -1.
      if (status === "200") calls.push({ atUs: Number(atUs), tookUs: Number(tookUs) });
    }
    const dataBytes = Number(/\((\d+)\) data/.exec(output)?.[1] ?? Number.NaN);
    return { calls, dataBytes };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(command: string, words: readonly string[], maxMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    const overstays = setTimeout(() => {
      reject(new Unsettled(`${command} has not connected in ${maxMs} ms`));
      child.kill("SIGKILL");
    }, maxMs);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(overstays);
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ended with ${code}`));
    });
  });
}
