import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { FindingCode } from "@nacre/core/diagnosis";
import { DiagnosisSim } from "./diagnosis-sim.ts";
import type { SimNode } from "./membership-sim-net.ts";

const SEEDS = 5;
const START_MS = 15_000;
/** Within which a fault is told, and after which nothing is told any more (DG-1). */
const TOLD_MS = 10_000;
const LONG_MS = 60_000;

interface Fault {
  readonly members: number;
  readonly inject: (sim: DiagnosisSim, ...nodes: readonly SimNode[]) => void;
  readonly heal: (sim: DiagnosisSim, ...nodes: readonly SimNode[]) => void;
  readonly code: FindingCode;
  /** What takes its place in time. */
  readonly next?: FindingCode;
  /** Who can be asked, where that is not everybody. */
  readonly side?: (nodes: readonly SimNode[]) => readonly SimNode[];
  /** For a fault that passes by itself. */
  readonly forMs?: number;
  readonly sentence: RegExp;
}

const first = ([node]: readonly SimNode[]): SimNode => node ?? assert.fail("no node");
const cut = ({ net }: DiagnosisSim, some: readonly SimNode[], others: readonly SimNode[]): void => {
  for (const one of some)
    for (const other of others) {
      net.cut.add(`${one.id}>${other.id}`);
      net.cut.add(`${other.id}>${one.id}`);
    }
};
const mend = ({ net }: DiagnosisSim): void => net.cut.clear();
const listing = (nodes: readonly SimNode[]): string => nodes.map(({ address }) => address).join("\n");

