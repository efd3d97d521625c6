import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { minutes, seconds } from "../lib/units.ts";
import { CATALOGUE } from "./catalogue/index.ts";
import { diagnose, isSettling, newDiagnosis } from "./diagnose.ts";
import {
  calm,
  distroPeer,
  follower,
  killed,
  NOON,
  orphans,
  peer,
  refusal,
  silent,
  TimeLine,
  unfound,
  withDistro,
  withGroup,
  withMembers,
  withPeers,
  withProcess,
} from "./facts.fixture.ts";
import type { DiagnosisFacts } from "./facts.ts";
import { FINDING_CODES, type FindingCode } from "./finding.ts";
import { HIDING } from "./hides.ts";

const DOWN = withPeers(killed("b"), peer("c"));

describe("a finding", () => {
  test("is told when it has held for its time, and since when it is so", () => {
    const line = new TimeLine();
    line.run(1, calm());
    assert.deepEqual(line.run(9, DOWN), ["3 +MEMBER_DOWN"]);
    assert.equal(line.last.findings[0]?.since, NOON, "since the member was found to be down");
    assert.deepEqual(line.last.findings[0]?.members, [{ id: "b", address: "10.0.0.2:8848" }]);
  });

  test("is not told of a flicker, however often it comes", () => {
    const flicker = (at: number): DiagnosisFacts => (((at - NOON) / 1000) % 3 === 0 ? DOWN : calm());
    assert.deepEqual(new TimeLine().run(60, flicker), []);
  });

  test("is kept, with its beginning, over a flicker of health", () => {
    const line = new TimeLine();
    line.run(10, DOWN);
    const flicker = (at: number): DiagnosisFacts => (((at - NOON) / 1000) % 3 === 0 ? DOWN : calm());
    assert.deepEqual(line.run(60, flicker), []);
    assert.equal(line.last.findings[0]?.since, NOON);
  });

  test("goes when it has not held for its time", () => {
    const line = new TimeLine();
    line.run(10, DOWN);
    assert.deepEqual(line.run(10, calm()), ["12 -MEMBER_DOWN"]);
  });

  test("begins anew when it comes again later", () => {
    const line = new TimeLine();
    line.run(10, DOWN);
    line.run(10, calm());
    line.run(10, withPeers(killed("b", { since: NOON + seconds(20) }), peer("c")));
    assert.equal(line.last.findings[0]?.since, NOON + seconds(20));
  });

  test("of one code stands beside another of the same code that is about somebody else", () => {
    const line = new TimeLine();
    line.run(5, withPeers(killed("b"), killed("c", { since: NOON - 1 })));
    assert.deepEqual(
      line.last.findings.map(({ code, key }) => [code, key]),
      [
        ["MEMBER_DOWN", "c"],
        ["MEMBER_DOWN", "b"],
      ],
      "the older one first",
    );
  });

  test("shows the figures of now in its sentence", () => {
    const line = new TimeLine();
    const waiting = (pending: number) => withDistro({ peers: [distroPeer("b", { pending }), distroPeer("c")] });
    line.run(5, waiting(5000));
    assert.match(line.last.findings[0]?.sentence ?? "", /is 5000 clients behind/);
    line.run(1, waiting(3000));
    assert.match(line.last.findings[0]?.sentence ?? "", /is 3000 clients behind .* takes 2000 a second/);
  });

  test("is not told in the first eight seconds of a process", () => {
    const line = new TimeLine();
    const starting = { ...DOWN, process: { ...DOWN.process, startedAt: NOON } };
    assert.deepEqual(line.run(20, starting), ["8 +MEMBER_DOWN"]);
    assert.ok(isSettling(starting, NOON + seconds(8) - 1), "and as long as nothing is told, that is said");
    assert.ok(!isSettling(starting, NOON + seconds(8)));
  });
});

describe("equal facts at equal moments", () => {
  test("give equal findings", () => {
    const script = (at: number): DiagnosisFacts => (((at - NOON) / 7000) % 2 < 1 ? DOWN : calm());
    const [one, other] = [new TimeLine(), new TimeLine()];
    assert.deepEqual(one.run(60, script), other.run(60, script));
    assert.deepEqual(one.last, other.last);
  });

  test("change nothing when they are looked at twice", () => {
    const state = newDiagnosis();
    diagnose(state, DOWN, NOON);
    const first = diagnose(state, DOWN, NOON + seconds(5));
    assert.deepEqual(diagnose(state, DOWN, NOON + seconds(5)), { ...first, raised: [], cleared: [] });
  });
});

