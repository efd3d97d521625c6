import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DiagnosisFacts, MemberAnswer } from "@nacre/core/diagnosis";
import { newMembership, step } from "@nacre/core/membership";
import { RegistryError } from "@nacre/protocol";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { Params } from "../transport/http/params.ts";
import { Diagnosing, membersFacts } from "./diagnosis.ts";
import { diagnosisRoutes } from "./diagnosis-http.ts";
import { readMemberReport } from "./member-report.ts";
import { LOOK_MS, OwnWatch } from "./own-watch.ts";

/** A member of a cluster of its own, that can be told that its disk is full. */
function member(answers: readonly MemberAnswer[] = [], isAlone = false) {
  const clock = new FakeClock();
  const startedAt = clock.now();
  const logged: string[] = [];
  const told: { refusing: string | undefined } = { refusing: undefined };
  const note = (level: string) => (_: object, text: string) => void logged.push(`${level} ${text}`);
  const log = { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") };
  const start = {
    id: "a",
    incarnation: 1,
    clusterId: "prod",
    settled: true,
    epoch: 0,
    holdsData: false,
    joined: [],
    protocol: { speaks: 1, oldest: 1 },
    version: "1.2.3",
    fingerprint: "f",
    port: 8848,
    host: undefined,
  };
  const membership = newMembership(start, startedAt);
  step(membership, { type: "localAddresses", ips: ["10.0.0.1"] }, startedAt);
  step(membership, { type: "listRead", text: "10.0.0.1", source: "cluster.conf" }, startedAt);
  const facts = (): DiagnosisFacts => ({
    process: {
      startedAt,
      stage: "running",
      port: 8848,
      address: "10.0.0.1:8848",
      statusSet: undefined,
      pause: undefined,
      memory: undefined,
      queues: [],
    },
    members: isAlone ? undefined : membersFacts(membership, clock.now(), { portOffset: 1001, portOpen: true }),
    lookup: undefined,
    distro: undefined,
    forwarding: [],
    naming: undefined,
    connections: undefined,
    durable: undefined,
    group: undefined,
    log: told,
    store: undefined,
    disk: undefined,
    clock: { jump: undefined },
  });
  const diagnosing = new Diagnosing({ clock, log, version: "0.2.0", facts, askOthers: async () => answers });
  return { clock, logged, told, diagnosing };
}

describe("a member that diagnoses itself", () => {
  test("writes into its log when a finding begins and when it is over", () => {
    const { clock, logged, told, diagnosing } = member();
    diagnosing.start();
    clock.advance(10_000);
    assert.deepEqual(logged, []);
    told.refusing = "the log in /data cannot be written (ENOSPC): free space on its disk";
    clock.advance(2000);
    assert.deepEqual(logged, [
      "error 10.0.0.1:8848 refuses durable changes: the log in /data cannot be written (ENOSPC): free space on its disk.",
    ]);
    told.refusing = undefined;
    clock.advance(5000);
    assert.deepEqual(logged.slice(1), ["info over: Durable changes are refused"]);
    diagnosing.stop();
    assert.equal(clock.waiting, 0);
  });

  test("answers for itself, and for all with what the others say", async () => {
    const b = { id: "b", address: "10.0.0.2:8848" };
    const { diagnosing } = member([{ member: b, error: "no answer within 2 s" }]);
    diagnosing.start();
    const [route] = diagnosisRoutes({ report: async () => diagnosing.report(), cluster: () => diagnosing.cluster() });
    const ask = async (query: string) => {
      const answer = await route?.handle(Params.read(query, "", "v3"), undefined as never);
      return JSON.parse(String((answer as { body: unknown }).body)).data;
    };
    const own = await ask("scope=self");
    assert.deepEqual([own.member.address, own.ready, own.findings], ["10.0.0.1:8848", true, []]);
    const all = await ask("");
    assert.deepEqual(
      all.members.map(({ member: { address }, answered }: { member: { address: string }; answered: boolean }) => [
        address,
        answered,
      ]),
      [
        ["10.0.0.1:8848", true],
        ["10.0.0.2:8848", false],
      ],
    );
    await assert.rejects(ask("scope=x"), RegistryError);
    diagnosing.stop();
  });

  test("names itself by its address also when it runs alone", () => {
    assert.equal(member([], true).diagnosing.report().member.address, "10.0.0.1:8848");
  });

  test("takes reports of others as they come over the wire, and nothing else", () => {
    const { diagnosing } = member();
    const report = JSON.parse(JSON.stringify(diagnosing.report()));
    assert.deepEqual(readMemberReport(report), report);
    const unknown = { code: "NEW_CODE", key: "", severity: "error", since: 1, sentence: "new", members: [] };
    assert.equal(readMemberReport({ ...report, findings: [unknown] }).findings.length, 1);
    for (const bad of [
      null,
      1,
      {},
      { ...report, findings: [{}] },
      { ...report, findings: [{ ...unknown, severity: 1 }] },
    ])
      assert.throws(() => readMemberReport(bad), RegistryError);
  });
});

describe("the watch of the own process", () => {
  test("notices that it stood still, and that the wall clock was set", () => {
    const clock = new FakeClock();
    const watch = new OwnWatch(clock, undefined);
    const look = (ms: number) => {
      clock.advance(ms);
      watch.look();
    };
    // Nobody looked before.
    look(4 * LOOK_MS);
    look(LOOK_MS);
    look(LOOK_MS + 300);
    assert.deepEqual([watch.facts(0).pause, watch.facts(0).clock.jump], [undefined, undefined]);
    look(LOOK_MS + 8200);
    assert.deepEqual(watch.facts(0).pause, { at: clock.now(), lengthMs: 8200 });
    clock.setWall(clock.now() - 600_000);
    look(LOOK_MS);
    assert.deepEqual(watch.facts(0).clock.jump, { at: clock.now(), byMs: -600_000 });
    const { memory } = watch.facts(0);
    assert.ok(memory !== undefined && memory.usedBytes > 0 && memory.usedBytes < memory.limitBytes);
  });
});
