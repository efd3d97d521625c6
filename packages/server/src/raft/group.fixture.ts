import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type RegisterCommand, RegisterMachine, type RegisterResult } from "@nacre/testkit/log-suite";
import type { StateMachine } from "../storage/port.ts";
import { LocalGroup, type LocalMember } from "./local-group.fixture.ts";
import type { RaftLogOptions } from "./raft-log.ts";

type Options = Partial<RaftLogOptions<RegisterCommand, RegisterResult>>;

export type TestMember = LocalMember<RegisterCommand, RegisterResult, RegisterMachine>;

/** A group whose members hold registers. */
export class TestGroup extends LocalGroup<RegisterCommand, RegisterResult, RegisterMachine> {
  /** A group whose members are not open yet; it is closed and removed with the test. */
  static async make(t: TestContext, voters: readonly string[]): Promise<TestGroup> {
    const group = new TestGroup(await mkdtemp(join(tmpdir(), "nacre-raft-")), voters);
    t.after(() => group.dispose());
    return group;
  }

  /** A group of these members, with a leader, all of whom have begun their sessions. */
  static async ready(t: TestContext, voters: readonly string[], options: Options = {}): Promise<TestGroup> {
    const group = await TestGroup.make(t, voters);
    for (const id of voters) await group.open(id, options);
    await group.settled();
    return group;
  }

  async open(
    id: string,
    options: Options = {},
    machine: StateMachine<RegisterCommand, RegisterResult> = new RegisterMachine(),
  ): Promise<TestMember> {
    return this.openWith(id, machine as RegisterMachine, options);
  }

  /** There is a leader, and all members have applied everything. */
  async settled(): Promise<void> {
    await this.until(() => this.leader !== undefined, "a leader");
    for (const { log } of this.members.values())
      await this.during(log.propose({ type: "put", key: "settled", value: "" }));
    await this.until(() => {
      const last = this.leader?.log.status();
      return [...this.members.values()].every(
        ({ log }) => log.appliedIndex === last?.lastIndex && log.status().leader === last.leader,
      );
    }, "agreement");
  }
}