describe("one cause", () => {
  const all = (peers: DiagnosisFacts, about: Partial<DiagnosisFacts>): DiagnosisFacts => ({ ...peers, ...about });
  const cases: Readonly<Record<string, { readonly facts: DiagnosisFacts; readonly code: string }>> = {
    "a member that was killed, with its clients, a queue, and forwarding": {
      facts: all(DOWN, {
        distro: withDistro({
          orphans: [orphans("b")],
          peers: [distroPeer("b", { pending: 5000, sameDifferenceForMs: 60_000 }), distroPeer("c")],
        }).distro,
        forwarding: [{ to: "b", since: NOON, error: "no link", clients: 3 }],
        connections: {
          counts: [
            { id: "a", count: 300 },
            { id: "c", count: 0 },
          ],
          moving: false,
        },
      }),
      code: "MEMBER_DOWN",
    },
    "a cut off member": {
      facts: withMembers({
        peers: [silent("b"), silent("c")],
        unfound: [unfound("d", "no answer")],
        reach: { reached: 1, expected: 4, minoritySince: NOON },
      }),
      code: "ISOLATED",
    },
    "a cut off voter": {
      facts: withGroup(
        { leader: undefined, followers: [] },
        withMembers({ peers: [silent("b"), silent("c")], reach: { reached: 1, expected: 3, minoritySince: NOON } }),
      ),
      code: "ISOLATED",
    },
    "two of three voters that are away, one of them by plan": {
      facts: withGroup(
        { leader: undefined, followers: [] },
        withPeers(killed("b"), killed("c", { leaving: "restart", since: NOON - minutes(6) })),
      ),
      code: "MAJORITY_LOST",
    },
    "a member that was never found, of a group that is to begin": {
      facts: withGroup(
        { voters: ["a"], votersNeeded: 2, followers: [] },
        withMembers({ peers: [killed("b")], unfound: [unfound("c", "connect ECONNREFUSED", true)] }),
      ),
      code: "GROUP_NOT_FORMED",
    },
    "a new member that is the first of three to be started": {
      facts: withGroup(
        { leader: undefined, voters: [], votersNeeded: 2, followers: [] },
        withMembers({
          peers: [],
          unfound: [unfound("b", "connect ECONNREFUSED", true), unfound("c", "connect ECONNREFUSED", true)],
        }),
      ),
      code: "GROUP_NOT_FORMED",
    },
    "a voter that was killed, of which nothing comes": {
      facts: withGroup(
        { voters: ["a", "b", "c"], followers: [follower("b", { match: 600, lag: 300 }), follower("c")] },
        withPeers(killed("b"), peer("c")),
      ),
      code: "MEMBER_DOWN",
    },
    "a voter whose data folder was emptied": {
      facts: withGroup(
        { voters: ["a", "b", "c"], followers: [follower("c")] },
        withPeers(
          killed("b", { replacedBy: "d", replacedAt: NOON }),
          peer("c"),
          peer("d", { addresses: ["10.0.0.2:8848"] }),
        ),
      ),
      code: "VOTER_NO_MEMBER",
    },
    "another identity token on this member": {
      facts: withMembers({
        peers: [killed("b"), silent("c")],
        unfound: [unfound("b", "different tokens"), unfound("c", "different tokens")],
        reach: { reached: 1, expected: 3, minoritySince: NOON },
        refusals: [refusal("otherIdentity", "b", "tokens"), refusal("otherIdentity", "c", "tokens")],
      }),
      code: "IDENTITY_DIFFERS",
    },
    "a full disk": {
      facts: {
        ...calm(),
        log: { refusing: "ENOSPC" },
        store: { error: "SQLITE_FULL" },
        disk: { path: "/data", freeBytes: 0, totalBytes: 2 ** 40, syncMs: 5000 },
      },
      code: "DISK_WRITES_FAIL",
    },
    "a clock that was set": {
      facts: {
        ...withPeers(peer("b", { clockOffsetMs: -600_000 }), peer("c", { clockOffsetMs: -600_050 })),
        clock: { jump: { at: NOON + seconds(8), byMs: 600_000 } },
      },
      code: "CLOCK_DIFFERS",
    },
  };
  for (const [what, { facts, code }] of Object.entries(cases))
    test(`gives one finding: ${what}`, () => {
      const line = new TimeLine();
      line.run(10, facts);
      assert.deepEqual(line.codes, [code]);
    });

  test("names the consequence that it hides, where clients meet that", () => {
    const line = new TimeLine();
    line.run(10, cases["a cut off voter"]?.facts ?? calm());
    assert.match(line.last.findings[0]?.sentence ?? "", /which grows old, and refuses durable changes: mend/);
  });

  test("that is found later takes the place of what was told before", () => {
    const line = new TimeLine();
    line.run(5, DOWN);
    const refused = withMembers({
      peers: [killed("b"), peer("c")],
      refusals: [refusal("otherIdentity", "b", "tokens")],
    });
    assert.deepEqual(line.run(1, refused), ["5 +IDENTITY_DIFFERS", "5 -MEMBER_DOWN"]);
  });

  test("that ends leaves its consequences their own time to end", () => {
    const line = new TimeLine();
    const after = withPeers(peer("b", { incarnation: 2 }), peer("c"));
    const left = { ...after, distro: withDistro({ orphans: [orphans("b")] }).distro };
    line.run(10, { ...left, ...DOWN, distro: left.distro });
    assert.deepEqual(line.run(5, left), ["12 -MEMBER_DOWN"]);
    assert.deepEqual(line.run(5, left), ["16 +OWNER_LOST"], "what stays after that is told");
  });

  test("is not taken for another: with a majority in reach, no leader is a fault of its own", () => {
    const line = new TimeLine();
    line.run(10, withGroup({ leader: undefined, followers: [] }, withPeers(killed("b"), peer("c"))));
    assert.deepEqual(line.codes, ["MEMBER_DOWN", "LEADER_LACKING"]);
  });

  test("does not hide what is about another member", () => {
    const line = new TimeLine();
    line.run(10, { ...DOWN, forwarding: [{ to: "c", since: NOON, error: "no answer", clients: 3 }] });
    assert.deepEqual(line.codes, ["MEMBER_DOWN", "FORWARDING_FAILS"]);
  });
});

