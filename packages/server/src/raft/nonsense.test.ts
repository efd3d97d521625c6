import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Message } from "@nacre/core/raft";
import { put } from "@nacre/testkit/log-suite";
import type { Packet } from "./codec.ts";
import { FrameWriter } from "./frames.ts";
import { TestGroup, type TestMember } from "./group.fixture.ts";
import type { RaftStatus } from "./port.ts";

const COUNT_MAX = 2 ** 48 - 1;

function raft(message: Message, text?: string): Packet {
  const entries =
    text === undefined ? [] : [{ term: message.term, at: 1, kind: "command" as const, payload: Buffer.from(text) }];
  return { type: "raft", message, entries, chunk: Buffer.alloc(0) };
}

const append = (term: number, prevIndex: number, prevTerm: number, text?: string): Packet =>
  raft(
    {
      type: "append",
      term,
      prevIndex,
      prevTerm,
      lastIndex: prevIndex,
      runs: [],
      configurations: [],
      bytes: 0,
      commit: 0,
    },
    text,
  );
const forward = (payload: string, number = 1): Packet => ({
  type: "forward",
  proposals: [{ number, payload: Buffer.from(payload) }],
});

type Case = readonly [to: "leader" | "follower", packet: (status: RaftStatus) => Packet, reason: RegExp];

const CASES: Readonly<Record<string, Case>> = {
  "leads in a term in which this member does": [
    "leader",
    ({ term, lastIndex }) => append(term, lastIndex, term),
    /it leads in term 1, in which this member does/,
  ],
  "has another entry where one is committed": [
    "follower",
    ({ term }) => append(term + 1, 3, 77),
    /its entry 3 is not the one that is committed here/,
  ],
  "would cut what is committed": [
    "follower",
    ({ term }) => append(term + 1, 2, term, "other"),
    /its entry 3 is not the one that is committed here/,
  ],
  "is in a term that no election led to": [
    "follower",
    () => raft({ type: "vote", term: COUNT_MAX, lastIndex: COUNT_MAX, lastTerm: COUNT_MAX, forced: true }),
    /it is in term 281474976710655, and this member in term 1/,
  ],
  "follows with more than its leader has": [
    "leader",
    ({ term }) => raft({ type: "appended", term, match: COUNT_MAX, trust: "whole" }),
    /it has entries up to 281474976710655, and this member, which leads it, up to/,
  ],
  "proposes what nobody can read": ["leader", () => forward("[1]\nnonsense"), /cannot be read/],
  "proposes a command that nobody can read": ["leader", () => forward('["z",1024,1,1]\n{"type":'), /cannot be read/],
  "proposes as another member": ["leader", () => forward('["a",1024,1,1]\n{}'), /a session that is not its own/],
  "opens a session of another member": ["leader", () => forward('["a",1024]\n', 0), /a session that is not its own/],
  "ends a session": ["leader", () => forward('["z"]\n'), /outside of a session/],
};

describe("a member of the cluster that sends nonsense", () => {
  for (const [what, [to, packet, reason]] of Object.entries(CASES))
    test(`${what}: its link is closed with the reason, and nothing else comes of it`, async (t) => {
      const group = await TestGroup.ready(t, ["a", "b", "c"]);
      for (const text of ["1", "2", "3"]) await group.during(one(group).log.propose(put("key", text)));
      await group.settled();
      const { log } = to === "leader" ? one(group) : group.follower;
      const before = log.status();
      const frames = new FrameWriter(1).frames(packet(before));
      assert.match(frames.map((frame) => log.received("z", frame)).join(""), reason);
      const { term, lastIndex, stopped } = log.status();
      assert.deepEqual([term, lastIndex, stopped], [before.term, before.lastIndex, undefined]);
      await group.during(one(group).log.propose(put("key", "after")));
    });
});

function one(group: TestGroup): TestMember {
  assert.ok(group.leader !== undefined);
  return group.leader;
}
