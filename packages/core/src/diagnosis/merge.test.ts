import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  calm,
  follower,
  killed,
  NOON,
  peer,
  silent,
  TimeLine,
  withGroup,
  withMembers,
  withPeers,
} from "./facts.fixture.ts";
import type { DiagnosisFacts, FollowerFact } from "./facts.ts";
import type { Named } from "./finding.ts";
import { clusterReport, type MemberReport, mergeFindings } from "./merge.ts";
import { readinessOf } from "./readiness.ts";

const IDS = ["a", "b", "c"] as const;
const ADDRESS: Readonly<Record<string, string>> = { a: "10.0.0.1:8848", b: "10.0.0.2:8848", c: "10.0.0.3:8848" };

function member(id: string): Named {
  return { id, address: ADDRESS[id] ?? id };
}

/** The facts as another member than `a` would gather them. */
function seenBy(id: string, facts: DiagnosisFacts): DiagnosisFacts {
  const { members, group } = facts;
  if (members === undefined || group === undefined) return facts;
  const followers = group.leader === id ? group.followers : [];
  return {
    ...facts,
    group: { ...group, voters: IDS, self: id, followers },
    members: { ...members, self: { ...members.self, id, address: ADDRESS[id] } },
  };
}

function report(id: string, facts: DiagnosisFacts, isOfA = true): MemberReport {
  const line = new TimeLine();
  line.run(10, isOfA ? seenBy(id, facts) : facts);
  const { findings } = line.last;
  return { member: member(id), at: NOON, version: "0.2.0", findings, ...readinessOf(facts, findings, NOON) };
}

function others(id: string, about: (id: string) => ReturnType<typeof peer>): ReturnType<typeof peer>[] {
  return IDS.filter((other) => other !== id).map(about);
}

describe("findings of several members", () => {
  test("that say the same are one, with all who say it", () => {
    const reports = (["a", "b"] as const).map((id) =>
      report(id, withPeers(...others(id, (other) => (other === "c" ? killed("c") : peer(other))))),
    );
    const [finding, ...rest] = mergeFindings(reports);
    assert.deepEqual(rest, []);
    assert.equal(finding?.code, "MEMBER_DOWN");
    assert.deepEqual(finding?.by, [member("a"), member("b")]);
    assert.deepEqual(finding?.members, [member("c")]);
  });

  test("on the two ends of a link that works one way are one", () => {
    const oneWay = (direction: "in" | "out") => ({ state: "SUSPICIOUS", direction, since: NOON }) as const;
    const reports = [
      report("a", withPeers(peer("b", oneWay("in")), peer("c"))),
      report("b", withPeers(peer("a", oneWay("out")), peer("c"))),
      report("c", withPeers(peer("a"), peer("b"))),
    ];
    const merged = mergeFindings(reports);
    assert.deepEqual(
      merged.map(({ code, key, by }) => [code, key, by.map(({ id }) => id)]),
      [["LINK_ONE_WAY", "a>b", ["a", "b"]]],
    );
  });

  test("that disagree about lists are one, about all of them", () => {
    const there = { since: NOON, missingThere: [ADDRESS.b ?? ""], missingHere: [] };
    const here = { since: NOON, missingThere: [], missingHere: [ADDRESS.b ?? ""] };
    const reports = [
      report("a", withMembers({ listDifferences: [{ id: "c", ...there }] })),
      report(
        "c",
        withMembers({ peers: others("c", peer), listDifferences: ["a", "b"].map((id) => ({ id, ...here })) }),
      ),
    ];
    const merged = mergeFindings(reports);
    assert.deepEqual(
      merged.map(({ code }) => code),
      ["LIST_DIFFERS"],
    );
    assert.deepEqual(merged[0]?.members.map(({ id }) => id).sort(), ["a", "b", "c"]);
  });

  test("of which one is the cause of another's are the cause alone", () => {
    const paused = withPeers(...others("b", (other) => peer(other)));
    const reports = [
      report("a", withPeers(silent("b"), peer("c"))),
      report("b", {
        ...paused,
        process: { ...paused.process, pause: { at: NOON + 8000, lengthMs: 8000 } },
      }),
    ];
    assert.deepEqual(
      mergeFindings(reports).map(({ code }) => code),
      ["PROCESS_PAUSED"],
    );
  });

  test("begin when the first one saw it, in whose words they are", () => {
    const [early, late] = [NOON - 2000, NOON];
    const reports = [
      report("a", withPeers(peer("b"), killed("c", { since: late }))),
      report("b", withPeers(peer("a"), killed("c", { since: early, cause: "its machine refuses (first seen)" }))),
    ];
    const [finding] = mergeFindings(reports);
    assert.equal(finding?.since, early);
    assert.match(finding?.sentence ?? "", /first seen/);
  });
});

