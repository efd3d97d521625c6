import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import {
  type DiagnosisFacts,
  type DiagnosisState,
  diagnose,
  type Finding,
  type MergedFinding,
  mergeFindings,
  newDiagnosis,
  readinessOf,
} from "@nacre/core/diagnosis";
import type { PeerFact } from "@nacre/core/membership";
import { put, RegisterMachine } from "@nacre/testkit/log-suite";
import { TestGroup, type TestMember } from "../raft/group.fixture.ts";
import { groupFacts } from "./group-facts.ts";

const IDS = ["a", "b", "c"];
const LOOK_MS = 1000;
/** Within which a fault is told, and after which nothing is told any more (DG-1). */
const TOLD_MS = 10_000;
/** Consequences come later than their cause. */
const STAYS_MS = 8_000;
const HOUR_MS = 3_600_000;

/** What the shells of a group's members tell diagnosis, once a second; who reaches whom is told as membership tells it. */
class Diagnosed {
  readonly group: TestGroup;
  readonly findings = new Map<string, readonly Finding[]>();
  /** Members that are away, and since when. */
  readonly #lost = new Map<string, number>();
  readonly #states = new Map<string, DiagnosisState>();
  #timer: { cancel(): void } | undefined;

  private constructor(group: TestGroup) {
    this.group = group;
    this.#look();
  }

  static async of(t: TestContext, make: () => Promise<TestGroup>): Promise<Diagnosed> {
    let made: Diagnosed | undefined;
    // Before the group ends, which leaves no timer.
    t.after(() => made?.stop());
    made = new Diagnosed(await make());
    return made;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Lets time pass until exactly this is told, by whoever can be asked, and stays. */
  async told(code: string): Promise<MergedFinding> {
    await this.#within(() => this.codes.length === 1 && this.codes[0] === code, code);
    await this.#stays([code], STAYS_MS);
    const [finding] = this.merged;
    assert.ok(finding !== undefined);
    return finding;
  }

  async silent(): Promise<void> {
    await this.#within(() => this.codes.length === 0, "nothing");
  }

  /** Lets time pass, in which nothing is told. */
  async nothing(forMs: number): Promise<void> {
    await this.#stays([], forMs);
  }

  get merged(): MergedFinding[] {
    const { clock, members } = this.group;
    const open = [...this.findings].filter(([id]) => members.has(id));
    return mergeFindings(
      open.map(([id, findings]) => ({
        member: { id, address: addressOf(id) },
        at: clock.wall(),
        version: "",
        findings,
        ...readinessOf(this.#factsOf(this.group.get(id)), findings, clock.now()),
      })),
    );
  }

  get codes(): string[] {
    return this.merged.map(({ code }) => code);
  }

  async #stays(codes: readonly string[], forMs: number): Promise<void> {
    const until = this.group.clock.now() + forMs;
    await this.group.until(() => {
      assert.deepEqual(this.codes, codes);
      return this.group.clock.now() >= until;
    });
  }

  async #within(condition: () => boolean, what: string): Promise<void> {
    const until = this.group.clock.now() + TOLD_MS;
    await this.group.until(() => {
      assert.ok(this.group.clock.now() <= until, `within 10 s ${what} was not told, but: ${this.codes}`);
      return condition();
    });
  }

