import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Card, Frame } from "@nacre/core/membership";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { MemberRunner } from "./member-runner.ts";

const PROTOCOL = { speaks: 1, oldest: 1 };
const VERSION = "0.1.0";
const PEER = "10.0.0.2:8848";

const CARD: Card = {
  id: "peer",
  clusterId: "stands",
  settled: true,
  epoch: 0,
  incarnation: 1,
  beat: 1,
  addresses: [PEER],
  protocol: PROTOCOL,
  version: VERSION,
  fingerprint: "",
  listHash: "",
  clockAt: 0,
  state: "UP",
  forever: false,
  pausedMs: 0,
};

/** A runner whose links go nowhere, and what it tells. */
function runner(persisted: Promise<void>) {
  const said: string[] = [];
  const logged: string[] = [];
  const clock = new FakeClock();
  const members = new MemberRunner({
    clock,
    log: { info: (_, text) => logged.push(String(text)), warn() {}, error() {}, debug() {} },
    start: {
      id: "self",
      incarnation: 1,
      clusterId: "drawn",
      settled: false,
      epoch: 0,
      holdsData: false,
      joined: [],
      protocol: PROTOCOL,
      version: VERSION,
      fingerprint: "",
      port: 8848,
      host: "10.0.0.1",
    },
    options: {},
    links: { connect: () => {}, closeLink: () => {}, sendFrame: () => {} },
    listener: {
      memberChanged: ({ id, to }) => said.push(`${id} ${to}`),
      restarted: () => {},
      selfChanged: () => {},
      ringChanged: () => {},
      membersKnown: () => said.push("known"),
      refused: () => {},
      isolated: () => {},
      stepped: () => {},
    },
    persist: () => persisted,
    resolve: async () => ({ ips: [] }),
  });
  return { members, clock, said, logged };
}

describe("a member that finds a cluster", () => {
  test("calls the members known only when it has told of those it found", async () => {
    const stored = Promise.withResolvers<void>();
    const { members, clock, said, logged } = runner(stored.promise);
    members.start();
    members.feed({ type: "listRead", text: `10.0.0.1:8848\n${PEER}`, source: "test" });
    members.feed({ type: "linkOpened", link: 1, address: PEER });
    // It takes the cluster id of its peer, which has to be durable before anything else of it is told.
    const answer: Frame = { type: "answer", seq: 1, card: CARD, row: [], listed: true, list: undefined };
    members.feed({ type: "received", link: 1, frame: answer });
    clock.advance(400);
    assert.deepEqual([said, logged], [[], []]);

    stored.resolve();
    await stored.promise;
    await new Promise(setImmediate);
    clock.advance(200);
    assert.deepEqual(said.slice(0, 2), ["peer STARTING", "known"]);
    assert.equal(logged[0], "this member belongs to cluster 'stands', for good");
    members.stop();
  });

  test("waits two seconds for those that refuse: they may be starting as well, and hold what this one lacks", () => {
    const { members, clock, said } = runner(Promise.resolve());
    members.start();
    members.feed({ type: "localAddresses", ips: ["10.0.0.1"] });
    members.feed({ type: "listRead", text: `10.0.0.1:8848\n${PEER}`, source: "test" });
    members.feed({ type: "connectFailed", address: PEER, error: "ECONNREFUSED", refused: true });
    clock.advance(1_900);
    assert.deepEqual(said, []);
    clock.advance(400);
    assert.deepEqual(said, ["known"]);
    members.stop();
  });
});
