/**
 * How much slower another client is served while the engine is attacked: `node test/hostile/grpc-engine-figures.ts
 * [PART-OF-A-NAME]`. Each attack is repeated for some seconds by one attacker; limits are those that servers have. The
 * machine has to be quiet: server, attacker and client are three processes. What they take of the machine from each other
 * is not the engine's doing: before, the same attack goes to an engine of its own, beside the one that the client calls.
 * All of it is done in three rounds, each with new servers, and told is the round in the middle: the least and the most
 * that the client's median was multiplied by stand behind it.
 */
import { setTimeout } from "node:timers/promises";
import { newAuthority } from "@nacre/testkit/certificates";
import { type Attacks, MEBIBYTE } from "./lib/engine/attack.ts";
import { connectionsMax, killed, SLOW, silent, storm, TLS, watchers } from "./lib/engine/connections.ts";
import { Engine, type EngineOptions, type Service } from "./lib/engine/engine.ts";
import { CONTINUATIONS, IDLE, RESETS } from "./lib/engine/floods.ts";
import { HEADS, openHeads } from "./lib/engine/headers.ts";
import { begin, ends, hoard, STALLS, unread } from "./lib/engine/memory.ts";

const SECONDS = 2;
const ROUNDS = 3;
/** Until server and client run at their speed: half a second after a start a call takes up to three times as long. */
const WARM_UP_MS = 2000;
const [part = ""] = process.argv.slice(2);

type Run = (engine: Engine) => Promise<unknown>;

/** How a client was served before, beside and during an attack, and what the attacker got for it. */
interface Measured {
  readonly before: Service;
  readonly beside: Service;
  readonly during: Service;
  readonly runs: number;
  readonly answer: unknown;
  readonly grownBytes: number;
}

const FAN_OUT = { count: 1000, messages: 100, bytes: 100_000 };
const STORM = "5000 connections that come and go";
const UNREAD = "1000 watchers that do not read 100 messages of 100 kB";

const ATTACKS: Record<string, Run> = {
  ...named("a client", RESETS),
  ...named("a flood", IDLE),
  ...named("CONTINUATION frames", CONTINUATIONS),
  ...named("a head", HEADS),
  ...named("a client", STALLS),
  "3 connections with 10,000 open calls of 330 fields each": (engine) => openHeads(engine, 3, 10_000),
  "20 connections with 10,000 open calls of 330 fields each": (engine) => openHeads(engine, 20, 10_000),
  "50 connections that want 60 answers of 1 MiB and open no window": (engine) => hoard(engine, 50, 60, MEBIBYTE),
  "50 connections that want 60 answers of 1 MiB and do not read": (engine) => unread(engine, 50, 60, MEBIBYTE),
  "30 connections that begin 30 messages of 4 MiB each": async (engine) => ends(await begin(engine, 30, 30)),
  [UNREAD]: (engine) => watchers(engine, FAN_OUT),
  "10,000 connections that say nothing": async (engine) => {
    for (const connection of await silent(engine, connectionsMax(10_000))) connection.destroy();
  },
  [STORM]: (engine) => storm(engine, 5000),
  "3 clients, 20 connections each, that are killed": (engine) => killed(engine, 3),
};

interface Control {
  readonly what: string;
  readonly run: Run;
  readonly on?: "socket";
}

/**
 * What is not the engine's doing: the application works as much for clients that do nothing wrong, and Node takes as much
 * for sockets that nobody looks at. Measured behind the attack in each round; the attack's row says how many times the
 * median beside the control it makes of the client's.
 */
const CONTROLS: Record<string, Control> = {
  [UNREAD]: {
    what: "1000 watchers that read 100 messages of 100 kB (no attack)",
    run: (engine) => watchers(engine, { ...FAN_OUT, read: true }),
  },
  [STORM]: {
    what: `${STORM}, at a bare socket of Node (no engine)`,
    run: (socket) => storm(socket, 5000),
    on: "socket",
  },
};

