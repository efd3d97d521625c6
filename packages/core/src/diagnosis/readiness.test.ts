import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  calm,
  distroPeer,
  NOON,
  STARTED,
  silent,
  standalone,
  TimeLine,
  unfound,
  withDistro,
  withGroup,
  withMembers,
  withProcess,
  withSelf,
} from "./facts.fixture.ts";
import type { DiagnosisFacts } from "./facts.ts";
import { readinessOf, SUBSYSTEMS } from "./readiness.ts";

function ready(facts: DiagnosisFacts) {
  const line = new TimeLine();
  line.run(10, facts);
  return readinessOf(facts, line.last.findings, NOON);
}

const LOADING: DiagnosisFacts = {
  ...withMembers({
    unfound: [unfound("d", "connect ECONNREFUSED", true)],
    reach: { reached: 3, expected: 4, minoritySince: undefined },
  }),
  distro: withDistro({
    ready: undefined,
    load: { forMs: 4000, source: "c", clients: 500, clientsExpected: 2000, chunks: 1 },
    peers: [distroPeer("b", { loadStage: "notLoaded" }), distroPeer("c", { loadStage: "offered" })],
  }).distro,
};

describe("a member", () => {
  test("in which nothing is wrong is ready, and its parts say how they came to be", () => {
    const report = ready(calm());
    assert.equal(report.ready, true);
    assert.equal(report.sentence, undefined);
    assert.deepEqual(report.subsystems.ap, {
      state: "ok",
      since: STARTED,
      reason: "loaded from the other members",
      fix: undefined,
    });
    assert.equal(report.subsystems.cp.reason, "leads 3 voters");
    assert.equal(report.subsystems.config.state, "ok");
  });

  test("that is standalone has all parts", () => {
    const { subsystems } = ready(standalone());
    assert.deepEqual(new Set(SUBSYSTEMS.map((part) => subsystems[part].state)), new Set(["ok"]));
  });

  test("that loads is not ready, and says how far it is with whom, and which port to look at", () => {
    const { ready: isReady, sentence, subsystems } = ready(LOADING);
    assert.equal(isReady, false);
    assert.equal(
      sentence,
      "Naming is not loaded at 10.0.0.1:8848 yet: 10.0.0.2:8848 has not loaded either, 10.0.0.3:8848 has given 500 of 2000 clients and nobody was found at 10.0.0.4:8848 (10.0.0.4:9849: connect ECONNREFUSED); at 12:00:26 UTC it serves what it has; if that stays, open port 9849 between the members.",
    );
    assert.deepEqual([subsystems.ap.state, subsystems.ap.since], ["starting", NOON - 4000]);
  });

  test("that most others refuse says why they do, and names no time and no port", () => {
    const load = { forMs: 4000, source: undefined, clients: 0, clientsExpected: 0, chunks: 0, refused: "other tokens" };
    const { sentence } = ready({ ...LOADING, ...withDistro({ ready: undefined, load, peers: [] }) });
    assert.equal(
      sentence,
      "Naming is not loaded at 10.0.0.1:8848 yet: members of the list refuse it, and it lets no client in until they do not (other tokens).",
    );
  });

  test("that is in no list is not ready, and names its addresses and the list", () => {
    const facts = withSelf({ isUnlisted: true, state: "STARTING", address: undefined, detected: ["172.17.0.2:8848"] });
    const { ready: isReady, sentence, subsystems } = ready(facts);
    assert.equal(isReady, false);
    assert.match(sentence ?? "", /172\.17\.0\.2:8848.*cluster\.conf, which names 10\.0\.0\.1:8848/);
    assert.equal(subsystems.members.state, "failed");
  });

  test("whose list cannot be read says which", () => {
    const { lookup } = calm();
    const facts = {
      ...withSelf({ state: "STARTING", address: undefined }),
      lookup: lookup && { ...lookup, error: "EACCES" },
    };
    assert.match(ready(facts).sentence ?? "", /cannot be read from conf\/cluster\.conf \(EACCES\)/);
  });

  test("that is cut off stays ready, and says that it is", () => {
    const isolated = withMembers({
      peers: [silent("b"), silent("c")],
      reach: { reached: 1, expected: 3, minoritySince: NOON },
    });
    assert.equal(ready(isolated).ready, true);
    assert.equal(ready(isolated).subsystems.members.state, "failed");
  });

  test("that was told to be down, or stops, says so first", () => {
    assert.match(
      ready(withProcess({ statusSet: { status: "DOWN", since: NOON } })).sentence ?? "",
      /^An operator set the status of 10\.0\.0\.1:8848 to DOWN at 12:00:00 UTC/,
    );
    assert.equal(ready(withProcess({ statusSet: { status: "READ_ONLY", since: NOON } })).ready, true);
    assert.match(
      ready({ ...LOADING, process: { ...LOADING.process, stage: "stopping" } }).sentence ?? "",
      /is stopping/,
    );
  });

  test("that starts says so when nothing else is to be said", () => {
    assert.equal(
      ready(withProcess({ stage: "starting" })).sentence,
      "Nacre is starting; it will be ready in a moment.",
    );
  });
});

