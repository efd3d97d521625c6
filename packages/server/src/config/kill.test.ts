import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { hash, randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { findItem } from "@nacre/core/config";
import { assertVersionInvariants } from "@nacre/testkit/config-log";
import { Random } from "@nacre/testkit/random";
import { type Change, contentFor, type Line, nameOf, openConfigs, RACED } from "./kill.fixture.ts";

const ROUNDS = 200;
const FIXTURE = join(import.meta.dirname, "kill.fixture.ts");
/** One configuration, formal version and gray ones by name, and how many rows of history it has. */
interface Held {
  readonly versions: ReadonlyMap<string, string>;
  readonly rows: number;
}
const FORMAL = "";
const NOTHING: Held = { versions: new Map(), rows: 0 };
/** What is not durable yet is what each writer has asked for and has had no answer to: one change at most. */
class Expected {
  readonly configs = new Map<string, Held>();
  readonly namespaces = new Set<string>();
  acknowledged = 0;

  apply(change: Change): void {
    for (const [dataId, held] of this.after(change)) this.configs.set(dataId, held);
    if (change.type === "createNamespace") this.namespaces.add(change.id);
    if (change.type === "deleteNamespace") this.namespaces.delete(change.id);
  }

  /** What its configurations are once it is done. */
  after(change: Change): ReadonlyMap<string, Held> {
    switch (change.type) {
      case "publish":
      case "race":
        return new Map([[change.dataId, this.#with(change.dataId, grayOf(change) ?? FORMAL, change.text)]]);
      case "import":
        return new Map(change.dataIds.map((dataId) => [dataId, this.#with(dataId, FORMAL, change.text)]));
      case "remove": {
        const held = this.of(change.dataId);
        const versions = new Map(held.versions);
        const removed = versions.delete(change.gray ?? FORMAL);
        return new Map([[change.dataId, { versions, rows: held.rows + Number(removed) }]]);
      }
      case "createNamespace":
      case "deleteNamespace":
        return new Map();
    }
  }

  of(dataId: string): Held {
    return this.configs.get(dataId) ?? NOTHING;
  }

  #with(dataId: string, version: string, content: string): Held {
    const { versions, rows } = this.of(dataId);
    return { versions: new Map(versions).set(version, content), rows: rows + 1 };
  }
}

function dataIdsOf(change: Change): readonly string[] {
  if (change.type === "import") return change.dataIds;
  return "dataId" in change ? [change.dataId] : [];
}

const grayOf = (change: Change): string | undefined => ("gray" in change ? change.gray : undefined);

function startWriters(directory: string, round: number) {
  // Compiled code is kept beside the data: most of a round would be spent on compiling.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(directory, "compiled") };
  return spawn(process.execPath, [FIXTURE, join(directory, "data"), String(round)], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
  });
}

/** Runs the writers, kills them after so many lines or milliseconds, and returns all that they said. */
async function killedWriters(directory: string, round: number, random: Random): Promise<Line[]> {
  const child = startWriters(directory, round);
  const failure = text(child.stderr);
  // Some die on their way up, in recovery or before their first change.
  const early = random.chance(0.1) ? setTimeout(() => child.kill("SIGKILL"), 50 + random.below(200)) : undefined;
  const linesMax = 1 + random.below(120);
  let lines = 0;
  let dying = false;
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
    lines += chunk.split("\n").length - 1;
    if (lines < linesMax || dying) return;
    dying = true;
    // At once it would hit what follows an answer, and hardly ever what comes before one.
    setTimeout(() => child.kill("SIGKILL"), random.below(25));
  });
  const signal = await new Promise((resolve) => child.on("close", (_, name) => resolve(name)));
  clearTimeout(early);
  assert.equal(signal, "SIGKILL", await failure);
  return output
    .slice(0, output.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

/** Takes what was acknowledged into what is expected. @returns what nobody was answered. */
function take(expected: Expected, lines: readonly Line[], where: string): Change[] {
  const asked = new Map<number, Change>();
  const races: { change: Extract<Change, { type: "race" }>; done: boolean }[] = [];
  for (const { writer, asked: change, outcome } of lines) {
    if (change !== undefined) {
      asked.set(writer, change);
      continue;
    }
    const ended = asked.get(writer);
    assert.ok(ended !== undefined, where);
    asked.delete(writer);
    if (ended.type === "race") races.push({ change: ended, done: outcome === "done" });
    else expected.apply(ended);
    expected.acknowledged += Number(outcome === "done");
  }
  // Answers of a race come in the order of the log, but one that won may be behind one unanswered that was first.
  for (const { change, done } of races) if (done) expected.apply(change);
  const winners = races.filter(({ done }) => done).map(({ change }) => change.expectedMd5);
  assert.equal(new Set(winners).size, winners.length, `${where}: two replaced the same version`);
  return [...asked.values()];
}

describe("configurations of a process that is killed", () => {
  test(`are all there after ${ROUNDS} kills, with every acknowledged change, and with the others wholly or not at all`, {
    timeout: 280_000,
  }, async (t) => {
    const seed = Number(process.env.NACRE_SEED ?? randomInt(1, 2 ** 31 - 1));
    t.diagnostic(`seed ${seed}: repeat with NACRE_SEED=${seed}`);
    const random = new Random(seed);
    const directory = await mkdtemp(join(tmpdir(), "nacre-config-kill-"));
    t.after(() => rm(directory, { recursive: true, force: true }));
    const expected = new Expected();
    let unanswered = 0;
    await once(startWriters(directory, 0), "close");

    for (let round = 1; round <= ROUNDS; round += 1) {
      const lines = await killedWriters(directory, round, random);
      // One in four distrusts the store, as after a reboot: snapshot and log alone must hold everything.
      const boot = random.chance(0.25) ? `boot ${round}` : undefined;
      const where = `seed ${seed}, round ${round}, ${boot ?? "same boot"}`;
      const touched = new Set(lines.flatMap(({ asked }) => (asked === undefined ? [] : dataIdsOf(asked))));
      const open = take(expected, lines, where);
      const { configs, close } = await openConfigs(join(directory, "data"), boot);
      try {
        const found = async (dataId: string): Promise<Held> => {
          const item = findItem(configs.state, nameOf(dataId));
          const versions = new Map<string, string>();
          for (const gray of [undefined, ...(item?.grays ?? [])]) {
            const version = gray ?? item?.formal;
            if (version === undefined) continue;
            const content = (await configs.store.content(nameOf(dataId), gray?.name)) ?? "";
            assert.equal(hash("md5", content), version.md5, `${where}: ${dataId} fits its md5`);
            const { fields } = (gray === undefined
              ? await configs.store.config(nameOf(dataId))
              : await configs.store.gray(nameOf(dataId), gray.name)) ?? { fields: { description: "" } };
            const short = dataId === RACED || dataId.startsWith("import") ? shortOf(content) : fields.description;
            assert.equal(content, dataId === RACED ? short : contentFor(short), `${where}: ${dataId}`);
            versions.set(gray?.name ?? FORMAL, short);
          }
          const { total } = await configs.store.history(
            { name: nameOf(dataId), headsOnly: true },
            { page: 1, size: 1 },
          );
          return { versions, rows: total };
        };
        for (const change of open) {
          if (change.type === "createNamespace" || change.type === "deleteNamespace") {
            // Nobody else writes it: as it is, or as it was asked for.
            if (configs.state.namespaces.has(change.id)) expected.namespaces.add(change.id);
            else expected.namespaces.delete(change.id);
            continue;
          }
          if (change.type === "race") continue;
          const after = expected.after(change);
          const [first] = after;
          if (first === undefined) continue;
          const [dataId, held] = first;
          // All of it or nothing: the first tells which, and all are compared below.
          if (isSame(await found(dataId), held)) {
            expected.apply(change);
            unanswered += 1;
          }
        }
        // Several may have won behind the last answer: each replaced the one before it.
        const raced = await found(RACED);
        const left = open.filter((change) => change.type === "race");
        assert.ok(raced.rows >= expected.of(RACED).rows, `${where}: an acknowledged race is lost`);
        const texts = [...expected.of(RACED).versions.values(), ...left.map((change) => change.text)];
        if (raced.rows > 0) assert.ok(texts.includes(raced.versions.get(FORMAL) ?? ""), `${where}: ${RACED}`);
        assert.ok(raced.rows <= expected.of(RACED).rows + left.length, `${where}: ${RACED} changed unasked`);
        expected.configs.set(RACED, raced);

        for (const [dataId, held] of expected.configs) {
          // What this round did not touch is looked at now and then: it takes most of the time.
          if (round % 40 !== 0 && round !== ROUNDS && !touched.has(dataId)) continue;
          assert.deepEqual(await found(dataId), held, `${where}: ${dataId}`);
        }
        assert.deepEqual([...configs.state.namespaces.keys()].sort(), [...expected.namespaces].sort(), where);
        assertVersionInvariants(configs.state);
        const formal = [...expected.configs.values()].filter(({ versions }) => versions.has(FORMAL)).length;
        const stored = await configs.store.search({ namespace: "public", wildcards: true }, { page: 1, size: 1 });
        assert.deepEqual([configs.state.counts.total, stored.total], [formal, formal], where);
      } finally {
        await close();
      }
      assert.equal(configs.state.staged.size, 0, `${where}: what was staged and never committed is dropped`);
    }
    t.diagnostic(`${expected.acknowledged} acknowledged changes, ${unanswered} others that were found`);
    assert.ok(expected.acknowledged > ROUNDS * 10);
  });
});

const shortOf = (content: string): string => content.replace(/x+$/, "");

function isSame(a: Held, b: Held): boolean {
  return (
    a.rows === b.rows &&
    a.versions.size === b.versions.size &&
    [...a.versions].every(([name, held]) => b.versions.get(name) === held)
  );
}
