import type { Effect } from "./events.ts";
import { newRaft, type Raft } from "./state.ts";
import { step } from "./step.ts";

/**
 * A leader with two followers whose network and disks take no time: what deciding alone costs.
 *
 * @returns microseconds of all three members per proposal; `batch` of them come together.
 */
export function proposalMicros(proposals: number, batch: number, clock: () => number): number {
  const voters = ["a", "b", "c"];
  const snapshot = { index: 0, term: 0, configuration: { voters, learners: [] }, bytes: 1 };
  const facts = { term: 0, vote: undefined, snapshot, baseIndex: 0, baseTerm: 0, lastIndex: 0, runs: [] };
  const rest = { configurations: [], applied: 0, trust: "whole" as const };
  const cores = new Map<string, Raft>();
  for (const [seed, self] of voters.entries()) cores.set(self, newRaft({ self, seed, ...facts, ...rest }, 0));
  const feed = (id: string, event: Parameters<typeof step>[1], now: number): void => {
    const core = cores.get(id) as Raft;
    const effects = step(core, event, now);
    perform(id, effects);
    if (core.issued > core.persisted) feed(id, { type: "persisted", number: core.issued }, now);
  };
  const perform = (id: string, effects: readonly Effect[]): void => {
    for (const effect of effects) {
      if (effect.type === "send") queue.push({ from: id, to: effect.to, message: effect.message });
      if (effect.type === "commit") applied.push([id, effect.index]);
    }
  };
  const queue: { from: string; to: string; message: Extract<Effect, { type: "send" }>["message"] }[] = [];
  const applied: [string, number][] = [];
  const settle = (now: number): void => {
    while (queue.length + applied.length > 0) {
      for (const { from, to, message } of queue.splice(0)) feed(to, { type: "received", from, message }, now);
      for (const [id, index] of applied.splice(0)) feed(id, { type: "applied", index }, now);
    }
  };
  const first = Math.min(...[...cores.values()].map(({ electionAt }) => electionAt));
  const leader = [...cores.values()].find(({ electionAt }) => electionAt === first) as Raft;
  feed(leader.self, { type: "tick" }, first);
  settle(first);
  const startedAt = clock();
  for (let token = 0; token < proposals; token += batch) {
    const taken = Array.from({ length: batch }, (_, at) => ({ token: token + at, bytes: 400 }));
    feed(leader.self, { type: "propose", proposals: taken }, first);
    settle(first);
  }
  return ((clock() - startedAt) * 1_000) / proposals;
}