  #look(): void {
    const { clock, members } = this.group;
    for (const id of [...this.#lost.keys()]) if (members.has(id)) this.#lost.delete(id);
    for (const id of IDS) {
      const member = members.get(id);
      if (member === undefined) {
        if (!this.#lost.has(id)) this.#lost.set(id, clock.now());
        this.#states.delete(id);
        this.findings.delete(id);
        continue;
      }
      const state = this.#states.get(id) ?? newDiagnosis();
      this.#states.set(id, state);
      this.findings.set(id, diagnose(state, this.#factsOf(member), clock.now()).findings);
    }
    this.#timer = clock.schedule(LOOK_MS, () => this.#look());
  }

  #factsOf({ id, log }: TestMember): DiagnosisFacts {
    const status = log.status();
    const others = IDS.filter((other) => other !== id);
    return {
      process: {
        startedAt: this.group.clock.now() - HOUR_MS,
        stage: "running",
        port: 8848,
        address: "10.0.0.1:8848",
        statusSet: undefined,
        pause: undefined,
        memory: undefined,
        queues: [],
      },
      members: {
        self: {
          id,
          clusterId: "prod",
          settled: true,
          state: "UP",
          address: addressOf(id),
          detected: [addressOf(id)],
          isUnlisted: false,
          isSubstituted: false,
          listed: IDS.map(addressOf),
          pause: undefined,
          inRing: true,
        },
        peers: others.map((other) => this.#peer(id, other)),
        unfound: [],
        list: {
          source: "cluster.conf",
          entries: 3,
          badLines: [],
          badCount: 0,
          emptiedAt: undefined,
          unresolved: [],
          doubles: [],
          aloneSince: undefined,
        },
        listDifferences: [],
        refusals: [],
        reach: { reached: 3, expected: 3, minoritySince: undefined },
        portOffset: 1001,
        portOpen: true,
      },
      lookup: undefined,
      distro: undefined,
      forwarding: [],
      naming: undefined,
      connections: undefined,
      durable: undefined,
      group: groupFacts({
        self: id,
        source: { group: status, holdsData: true, leftBehind: [] },
        listed: IDS.length,
        catchingUp: undefined,
        momentOf: (wall) => wall,
      }),
      log: { refusing: status.refusing },
      store: { error: status.storeFailing },
      disk: undefined,
      clock: { jump: undefined },
    };
  }

  #peer(id: string, other: string): PeerFact {
    const { clock } = this.group;
    const since = this.#lost.get(other) ?? this.group.outOfReachSince(id, other);
    return {
      id: other,
      addresses: [addressOf(other)],
      incarnation: 1,
      state: since === undefined ? "UP" : "DOWN",
      since: since ?? clock.now() - HOUR_MS,
      cause: "its machine refuses",
      heardAt: clock.now(),
      heardFrom: other,
      direction: since === undefined ? "both" : "none",
      errors: [],
      inRing: true,
      clockOffsetMs: 0,
      rttMs: 1,
      pausedMs: 0,
      protocolVersion: 1,
      version: "",
      listHash: "",
      unanswered: 0,
      origin: "listed",
      unlistedAt: undefined,
      leaving: "no",
      flips: 0,
      refused: true,
      replacedBy: undefined,
      replacedAt: undefined,
    };
  }
}

function addressOf(id: string): string {
  return `10.0.0.${id.charCodeAt(0) - 96}:8848`;
}

function diagnosed(t: TestContext): Promise<Diagnosed> {
  return Diagnosed.of(t, () => TestGroup.ready(t, IDS));
}

function leaderOf({ group }: Diagnosed): TestMember {
  assert.ok(group.leader !== undefined);
  return group.leader;
}

describe("a group", () => {
  test("in which nothing is wrong tells nothing, also while its leader stops and comes back", async (t) => {
    const all = await diagnosed(t);
    await all.nothing(20_000);
    const { id } = leaderOf(all);
    await all.group.stop(id);
    await all.group.open(id);
    await all.nothing(5_000);
  });

  test("whose leader is killed tells of the member and of nothing else", async (t) => {
    const all = await diagnosed(t);
    const { id } = leaderOf(all);
    await all.group.kill(id);
    const { members } = await all.told("MEMBER_DOWN");
    assert.deepEqual(members, [{ id, address: addressOf(id) }]);
    await all.group.open(id);
    await all.silent();
  });

  test("that has lost its majority says who is away, since when, and how many are needed", async (t) => {
    const all = await diagnosed(t);
    const [left, ...lost] = IDS;
    for (const id of lost) await all.group.kill(id);
    const { sentence } = await all.told("MAJORITY_LOST");
    assert.match(
      sentence,
      /^10\.0\.0\.1:8848 reaches 1 of 3 voters and 2 are needed, so durable changes are refused since .* UTC: 10\.0\.0\.2:8848 is down since .* and 10\.0\.0\.3:8848 is down since/,
    );
    await assert.rejects(all.group.during(all.group.get(left ?? "").log.propose(put("key", "1"))), /2 of 3 members/);
    await all.group.open(lost[0] ?? "");
    await all.told("MEMBER_DOWN");
    await all.group.open(lost[1] ?? "");
    await all.silent();
  });

  test("that finds no leader although its members reach each other says so", async (t) => {
    const all = await diagnosed(t);
    all.group.loses = () => true;
    const { sentence, by } = await all.told("LEADER_LACKING");
    assert.match(sentence, /^10\.0\.0\.\d:8848 knows no leader since .* UTC, although it reaches 3 of 3 voters/);
    assert.equal(by.length, 3, "one finding for all that say so");
    all.group.loses = () => false;
    await all.silent();
  });
});

describe("a voter", () => {
  test("whose disk is full tells of the disk, whether it led or not", async (t) => {
    const all = await diagnosed(t);
    const { id, faults, log } = leaderOf(all);
    faults.write = { code: "ENOSPC", afterBytes: 3 };
    const write = log.propose(put("key", "1"));
    const { sentence } = await all.told("DISK_WRITES_FAIL");
    assert.match(sentence, new RegExp(`^${addressOf(id)} refuses durable changes: .*ENOSPC.*free space on its disk`));
    faults.write = undefined;
    await all.group.during(write);
    await all.silent();
  });

  test("whose disk stands still lacks what the others have", async (t) => {
    const all = await diagnosed(t);
    const { id, faults } = all.group.follower;
    const gate = Promise.withResolvers<void>();
    faults.syncGate = gate.promise;
    await all.group.during(leaderOf(all).log.propose(put("key", "1")));
    const { sentence } = await all.told("VOTER_BEHIND");
    assert.match(
      sentence,
      new RegExp(`^${addressOf(id)} lacks 1 entry of the log of ${addressOf(leaderOf(all).id)} and has taken nothing`),
    );
    gate.resolve();
    await all.silent();
  });

  test("which a leader's entries do not reach over a link that is open is told of by its leader", async (t) => {
    const all = await diagnosed(t);
    const { id } = all.group.follower;
    all.group.loses = (_, to) => to === id;
    await all.group.during(leaderOf(all).log.propose(put("key", "1")));
    const { members } = await all.told("VOTER_BEHIND");
    assert.deepEqual(members, [{ id, address: addressOf(id) }]);
    all.group.loses = () => false;
    await all.silent();
  });

  test("whose log is damaged has no vote until it has fetched it", async (t) => {
    const all = await diagnosed(t);
    const { group } = all;
    const { id } = group.follower;
    await group.kill(id);
    const folder = join(group.directory, id);
    const [name = ""] = await readdir(join(folder, "log"));
    const bytes = await readFile(join(folder, "log", name));
    bytes[80] = (bytes[80] ?? 0) ^ 1;
    await writeFile(join(folder, "log", name), bytes);
    await rm(join(folder, "store.db"));
    group.loses = (_, to) => to === id;
    await group.open(id, { quarantines: true });
    const { sentence } = await all.told("LOG_DAMAGED");
    assert.match(sentence, new RegExp(`^${addressOf(id)} found files of its log damaged and lost entries;`));
    group.loses = () => false;
    await all.silent();
    assert.equal(group.get(id).log.status().configuration.voters.length, 3);
  });
});

describe("a machine", () => {
  function withOne(t: TestContext, machine: RegisterMachine): Promise<Diagnosed> {
    return Diagnosed.of(t, async () => {
      const group = await TestGroup.make(t, IDS);
      for (const id of IDS) await group.open(id, {}, id === "b" ? machine : new RegisterMachine());
      await group.settled();
      if (group.leader?.id === "b") {
        await group.during(group.leader.log.order({ type: "transfer", id: "a" }));
        await group.settled();
      }
      return group;
    });
  }

  test("that does something else than the others again and again is told of", async (t) => {
    class Unlike extends RegisterMachine {
      override apply(entry: Parameters<RegisterMachine["apply"]>[0]): ReturnType<RegisterMachine["apply"]> {
        const applied = super.apply(entry);
        return entry.index % 700 === 0
          ? { ...applied, rows: [{ kind: "register", key: "own", value: `"of b"` }] }
          : applied;
      }
    }
    const all = await withOne(t, new Unlike());
    const write = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n += 60)
        await all.group.during(
          Promise.all(Array.from({ length: 60 }, () => leaderOf(all).log.propose(put("key", `${n}`)))),
        );
    };
    await write(1020);
    const { log } = all.group.get("b");
    for (const trust of ["stateLost", "whole"])
      await all.group.until(() => log.status().trust === trust, "that it takes the state of the leader, once");
    await write(1020);
    const { sentence } = await all.told("STATE_DIFFERS");
    assert.match(sentence, /^10\.0\.0\.2:8848 holds other durable data than 10\.0\.0\.\d:8848, .* up to entry 2000;/);
    await all.group.during(leaderOf(all).log.order({ type: "remove", id: "b" }));
    await all.told("MEMBER_NO_VOTER");
  });

  test("that breaks leaves a member that applies nothing more, and says at which entry", async (t) => {
    class Broken extends RegisterMachine {
      override apply(entry: Parameters<RegisterMachine["apply"]>[0]): ReturnType<RegisterMachine["apply"]> {
        if (entry.command.type === "put" && entry.command.key === "poison") throw new Error("broken");
        return super.apply(entry);
      }
    }
    const all = await withOne(t, new Broken());
    await all.group.during(leaderOf(all).log.propose(put("poison", "1")));
    const { sentence, members } = await all.told("APPLY_STOPPED");
    assert.deepEqual(members, [{ id: "b", address: addressOf("b") }]);
    assert.match(sentence, /applies nothing behind entry \d+ of the log: the log stopped, because applying its record/);
  });
});