describe("the rules of hiding", () => {
  test("hide nothing by what it hides itself", () => {
    const below = (code: string, seen: readonly string[]): void => {
      assert.ok(!seen.includes(code), `a circle: ${[...seen, code].join(" > ")}`);
      for (const { by, hides } of HIDING)
        if (by.some((each) => each === code)) for (const next of hides) below(next, [...seen, code]);
    };
    for (const code of FINDING_CODES) below(code, []);
  });

  test("and times let all but what changes over minutes be told within ten seconds", () => {
    const slow: readonly FindingCode[] = ["CONNECTIONS_UNEVEN", "VOTERS_EVEN"];
    for (const code of FINDING_CODES) assert.ok(CATALOGUE[code].afterMs <= seconds(8) || slow.includes(code), code);
  });
});

describe("the sentence of a clock", () => {
  const sentence = (facts: DiagnosisFacts): string | undefined => {
    const line = new TimeLine();
    line.run(5, facts);
    return line.last.findings[0]?.sentence;
  };
  test("names this member when the others agree with each other", () => {
    assert.equal(
      sentence(withPeers(peer("b", { clockOffsetMs: -600_000 }), peer("c", { clockOffsetMs: -600_050 }))),
      "The clock of 10.0.0.1:8848 is 10 min ahead of those of 10.0.0.2:8848 and 10.0.0.3:8848; run NTP there.",
    );
  });
  test("blames neither of two", () => {
    assert.equal(
      sentence(withPeers(peer("b", { clockOffsetMs: 5000 }))),
      "The clock of 10.0.0.2:8848 is 5.0 s ahead of that of 10.0.0.1:8848; run NTP on both.",
    );
  });
});

test("text of clients and files cannot steer a terminal through a sentence", () => {
  const line = new TimeLine();
  const agent = `evil\u001b[2J${"x".repeat(200)}`;
  line.run(5, { ...calm(), naming: { silent: [{ agent, clients: 1, of: 1, heardAt: NOON, example: "10.1.1.1:80" }] } });
  const { sentence = "" } = line.last.findings[0] ?? {};
  assert.doesNotMatch(sentence, /\p{Cc}/u);
  assert.ok(sentence.length < 300);
});

test("a status that an operator set is told at once and gone at once", () => {
  const line = new TimeLine();
  assert.deepEqual(line.run(1, withProcess({ statusSet: { status: "DOWN", since: NOON } })), ["0 +STATUS_SET"]);
  assert.deepEqual(line.run(1, calm()), ["1 -STATUS_SET"]);
});