say(
  "| Attack | runs | calls | median before | beside | median during | times before | times beside | worst | memory | answer |\n|---|---|---|---|---|---|---|---|---|---|---|---|",
);
await measured(ATTACKS, { limits: { headerBlockMs: 500 } });
await measured(named("a connection", SLOW), { firstCallMs: 700 });
const authority = newAuthority();
await measured(named("TLS: a flood", TLS), { tls: authority.issue("server") }, authority.cert);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function named(subject: string, attacks: Attacks): Record<string, Run> {
  return Object.fromEntries(Object.entries(attacks).map(([what, { run }]) => [`${subject} ${what}`, run]));
}

async function measured(attacks: Record<string, Run>, options: EngineOptions, ca?: string): Promise<void> {
  const start = () => Engine.start(options, ca);
  const alone = () => Engine.alone(options);
  for (const [what, run] of Object.entries(attacks)) {
    if (!what.includes(part)) continue;
    const control = CONTROLS[what];
    const attacked: Measured[] = [];
    const held: Measured[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      attacked.push(await measure(run, start, alone));
      if (control?.on === "socket") held.push(await measure(control.run, Engine.socket, Engine.socket));
      else if (control !== undefined) held.push(await measure(control.run, start, alone));
    }
    // Each round with its own control: the machine is not the same some minutes later.
    const against = held.map((own, round) => times((attacked[round] as Measured).during, own.during)).sort(byNumber);
    sayRow(what, attacked, held.length === 0 ? "" : `${inWords(against)} times the row below`);
    if (control !== undefined) sayRow(control.what, held);
  }
}

/**
 * @param start  what is called and attacked.
 * @param aside  what is attacked beside it.
 */
async function measure(run: Run, start: () => Promise<Engine>, aside: () => Promise<Engine>): Promise<Measured> {
  const engine = await start();
  const other = await aside();
  await setTimeout(WARM_UP_MS);
  await engine.service();
  await setTimeout(500);
  const before = await engine.service();
  await repeated(run, other);
  const beside = await engine.service();
  await other.stop();
  const { rssBytes } = await engine.settled();
  await engine.service();
  const { runs, answer } = await repeated(run, engine);
  const during = await engine.service();
  const { rssMaxBytes } = await engine.state();
  await engine.stop();
  return { before, beside, during, runs, answer, grownBytes: rssMaxBytes - rssBytes };
}

function times(one: Service, other: Service): number {
  return one.medianMs / other.medianMs;
}

/** The middle one of the rounds, then the least and the most. */
function inWords(sorted: readonly number[]): string {
  const [middle, least, most] = [sorted[Math.floor(sorted.length / 2)], sorted[0], sorted.at(-1)];
  return `${middle?.toFixed(2)} (${least?.toFixed(2)} to ${most?.toFixed(2)})`;
}

function byNumber(one: number, other: number): number {
  return one - other;
}

/** The round in the middle by how many times the median before the one during the attack is, and the range of all. */
function sayRow(what: string, rounds: readonly Measured[], remark = ""): void {
  const slower = ({ during, before }: Measured) => times(during, before);
  const sorted = rounds.toSorted((one, other) => slower(one) - slower(other));
  const { before, beside, during, runs, answer, grownBytes } = sorted[Math.floor(sorted.length / 2)] as Measured;
  const latencies = [before.medianMs, beside.medianMs, during.medianMs].map((ms) => `${ms.toFixed(2)} ms`);
  const besides = rounds.map((round) => times(round.during, round.beside)).sort(byNumber);
  const slowed = [inWords(sorted.map(slower)), inWords(besides), `${during.worstMs.toFixed(2)} ms`];
  const memory = `+${Math.round(grownBytes / MEBIBYTE)} MiB`;
  const said = typeof answer === "string" ? answer.replace(/: .*/, "") : "";
  const failures = rounds.flatMap((round) => round.during.failures);
  const answers = [said, remark, ...failures].filter((words) => words !== "");
  say(`| ${[what, runs, during.calls, ...latencies, ...slowed, memory, answers.join("; ")].join(" | ")} |`);
}

async function repeated(run: Run, engine: Engine): Promise<{ readonly runs: number; readonly answer: unknown }> {
  const until = performance.now() + SECONDS * 1000;
  let runs = 0;
  let answer: unknown;
  for (; performance.now() < until; runs++) answer = await run(engine);
  return { runs, answer };
}