describe("findings about the group of durable data", () => {
  const leaderless = (facts: DiagnosisFacts) => withGroup({ leader: undefined }, facts);

  test("that all voters say are one, with the same words about who leads", () => {
    const reports = IDS.map((id) => report(id, leaderless(withPeers(...others(id, (other) => peer(other))))));
    const [finding, ...rest] = mergeFindings(reports);
    assert.deepEqual(rest, []);
    assert.equal(finding?.code, "LEADER_LACKING");
    assert.deepEqual(
      finding?.by.map(({ id }) => id),
      [...IDS],
    );
  });

  test("of those that are left of five are one, about all that are lost", () => {
    const five = ["a", "b", "c", "d", "e"];
    const left = (id: string) => {
      const peers = five.filter((other) => other !== id).map((other) => (other > "b" ? killed(other) : peer(other)));
      const seen = seenBy(id, leaderless(withPeers(...peers)));
      return report(id, withGroup({ voters: five }, seen), false);
    };
    const [finding, ...rest] = mergeFindings([left("a"), left("b")]);
    assert.deepEqual(rest, []);
    assert.equal(finding?.code, "MAJORITY_LOST");
    assert.match(finding?.sentence ?? "", /reaches 2 of 5 voters and 3 are needed/);
    assert.deepEqual(
      finding?.members.map(({ id }) => id),
      ["c", "d", "e"],
    );
  });

  test("tell the cause that a voter names itself, and not what its leader sees of it", () => {
    const behind = { match: 600, lag: 300 };
    const lead = (about: Partial<FollowerFact>) =>
      report("a", withGroup({ followers: [follower("b", { ...behind, ...about }), follower("c")] }));
    const log = { refusing: "the log in /data/log cannot be written (ENOSPC): free space on its disk" };
    const b = withGroup({}, withPeers(peer("a"), peer("c")));
    const codes = (...reports: MemberReport[]) => mergeFindings(reports).map(({ code, key }) => `${code} ${key}`);
    assert.deepEqual(codes(lead({})), ["VOTER_BEHIND b"]);
    assert.deepEqual(codes(lead({}), report("b", { ...b, log })), ["DISK_WRITES_FAIL b"]);
    assert.deepEqual(codes(lead({ trust: "logLost" }), report("b", withGroup({ trust: "logLost" }, b))), [
      "LOG_DAMAGED b",
    ]);
  });

  test("say once of a member that takes its state anew that it does so, whoever tells of it", () => {
    const followers = [follower("b", { trust: "stateLost", lag: 20 }), follower("c")];
    const of = report("b", withGroup({ trust: "stateLost" }, withGroup({}, withPeers(peer("a"), peer("c")))));
    const findings = mergeFindings([report("a", withGroup({ followers, differing: [{ id: "b", index: 2000 }] })), of]);
    assert.deepEqual(
      findings.map(({ code, key }) => `${code} ${key}`),
      ["STATE_DIFFERS b"],
    );
    assert.match(
      findings[0]?.sentence ?? "",
      /^10\.0\.0\.2:8848 held other .* a snapshot of 10\.0\.0\.1:8848, which it does by itself/,
    );
  });

  test("blame the leader for a difference when it differs from most", () => {
    const differing = ["b", "c"].map((id) => ({ id, index: 2000 }));
    const [finding] = mergeFindings([report("a", withGroup({ differing }))]);
    assert.deepEqual(finding?.members, [member("a")]);
    assert.match(finding?.sentence ?? "", /^10\.0\.0\.1:8848 holds other durable data than .*2:8848 and .*3:8848/);
    const ofTwo = withGroup({ followers: [follower("b")], differing: [{ id: "b", index: 2000 }] });
    assert.deepEqual(mergeFindings([report("a", ofTwo)])[0]?.members, [member("b")], "of two nobody can say");
  });
});

describe("the view of a cluster", () => {
  test("shows who did not answer, and why", () => {
    const own = report("a", calm());
    const { members, findings, by } = clusterReport(own, [
      { member: member("b"), report: report("b", withPeers(peer("a"), peer("c"))) },
      { member: member("c"), error: "no answer within 2 s" },
    ]);
    assert.deepEqual(by, member("a"));
    assert.deepEqual(findings, []);
    assert.deepEqual(members, [
      { member: member("a"), answered: true, ready: true, settling: false, sentence: undefined, version: "0.2.0" },
      { member: member("b"), answered: true, ready: true, settling: false, sentence: undefined, version: "0.2.0" },
      {
        member: member("c"),
        answered: false,
        ready: undefined,
        settling: false,
        sentence: "no answer within 2 s",
        version: undefined,
      },
    ]);
  });

  test("says of a member that started a moment ago that it tells of nothing yet, so that no finding says nothing", () => {
    const started = { ...report("b", calm()), settling: true };
    const { members } = clusterReport(report("a", calm()), [{ member: member("b"), report: started }]);
    assert.deepEqual(
      members.map(({ settling }) => settling),
      [false, true],
    );
  });

  test("survives its way as JSON", () => {
    const whole = clusterReport(report("a", withPeers(killed("b"), peer("c"))), []);
    assert.deepEqual(JSON.parse(JSON.stringify(whole)).findings, JSON.parse(JSON.stringify(whole.findings)));
  });
});