const FAULTS: Readonly<Record<string, Fault>> = {
  "a process is killed": {
    members: 3,
    inject: ({ net }, ...nodes) => net.kill(first(nodes), "on"),
    heal: ({ net }, ...nodes) => net.start(first(nodes)),
    code: "MEMBER_DOWN",
    sentence: /^10\.0\.0\.1:8848 is down since .*: its machine refuses .*; 2 of 3 members are in reach/,
  },
  "a machine loses power": {
    members: 3,
    inject: ({ net }, ...nodes) => net.kill(first(nodes), "off"),
    heal: ({ net }, ...nodes) => net.start(first(nodes)),
    code: "MEMBER_DOWN",
    sentence: /^10\.0\.0\.1:8848 is down since .*: nobody in reach has heard it/,
  },
  "one of two is killed": {
    members: 2,
    inject: ({ net }, ...nodes) => net.kill(first(nodes), "on"),
    heal: ({ net }, ...nodes) => net.start(first(nodes)),
    code: "MEMBER_DOWN",
    sentence: /1 of 2 members are in reach, nothing that is lost is removed meanwhile/,
  },
  "one of three is cut off, asked on its side": {
    members: 3,
    inject: (sim, one, ...rest) => cut(sim, one === undefined ? [] : [one], rest),
    heal: mend,
    side: (nodes) => nodes.slice(0, 1),
    code: "ISOLATED",
    sentence:
      /^10\.0\.0\.1:8848 reaches 0 of 2 other members .* \(no answer from 10\.0\.0\.2:8848 and 10\.0\.0\.3:8848\)/,
  },
  "one of three is cut off, asked on the other side": {
    members: 3,
    inject: (sim, one, ...rest) => cut(sim, one === undefined ? [] : [one], rest),
    heal: mend,
    side: (nodes) => nodes.slice(1),
    code: "MEMBER_DOWN",
    sentence: /^10\.0\.0\.1:8848 is down/,
  },
  "two of five are cut off, asked on their side": {
    members: 5,
    inject: (sim, ...nodes) => cut(sim, nodes.slice(0, 2), nodes.slice(2)),
    heal: mend,
    side: (nodes) => nodes.slice(0, 2),
    code: "ISOLATED",
    sentence: /reaches 1 of 4 other members/,
  },
  "two of three do not reach each other": {
    members: 3,
    inject: (sim, a, b) => cut(sim, [a ?? assert.fail()], [b ?? assert.fail()]),
    heal: mend,
    code: "LINK_BROKEN",
    sentence: /do not reach each other since .* and 10\.0\.0\.3:8848 hears both/,
  },
  "what one sends another is lost": {
    members: 3,
    inject: ({ net }, a, b) => net.lossy.set(`${a?.id}>${b?.id}`, 1),
    heal: ({ net }) => net.lossy.clear(),
    code: "LINK_ONE_WAY",
    sentence: /^10\.0\.0\.1:8848 cannot reach 10\.0\.0\.2:9849/,
  },
  "a process stands still for eight seconds": {
    members: 3,
    inject: ({ net }, ...nodes) => net.pause(first(nodes), 8000),
    heal: () => undefined,
    forMs: 8000,
    code: "MEMBER_DOWN",
    // When it wakes it says what it was.
    next: "PROCESS_PAUSED",
    sentence: /10\.0\.0\.1:8848/,
  },
  "a list loses a line": {
    members: 3,
    inject: ({ net }, ...nodes) => net.editList(first(nodes), listing(nodes.slice(0, 2))),
    heal: ({ net }, ...nodes) => net.editList(first(nodes), listing(nodes)),
    code: "LIST_DIFFERS",
    sentence: /10\.0\.0\.3:8848/,
  },
  "a list gets a bad line": {
    members: 3,
    inject: ({ net }, ...nodes) => net.editList(first(nodes), `${listing(nodes)}\n10.0.0.3:port`),
    heal: ({ net }, ...nodes) => net.editList(first(nodes), listing(nodes)),
    code: "LIST_LINES_BAD",
    sentence: /line 4 '10\.0\.0\.3:port'/,
  },
  "a list is emptied": {
    members: 3,
    inject: ({ net }, ...nodes) => net.editList(first(nodes), ""),
    heal: ({ net }, ...nodes) => net.editList(first(nodes), listing(nodes)),
    code: "LIST_EMPTIED",
    sentence: /keeps the 3 members of before/,
  },
  "all lists lose a member that runs": {
    members: 3,
    inject: ({ net }, ...nodes) => {
      for (const node of nodes) net.editList(node, listing(nodes.slice(0, 2)));
    },
    heal: ({ net }, ...nodes) => {
      for (const node of nodes) net.editList(node, listing(nodes));
    },
    code: "MEMBER_UNLISTED",
    sentence: /10\.0\.0\.3:8848 is no longer in cluster\.conf/,
  },
  "all lists get an address where nobody is": {
    members: 3,
    inject: ({ net }, ...nodes) => {
      for (const node of nodes) net.editList(node, `${listing(nodes)}\n10.0.0.9:8848`);
    },
    heal: ({ net }, ...nodes) => {
      for (const node of nodes) net.editList(node, listing(nodes));
    },
    code: "MEMBER_NOT_FOUND",
    sentence: /^Nobody was found at 10\.0\.0\.9:8848 since .* \(10\.0\.0\.9:9849: no answer within 2 s\)/,
  },
  "all lists get a name that does not resolve": {
    members: 3,
    inject: ({ net }, ...nodes) => {
      for (const node of nodes) net.editList(node, `${listing(nodes)}\nnacos-9`);
    },
    heal: ({ net }, ...nodes) => {
      for (const node of nodes) net.editList(node, listing(nodes));
    },
    code: "HOST_UNRESOLVED",
    sentence: /cannot resolve nacos-9 since .* \(no such name\)/,
  },
  "a member has another identity token": {
    members: 3,
    inject: ({ otherToken }, ...nodes) => otherToken.add(first(nodes)),
    heal: ({ otherToken }) => otherToken.clear(),
    code: "IDENTITY_DIFFERS",
    sentence: /have different identity tokens: set the same token on all members/,
  },
  "a clock is set": {
    members: 3,
    inject: (_sim, ...nodes) => {
      first(nodes).clockOffsetMs = -600_000;
    },
    heal: (_sim, ...nodes) => {
      first(nodes).clockOffsetMs = 0;
    },
    code: "CLOCK_DIFFERS",
    sentence: /^The clock of 10\.0\.0\.1:8848 is 10 min behind those of/,
  },
};

