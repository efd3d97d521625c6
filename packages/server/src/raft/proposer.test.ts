import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Raft, Token } from "@nacre/core/raft";
import { newSessions } from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { put, type RegisterCommand, type RegisterResult } from "@nacre/testkit/log-suite";
import { PROPOSAL_LIMITS } from "../storage/memory-log.ts";
import { turn } from "../storage/turn.ts";
import type { Packet } from "./codec.ts";
import { Proposer } from "./proposer.ts";

/** Member `a` of three, which leads in term 1. */
class Subject {
  readonly clock = new FakeClock();
  readonly tokens: Token[] = [];
  readonly sent: Packet[] = [];
  readonly core = {
    leader: "a",
    term: 1,
    leading: {},
    configuration: { voters: ["a", "b", "c"], learners: [] },
  };
  /** Of the others. */
  lostAt: number | undefined;
  readonly proposer: Proposer<RegisterCommand, RegisterResult>;

  constructor() {
    let token = 0;
    const group = {
      self: "a",
      core: this.core as unknown as Raft,
      clock: this.clock,
      peers: { send: () => {}, outOfReachSince: () => this.lostAt, addressOf: (id: string) => id },
      token: () => ++token,
      propose: (proposals: readonly { readonly token: Token }[]) =>
        void this.tokens.push(...proposals.map((one) => one.token)),
      send: (_: string, packet: Packet) => void this.sent.push(packet),
    };
    const parts = { life: 1, codec: undefined, sessions: newSessions, limits: PROPOSAL_LIMITS, options: {} };
    this.proposer = new Proposer(group, parts);
  }

  opened(life: number): void {
    this.proposer.settled({ type: "opened", member: "a", life });
  }
}

describe("a write that goes again under another number", () => {
  test("is not called undone because a copy under the one before was lost", async () => {
    const subject = new Subject();
    const { proposer, clock, core, tokens, sent } = subject;
    const outcome = proposer.propose(put("key", "1")).then(
      () => "done",
      ({ failure }: { failure: string }) => failure,
    );
    await turn();
    const life = 1024;
    const stamp = { member: "a", life, number: 1, low: 1 };
    // Its first copy is here, the second one at the next leader.
    subject.opened(life);
    await turn();
    const first = tokens.at(-1) ?? assert.fail();
    Object.assign(core, { leader: "b", term: 2, leading: undefined });
    proposer.leaderChanged();
    await turn();
    // The group had ended the session: it goes to that leader again, under another number.
    proposer.settled({ type: "write", stamp, admission: "ended", applied: undefined });
    await turn();
    subject.opened(life + 1);
    await turn();
    const numbers = sent.flatMap((packet) =>
      packet.type === "forward" ? packet.proposals.map((one) => one.number) : [],
    );
    assert.deepEqual(numbers, [1, 0, 2]);
    proposer.notTaken([first], "lost");
    // Who has no copy on its way is told at once that it is not done.
    Object.assign(core, { leader: undefined });
    subject.lostAt = 0;
    for (let at = 0; at < 210; at++) clock.advance(50);
    assert.equal(await outcome, "outcomeUnknown");
  });
});

describe("a write that was sent to the next leader", () => {
  test("is sent to it again as long as only the one before says that it has it", async () => {
    const subject = new Subject();
    const { proposer, clock, core, sent } = subject;
    Object.assign(core, { leader: "b", leading: undefined });
    const outcome = proposer.propose(put("key", "1"));
    await turn();
    subject.opened(1024);
    await turn();
    Object.assign(core, { leader: "c", term: 2 });
    proposer.leaderChanged();
    await turn();
    proposer.answered("b", { type: "taken", life: 1, numbers: [1] });
    for (let at = 0; at < 60; at++) clock.advance(50);
    const copies = sent.filter((packet) => packet.type === "forward" && packet.proposals[0]?.number === 1);
    assert.equal(copies.length, 3);
    proposer.answered("c", { type: "taken", life: 1, numbers: [1] });
    for (let at = 0; at < 60; at++) clock.advance(50);
    assert.equal(sent.filter((packet) => packet.type === "forward").length, 4, "with that of the session");
    const stamp = { member: "a", life: 1024, number: 1, low: 1 };
    const result = { index: 7, before: undefined } as unknown as RegisterResult;
    proposer.settled({ type: "write", stamp, admission: "apply", applied: { ok: true, result, rows: [] } });
    assert.equal(await outcome, result);
  });
});

describe("a log that stops for good", () => {
  test("says of a write that may be in it that nobody knows, and of one that nobody was sent that it was not done", async () => {
    const { proposer, ...subject } = new Subject();
    const failureOf = (key: string) =>
      proposer.propose(put(key, "1")).then(
        () => "done",
        ({ failure }: { failure: string }) => failure,
      );
    const sent = failureOf("sent");
    await turn();
    proposer.settled({ type: "opened", member: "a", life: 1024 });
    await turn();
    Object.assign(subject.core, { leader: undefined, leading: undefined });
    const waiting = failureOf("waiting");
    await turn();
    proposer.stop(new RegistryError("dataAccess", "the log stopped, because it is damaged"));
    assert.deepEqual([await sent, await waiting], ["outcomeUnknown", "dataAccess"]);
    await assert.rejects(proposer.propose(put("later", "1")), { failure: "dataAccess" });
  });
});
