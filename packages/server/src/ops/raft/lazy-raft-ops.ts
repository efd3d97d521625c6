import type { RaftOps, RaftOpsSetup } from "./raft-ops.ts";
import type { RaftCalls } from "./wire.ts";

/** What operators do with the group, loaded when somebody does it: most members are never asked. */
export class LazyRaftOps {
  readonly #setup: () => RaftOpsSetup;
  #ops: Promise<RaftOps> | undefined;

  constructor(setup: () => RaftOpsSetup) {
    this.#setup = setup;
  }

  /** What this member answers others. */
  readonly calls: { readonly [Name in keyof RaftCalls]: () => Promise<RaftCalls[Name]["answered"]> } = {
    "raft.status": async () => (await this.ops()).calls["raft.status"](),
    "raft.snapshot": async () => (await this.ops()).calls["raft.snapshot"](),
  };

  ops(): Promise<RaftOps> {
    this.#ops ??= import("./raft-ops.ts").then(({ RaftOps: Ops }) => new Ops(this.#setup()));
    return this.#ops;
  }
}
