import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type DistroOptions, type Effect, step } from "@nacre/core/distro";
import { CHECKERS } from "./distro-checks/all.ts";
import { runDistroSeed, runDistroSim, type Weather } from "./distro-sim.ts";

/** The 2,000 seeds that CI runs are those of `npm run sim`. */
const SEEDS = 50;
/** Some break a promise in one run of fifteen only. */
const SEEDS_TO_FIND = 150;
/** Seeds that once failed, and what it was. */
const FAILED: readonly [number, string][] = [
  [799, "a removal lost to an older change, because that came after another removal"],
  [33886, "a member that had stood still was to know of a removal because it had missed heartbeats"],
  [9979, "a removal was expected to last although everybody who knew of it had died"],
  [3899, "a pause was shortened by a second one, except for messages that waited for its end"],
  [9887, "a removal was expected to win at once where nobody can know which of two was later"],
  [3561, "members were to agree before the ring was whole again"],
  [1987, "a removal was taken for another one, of the other side of a partition"],
  [1774, "a client that its owner speaks for was still counted as an orphan that answers"],
  [3020889, "two members that began to be compared while nobody had loaded waited for each other until loads end"],
  [3029529, "a removal lost to a change of its owner's earlier life, because a pause made that look later"],
  [5038137, "a batch whose answer was lost before the weather cleared is told once more"],
  [
    4036031,
    "an address was registered and deregistered at two members that both owned it, and nobody could know which was later",
  ],
  [4046379, "the same, where the message that was slow came when the weather had cleared"],
  [5053083, "what was of an earlier life of its owner was to wait for the end of the later one"],
];

describe("members that tell each other about clients", () => {
  test(`agree and keep their promises in any weather, over ${SEEDS} seeds`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) runDistroSeed(seed);
  });

  for (const [seed, what] of FAILED) test(`seed ${seed}: ${what}`, () => runDistroSeed(seed));
});

type Step = typeof step;

interface Broken {
  readonly what: string;
  readonly weather: Weather;
  readonly step?: Step;
  readonly distro?: Partial<DistroOptions>;
}

/** The core with something left out of what it does. */
function without(left: (effect: Effect) => boolean): Step {
  return (state, event, now) => step(state, event, now).filter((effect) => !left(effect));
}

const isSent = (effect: Effect, type: string): boolean => effect.type === "send" && effect.message.type === type;

