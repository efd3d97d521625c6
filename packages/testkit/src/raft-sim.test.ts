import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Effect, type Event, type Raft, step } from "@nacre/core/raft";
import { RAFT_CHECKERS } from "./raft-checks/all.ts";
import { type RaftWeather, runRaftSim } from "./raft-sim.ts";
import type { RaftBreakage } from "./raft-sim-world.ts";

/** The 2,000 seeds that CI runs are those of `npm run sim`. */
const SEEDS = 60;
/** Seeds that once failed, and what it was. */
const FAILED: readonly [number, RaftWeather, string][] = [
  [135, "everything", "who was removed by an entry that is not committed did not campaign, and nobody else could win"],
  [7, "disks", "who had lost its log did not learn of the configuration with which the group began"],
  [1173, "everything", "who was being removed when it ended did not campaign when it began, and nobody else could win"],
  [
    454181,
    "membership",
    "who was taken in again was promoted while it was silent, and took the majority from its leader",
  ],
  [
    1072156,
    "disks",
    "a member whose write had failed waited for it with all that it acknowledged, and got what it had without end",
  ],
  [2056417, "leases", "snapshots still came spoilt after everything had healed, twice in a row"],
];

describe("a group of members under faults", () => {
  test(`keeps every promise in any weather, over ${SEEDS} seeds`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) runRaftSim(seed);
  });

  test("keeps every promise while members take their state anew (R14)", () => {
    let renewed = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { trace } = runRaftSim(seed, { weather: seed % 2 === 0 ? "disks" : "everything", losesStates: true });
      renewed += trace.filter((line) => line.includes("differs")).length;
    }
    assert.ok(renewed > 0);
  });

  test("does the same for the same seed", () => {
    for (const seed of [6, 7, 8]) assert.deepEqual(runRaftSim(seed).trace, runRaftSim(seed).trace);
  });

  for (const [seed, weather, what] of FAILED) test(`seed ${seed}: ${what}`, () => void runRaftSim(seed, { weather }));
});

type Step = typeof step;
type Promised = keyof typeof RAFT_CHECKERS;

interface Broken {
  readonly promise: Promised;
  readonly what: string;
  readonly weather: RaftWeather;
  readonly breakage: RaftBreakage;
  readonly seeds?: number;
}

/** The core with something done to its state before an event. */
function having(before: (state: Raft, event: Event) => void): Step {
  return (state, event, now) => {
    before(state, event);
    return step(state, event, now);
  };
}