describe("members that diagnose what they see", () => {
  for (const [what, fault] of Object.entries(FAULTS))
    test(`tell of one thing within 10 s and of nothing 10 s after healing: ${what}`, () => {
      for (let seed = 1; seed <= SEEDS; seed++) check(seed, fault);
    });

  test("tell of nothing while a cluster starts and runs, and while its members are restarted one after the other", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const sim = new DiagnosisSim(seed);
      const nodes = sim.cluster(3);
      assertCalmFor(sim, LONG_MS, seed);
      for (const node of nodes) {
        sim.net.feed(node, { type: "leave", forever: false });
        assertCalmFor(sim, 1000, seed);
        sim.net.kill(node, "on");
        assertCalmFor(sim, 10_000, seed);
        sim.net.start(node);
        assertCalmFor(sim, 10_000, seed);
      }
    }
  });

  test("tell of nothing while members are added and taken away by plan", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const sim = new DiagnosisSim(seed);
      const nodes = sim.cluster(3);
      assertCalmFor(sim, START_MS, seed);
      const [third] = nodes.slice(2);
      if (third === undefined) assert.fail();
      sim.net.feed(third, { type: "leave", forever: true });
      assertCalmFor(sim, 1000, seed);
      sim.net.kill(third, "off");
      for (const node of nodes.slice(0, 2)) sim.net.editList(node, listing(nodes.slice(0, 2)));
      assertCalmFor(sim, LONG_MS, seed);
    }
  });

  test("blame a restart of the whole cluster on nobody once it is over", () => {
    const sim = new DiagnosisSim(1);
    const nodes = sim.cluster(3);
    sim.net.runFor(START_MS);
    for (const node of nodes) sim.net.kill(node, "on");
    for (const [at, node] of nodes.entries()) sim.net.later(at * 2000, () => sim.net.start(node));
    sim.net.runFor(4000);
    assertCalmFor(sim, LONG_MS, 1);
  });
});

function check(
  seed: number,
  { members, inject, heal, code, next, side = (all) => all, forMs = 30_000, sentence }: Fault,
): void {
  const sim = new DiagnosisSim(seed);
  const nodes = sim.cluster(members);
  assertCalmFor(sim, START_MS, seed);
  const told = (): string[] => sim.mergedOf(side(nodes)).map((finding) => finding.code);
  const trace = (): string => `seed ${seed}\n  ${sim.net.trace.slice(-30).join("\n  ")}`;
  inject(sim, ...nodes);
  const isOne = ([one, ...more]: readonly string[]): boolean => more.length === 0 && (one === code || one === next);
  let toldAfterMs: number | undefined;
  for (let ms = 500; ms <= forMs; ms += 500) {
    sim.net.runFor(500);
    const now = told();
    assert.ok(now.length === 0 ? toldAfterMs === undefined : isOne(now), `${ms} ms: ${now} ${trace()}`);
    if (now.length > 0) toldAfterMs ??= ms;
  }
  assert.ok(toldAfterMs !== undefined && toldAfterMs <= TOLD_MS, `told after ${toldAfterMs} ms, ${trace()}`);
  assert.match(sim.mergedOf(side(nodes))[0]?.sentence ?? "", sentence);
  heal(sim, ...nodes);
  sim.net.runFor(TOLD_MS);
  assertCalmFor(sim, 20_000, seed);
}

function assertCalmFor(sim: DiagnosisSim, ms: number, seed: number): void {
  for (let at = 0; at < ms; at += 500) {
    sim.net.runFor(500);
    const told = sim.merged.map(({ code, sentence }) => `${code}: ${sentence}`);
    assert.deepEqual(told, [], `seed ${seed}, ${sim.net.trace.slice(-20).join("\n  ")}`);
  }
}
