/**
 * How much slower another client is served while the engine is attacked: `node test/hostile/grpc-engine-figures.ts
 * [PART-OF-A-NAME]`. Each attack is repeated by one attacker; limits are those that servers have. Server, attacker and
 * client are three processes, and what they take of the machine from each other is not the engine's doing: the same attack
 * goes to an engine of its own too, beside the one that the client calls. The client is timed in turns of less than a
 * second: nobody attacks, the other engine is attacked, its own is. So a machine that is now faster and now slower is so in
 * all three; told is the turn in the middle, with the least and the most that the client's median was multiplied by.
 */
import { setTimeout } from "node:timers/promises";
import { newAuthority } from "@nacre/testkit/certificates";
import { type Attacks, MEBIBYTE } from "./lib/engine/attack.ts";
import { connectionsMax, killed, SLOW, silent, storm, TLS, watchers } from "./lib/engine/connections.ts";
import { Engine, type EngineOptions, type Service } from "./lib/engine/engine.ts";
import { CONTINUATIONS, IDLE, RESETS } from "./lib/engine/floods.ts";
import { HEADS, openHeads } from "./lib/engine/headers.ts";
import { begin, ends, hoard, STALLS, unread } from "./lib/engine/memory.ts";

const TURN_MS = 700;
const ROUNDS = 7;
/** After a turn: what was attacked closes connections and collects garbage. */
const REST_MS = 200;
/** Until server and client run at their speed: half a second after a start a call takes up to three times as long. */
const WARM_UP_MS = 2500;
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
 * for sockets that nobody looks at. Measured behind the attack; the attack's row says how many times as much as the control
 * it makes of the client's median beside.
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
    const attacked = await measure(run, start, alone);
    if (control === undefined) {
      sayRow(what, attacked);
      continue;
    }
    const held =
      control.on === "socket"
        ? await measure(control.run, Engine.socket, Engine.socket)
        : await measure(control.run, start, alone);
    const against = middle(attacked.map(slowerThanBeside)) / middle(held.map(slowerThanBeside));
    sayRow(what, attacked, `${against.toFixed(2)} times the row below`);
    sayRow(control.what, held);
  }
}

/**
 * @param start  what is called and attacked.
 * @param aside  what is attacked beside it.
 */
async function measure(run: Run, start: () => Promise<Engine>, aside: () => Promise<Engine>): Promise<Measured[]> {
  const engine = await start();
  const other = await aside();
  await setTimeout(WARM_UP_MS);
  const { rssBytes } = await engine.settled();
  const rounds: Measured[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = await turn(engine, () => setTimeout(TURN_MS));
    const beside = await turn(engine, () => repeated(run, other));
    await engine.state();
    const during = await turn(engine, () => repeated(run, engine));
    const { rssMaxBytes } = await engine.state();
    rounds.push({
      before: before.service,
      beside: beside.service,
      during: during.service,
      ...during.result,
      grownBytes: rssMaxBytes - rssBytes,
    });
  }
  await engine.stop();
  await other.stop();
  return rounds;
}

/** How the client of an engine is served while something goes on. */
async function turn<R>(engine: Engine, goesOn: () => Promise<R>): Promise<{ service: Service; result: R }> {
  await setTimeout(REST_MS);
  await engine.service();
  const result = await goesOn();
  return { service: await engine.service(), result };
}

function times(one: Service, other: Service): number {
  return one.medianMs / other.medianMs;
}

function slowerThanBefore({ during, before }: Measured): number {
  return times(during, before);
}

function slowerThanBeside({ during, beside }: Measured): number {
  return times(during, beside);
}

function middle(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] as number;
}

/** The middle one of the rounds, then the least and the most. */
function inWords(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${middle(values).toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
}

/** Runs and calls are those of all rounds; latencies those of the middle one. */
function sayRow(what: string, rounds: readonly Measured[], remark = ""): void {
  const sum = (of: (round: Measured) => number) => rounds.reduce((all, round) => all + of(round), 0);
  const latency = (of: (round: Measured) => Service) =>
    `${middle(rounds.map((round) => of(round).medianMs)).toFixed(2)} ms`;
  const latencies = [latency(({ before }) => before), latency(({ beside }) => beside), latency(({ during }) => during)];
  const worst = Math.max(...rounds.map(({ during }) => during.worstMs));
  const slowed = [
    inWords(rounds.map(slowerThanBefore)),
    inWords(rounds.map(slowerThanBeside)),
    `${worst.toFixed(2)} ms`,
  ];
  const memory = `+${Math.round(Math.max(...rounds.map(({ grownBytes }) => grownBytes)) / MEBIBYTE)} MiB`;
  const said = rounds.map(({ answer }) => (typeof answer === "string" ? answer.replace(/: .*/, "") : ""));
  const failures = rounds.flatMap(({ during }) => during.failures);
  const answers = [...new Set([...said, remark, ...failures])].filter((words) => words !== "");
  const counts = [sum(({ runs }) => runs), sum(({ during }) => during.calls)];
  say(`| ${[what, ...counts, ...latencies, ...slowed, memory, answers.join("; ")].join(" | ")} |`);
}

async function repeated(run: Run, engine: Engine): Promise<{ readonly runs: number; readonly answer: unknown }> {
  const until = performance.now() + TURN_MS;
  let runs = 0;
  let answer: unknown;
  for (; performance.now() < until; runs++) answer = await run(engine);
  return { runs, answer };
}