describe("the group of durable data", () => {
  const parts = (facts: DiagnosisFacts) => readinessOf(facts, [], NOON).subsystems;

  test("is ready as soon as it has a leader, whoever that is", () => {
    assert.equal(parts(withGroup({ leader: "b" })).cp.reason, "follows 10.0.0.2:8848; 3 voters");
    assert.equal(
      parts(withGroup({ leader: "b", voters: ["b", "c", "d"] })).cp.reason,
      "follows 10.0.0.2:8848 without a vote; 3 voters",
    );
    assert.equal(parts(standalone()).cp.reason, "a single member leads its own log");
  });

  test("keeps a member that starts from being ready until it has what was committed before", () => {
    const facts = {
      ...withGroup({ catchingUp: "it waits for the group that keeps durable data", leader: undefined }),
      process: withProcess({ stage: "starting" }).process,
    };
    assert.equal(
      readinessOf(facts, [], NOON).sentence,
      "Durable data is not up to date at 10.0.0.1:8848 yet: it waits for the group that keeps durable data; if that stays, it serves what it has within ten seconds.",
    );
    assert.equal(parts(facts).cp.state, "starting");
    assert.equal(parts(facts).ap.state, "ok");
  });

  test("keeps a member from being ready whose state differs, until it has that of the leader", () => {
    const facts = withGroup({ trust: "stateLost", leader: "b" });
    const { ready: isReady, sentence, subsystems } = ready(facts);
    assert.equal(isReady, false);
    assert.match(
      sentence ?? "",
      /differs from that of most voters.* a snapshot of 10\.0\.0\.2:8848, which it does by itself/,
    );
    assert.equal(subsystems.cp.state, "starting");
  });

  test("takes no changes without one, and members stay ready for everything else", () => {
    const facts = withGroup({ leader: undefined, followers: [] });
    const { cp, config } = parts(facts);
    assert.deepEqual([cp.state, cp.reason], ["failed", "no leader is known, so durable changes are refused"]);
    assert.equal(config.state, "limited");
    assert.equal(ready(facts).ready, true);
    assert.match(ready(facts).subsystems.cp.reason ?? "", /^10\.0\.0\.1:8848 knows no leader since 12:00:00 UTC/);
    const starting = { ...facts, process: withProcess({ startedAt: NOON - 3000 }).process };
    assert.equal(parts(starting).cp.state, "starting", "elections take a moment");
  });

  test("has its reason where the cause is told as another part's finding", () => {
    const isolated = {
      ...withMembers({ peers: [silent("b"), silent("c")], reach: { reached: 1, expected: 3, minoritySince: NOON } }),
      group: withGroup({ leader: undefined, followers: [] }).group,
    };
    assert.equal(ready(isolated).subsystems.members.state, "failed");
    assert.equal(ready(isolated).subsystems.cp.reason, "no leader is known, so durable changes are refused");
  });
});

describe("a part", () => {
  test("with a finding has its reason and its fix", () => {
    const { disk, store } = ready({
      ...calm(),
      log: { refusing: "no room (ENOSPC): free space on its disk" },
    }).subsystems;
    assert.equal(disk.state, "failed");
    assert.match(disk.reason ?? "", /ENOSPC/);
    assert.match(disk.fix ?? "", /nothing has to be restarted/);
    assert.equal(store.state, "ok");
  });

  test("with a notice only is as it was", () => {
    const { members } = ready(withSelf({ isSubstituted: true, detected: ["172.17.0.2:8848"] })).subsystems;
    assert.equal(members.state, "ok");
  });
});