const BROKEN: Record<keyof typeof CHECKERS, Broken> = {
  "AP-1": {
    what: "that sends each third batch without its changes",
    weather: "calm",
    step: (state, event, now) =>
      step(state, event, now).map((effect) =>
        effect.type === "send" && effect.message.type === "sync" && effect.message.seq % 3 === 0
          ? { ...effect, message: { ...effect.message, changes: [] } }
          : effect,
      ),
  },
  "AP-2": {
    what: "that does not compare digests",
    weather: "partitions",
    step: without((effect) => isSent(effect, "digest") || isSent(effect, "buckets")),
  },
  "AP-3": { what: "that forgets removals at once", weather: "lossy", distro: { tombstoneMs: 0 } },
  "AP-4": {
    what: "that drops what is older than a second and was said by somebody else",
    weather: "calm",
    step: (state, event, now) => {
      const effects = step(state, event, now);
      if (event.type !== "tick") return effects;
      for (const { id, version, madeAt } of state.table.live())
        if (version.owner !== state.self && now - madeAt > 1_000)
          effects.push({ type: "forget", clientId: id, cause: "removed", owner: version.owner });
      return effects;
    },
  },
  "AP-5": {
    what: "that applies what it is told of its own clients",
    weather: "crashes",
    step: (state, event, now) => {
      const effects = step(state, event, now);
      if (event.type !== "received" || event.message.type !== "listing") return effects;
      for (const { id, version } of event.message.heads)
        effects.push({ type: "forget", clientId: id, cause: "removed", owner: version.owner });
      return effects;
    },
  },
  "AP-6": {
    what: "that does not compare versions",
    weather: "lossy",
    step: (state, event, now) => {
      if (event.type === "received" && event.message.type === "sync")
        for (const { id } of event.message.changes) {
          const entry = state.table.get(id);
          const own = entry?.version.owner === state.self;
          if (entry !== undefined && !own && entry.gone === undefined)
            state.table.put(entry, now, { version: { ...entry.version, counter: 0 } });
        }
      return step(state, event, now);
    },
  },
  "AP-7": {
    what: "that numbers an own client again with each digest",
    weather: "calm",
    step: (state, event, now) => {
      const effects = step(state, event, now);
      const [entry] = state.table.live();
      if (event.type === "received" && event.message.type === "digest" && entry !== undefined)
        effects.push({ type: "renumber", clientId: entry.id, version: entry.version });
      return effects;
    },
  },
  "AP-8": {
    what: "that sends no removals",
    weather: "calm",
    step: (state, event, now) =>
      step(state, event, now).map((effect) =>
        effect.type === "send" && effect.message.type === "sync"
          ? { ...effect, message: { ...effect.message, removals: [] } }
          : effect,
      ),
  },
  "AP-9": { what: "that keeps what is lost for minutes", weather: "crashes", distro: { expiryMs: 180_000 } },
  "AP-10": {
    what: "that does not say which address clients it took over",
    weather: "crashes",
    step: without((effect) => effect.type === "send" && effect.message.type === "sync" && ofAddresses(effect.message)),
  },
  "AP-11": {
    what: "that offers what it has before it has loaded",
    weather: "calm",
    step: (state, event, now) =>
      step(state, event, now).map((effect) =>
        effect.type === "send" && effect.message.type === "loadOffer"
          ? { ...effect, message: { ...effect.message, loaded: true } }
          : effect,
      ),
  },
  "AP-12": { what: "that loads everything in one message", weather: "crashes", distro: { batchItemsMax: 10_000 } },
  "AP-14": { what: "without a grace", weather: "crashes", distro: { graceMs: 0, probeMs: 0, expiryMs: 0 } },
  "AP-16": {
    what: "that shows all bucket hashes with each digest",
    weather: "calm",
    step: (state, event, now) =>
      step(state, event, now).flatMap((effect): Effect[] => {
        if (effect.type !== "send" || effect.message.type !== "digest") return [effect];
        const hashes = new Array<number>(256).fill(0);
        return [effect, { ...effect, message: { type: "buckets", owner: effect.to, from: 0, hashes } }];
      }),
  },
  parts: {
    what: "that takes a part whatever it holds",
    weather: "lossy",
    step: (state, event, now) => {
      if (event.type !== "received" || event.message.type !== "sync") return step(state, event, now);
      const changes = event.message.changes.map((change) => {
        const entry = state.table.get(change.id);
        if (change.base === undefined || entry === undefined) return change;
        return { ...change, base: { counter: entry.version.counter, contentHash: entry.contentHash } };
      });
      return step(state, { ...event, message: { ...event.message, changes } }, now);
    },
  },
};

function ofAddresses({ changes }: { readonly changes: readonly { readonly kind: string }[] }): boolean {
  return changes.some(({ kind }) => kind === "address");
}

describe("each checker finds a core that breaks its promise:", () => {
  for (const name of Object.keys(BROKEN) as (keyof typeof CHECKERS)[]) {
    const { what, weather, ...broken } = BROKEN[name];
    test(`${name} finds one ${what}`, () => {
      assert.throws(
        () => {
          for (let seed = 1; seed <= SEEDS_TO_FIND; seed++)
            runDistroSim(seed, { weather, checkers: [CHECKERS[name]()], quietMs: 60_000, ...broken });
        },
        (error: Error) => error.message.includes(`${name}: `),
      );
    });
  }
});