const BROKEN: readonly Broken[] = [
  {
    promise: "CP-1",
    what: "that forgets for whom it voted (5.2)",
    weather: "shortReigns",
    breakage: { forgetsVotes: true },
  },
  {
    promise: "CP-2",
    what: "that takes entries without looking at what is before them (5.3)",
    weather: "shortReigns",
    breakage: {
      step: (state, event, now) => {
        if (event.type !== "received" || event.message.type !== "append") return step(state, event, now);
        const prevTerm = state.log.termOf(event.message.prevIndex) ?? event.message.prevTerm;
        return step(state, { ...event, message: { ...event.message, prevTerm } }, now);
      },
    },
  },
  {
    promise: "CP-3",
    what: "that answers before the disk does (5.3)",
    weather: "disks",
    breakage: { sendsEarly: true },
    // A leader that stays sends again what it finds to be lacking.
    seeds: 400,
  },
  {
    promise: "CP-3",
    what: "that votes for those who have less (5.4.1)",
    weather: "everything",
    breakage: {
      step: (state, event, now) => {
        const isVote = event.type === "received" && (event.message.type === "vote" || event.message.type === "preVote");
        if (!isVote) return step(state, event, now);
        return step(state, { ...event, message: { ...event.message, lastTerm: Infinity } } as Event, now);
      },
    },
  },
  {
    promise: "CP-4",
    what: "that applies what comes twice (8)",
    weather: "lossy",
    breakage: { machine: { appliesTwice: true } },
  },
  {
    promise: "CP-7",
    what: "that reads without asking whether it still leads (dissertation 6.4)",
    weather: "lossy",
    breakage: {
      step: (state, event, now) => {
        if (event.type !== "readRequested" || state.role !== "leader") return step(state, event, now);
        return [{ type: "readReady", tokens: [event.token], index: state.commit }];
      },
    },
    seeds: 400,
  },
  {
    promise: "CP-5",
    what: "that acknowledges what it has only taken",
    weather: "calm",
    breakage: { answersEarly: true },
  },
  {
    promise: "CP-6",
    what: "that applies with its own clock",
    weather: "calm",
    breakage: { machine: { usesOwnClock: true } },
  },
  {
    promise: "CP-7",
    what: "that trusts a lease longer than the others keep it (dissertation 6.4.1)",
    weather: "lossy",
    breakage: { options: { leaseMargin: -2, leaseReads: true } },
    seeds: 400,
  },
  {
    promise: "CP-7",
    what: "that votes at once after a start, whatever it had promised (dissertation 6.4.1)",
    weather: "leases",
    breakage: {
      options: { leaseReads: true },
      step: having((state) => {
        if (state.toldLeader.leader === undefined) state.heardAt = -Infinity;
      }),
    },
    seeds: 400,
  },
  {
    promise: "CP-7",
    what: "that forgets what it promised when its link to the leader ends (dissertation 6.4.1)",
    weather: "leases",
    breakage: {
      options: { leaseReads: true },
      step: having((state, event) => {
        if (event.type !== "peerUnreachable" || event.id !== state.leader) return;
        state.heardAt = -Infinity;
      }),
    },
    seeds: 400,
  },
  {
    promise: "CP-7",
    what: "that counts on its lease when it has told somebody to campaign (dissertation 6.4.1)",
    weather: "leases",
    breakage: {
      options: { leaseReads: true },
      step: having((state) => {
        if (state.leading !== undefined) state.leading.leaseIsOff = false;
      }),
    },
  },
  {
    promise: "CP-7",
    what: "that leads on without a majority (dissertation 6.2)",
    weather: "partitions",
    breakage: {
      step: having((state, event) => {
        if (event.type !== "tick") return;
        for (const peer of state.leading?.peers.values() ?? []) peer.heardAt = Infinity;
      }),
    },
  },
  {
    promise: "CP-8",
    what: "that changes voters before the last change is committed (dissertation 4.1)",
    weather: "everything",
    seeds: 400,
    breakage: {
      step: having((state, event) => {
        if (event.type === "change") state.configurationIndex = 0;
      }),
    },
  },
  {
    promise: "CP-10",
    what: "that leaves something out of snapshots (7)",
    weather: "crashes",
    breakage: { machine: { forgetsInSnapshots: true } },
  },
  {
    promise: "CP-11",
    what: "that does not answer who asks whether it could win (dissertation 9.6)",
    weather: "crashes",
    breakage: { step: (state, event, now) => step(state, event, now).filter((effect) => !isPreVoteAnswer(effect)) },
  },
  {
    promise: "CP-11",
    what: "that sends nothing twice",
    weather: "lossy",
    breakage: { options: { retryMs: Infinity } },
  },
  {
    promise: "CP-12",
    what: "that calls lost what it led before somebody else did",
    weather: "partitions",
    breakage: { step: givingUp() },
    seeds: 400,
  },
];

function isPreVoteAnswer(effect: Effect): boolean {
  return effect.type === "send" && effect.message.type === "voteAnswer" && effect.message.pre;
}

/** What an earlier leadership left is told to be lost at once, and not when something else is committed there. */
function givingUp(): Step {
  return (state, event, now) => {
    const effects = [...step(state, event, now)];
    for (const { tokens } of state.displaced) effects.push({ type: "lost", tokens });
    state.displaced = [];
    return effects;
  };
}

/** What is broken may break something else first, in some seeds. */
function finds(promise: Promised, seed: number, weather: RaftWeather, breakage: RaftBreakage): boolean {
  try {
    runRaftSim(seed, { weather, breakage, checkers: [RAFT_CHECKERS[promise]()] });
    return false;
  } catch (error) {
    return error instanceof Error && error.message.includes(`${promise}: `);
  }
}

describe("the checker finds a group that breaks its promise:", () => {
  for (const { promise, what, weather, breakage, seeds = 60 } of BROKEN)
    test(`${promise} finds one ${what}`, () => {
      for (let seed = 1; seed <= seeds; seed++) if (finds(promise, seed, weather, breakage)) return;
      assert.fail(`not found in ${seeds} seeds`);
    });
});
