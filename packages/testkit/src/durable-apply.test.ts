import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ConfigCommand, type ConfigOptions, step as stepConfig } from "@nacre/core/config";
import { type Command, type NamingOptions, step as stepNaming } from "@nacre/core/naming";
import { ConfigBench } from "./config-bench.ts";
import { StoreModel } from "./config-log.ts";
import { configCommand, namingCommand } from "./durable-commands.ts";
import { configNoise, namingNoise } from "./durable-noise.ts";
import { NamingBench } from "./naming-bench.ts";
import { Random } from "./random.ts";

const SEEDS = 40;
const ENTRIES = 150;
/** Epoch milliseconds of the first entry. */
const AT = Date.UTC(2026, 1, 1);

interface MemberOptions {
  readonly naming?: Partial<NamingOptions>;
  readonly config?: Partial<ConfigOptions>;
}

/** The durable halves of a member, over rows in memory. */
class Member {
  readonly #options: MemberOptions;
  readonly #rows = new Map<string, { kind: string; key: string; value: string }>();
  readonly #store = new StoreModel();
  naming: NamingBench;
  config: ConfigBench;

  constructor(options: MemberOptions = {}) {
    this.#options = options;
    this.naming = new NamingBench(options.naming);
    this.config = new ConfigBench(options.config);
  }

  /** @returns all that is written and answered, as text. */
  applyNaming(index: number, command: Command): string {
    const effects = stepNaming(this.naming.state, { type: "apply", index, at: AT + index, command }, this.naming.now);
    const durable = effects.filter(({ type }) => type === "store" || type === "refuse");
    for (const effect of effects) {
      if (effect.type !== "store") continue;
      const { kind, key, value } = effect;
      if (value === undefined) this.#rows.delete(`${kind} ${key}`);
      else this.#rows.set(`${kind} ${key}`, { kind, key, value });
    }
    return JSON.stringify(durable);
  }

  applyConfig(index: number, command: ConfigCommand): string {
    const effects = stepConfig(this.config.state, { type: "apply", index, at: AT + index, command }, this.config.now);
    this.#store.keep(effects);
    const kept = ["store", "write", "refuse", "result"];
    return JSON.stringify(effects.filter(({ type }) => kept.includes(type)));
  }

  /** Starts anew from what it has written; rows come back in another order than they were written in. */
  restart(): void {
    this.naming = new NamingBench(this.#options.naming);
    const rows = [...this.#rows.values()].sort((a, b) => (a.kind + a.key < b.kind + b.key ? -1 : 1));
    for (const { kind, key, value } of rows) this.naming.load(kind, key, value);
    this.config = new ConfigBench(this.#options.config);
    this.#store.loadInto(this.config.state);
  }

  rows(): string[] {
    return [...this.#rows.values()].map((row) => JSON.stringify(row)).sort();
  }
}

describe("entries of the log", () => {
  test(`are applied alike by members that differ in all that is not durable, ${SEEDS} times ${ENTRIES} (N13, G13)`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) runSeed(seed);
  });
});

function runSeed(seed: number): void {
  const random = new Random(seed);
  const bare = new Member();
  const restarting = new Member();
  const busy = new Member({
    naming: { instancesMax: 4, servicesMax: 2, expiredMetadataMs: 1, metadataLengthMax: 1, expireInstances: false },
    config: { configsMax: 1, grayVersionsMax: 1, namespacesMax: 0, enforceCapacity: true, namespaceQuota: 0 },
  });
  busy.naming.now += 12_345;
  for (let index = 1; index <= ENTRIES; index++) {
    for (let noise = random.below(4); noise > 0; noise--) {
      namingNoise(random, busy.naming);
      configNoise(random, busy.config);
    }
    if (random.chance(0.1)) restarting.restart();
    // As the log holds it.
    const ofNaming = JSON.parse(JSON.stringify(namingCommand(random))) as Command;
    const ofConfig = JSON.parse(JSON.stringify(configCommand(random))) as ConfigCommand;
    const where = `seed ${seed}, entry ${index}: ${JSON.stringify(ofNaming)} ${JSON.stringify(ofConfig)}`;
    const expected = [bare.applyNaming(index, ofNaming), bare.applyConfig(index, ofConfig)];
    for (const [what, member] of Object.entries({ busy, restarting }))
      assert.deepEqual(
        [member.applyNaming(index, ofNaming), member.applyConfig(index, ofConfig)],
        expected,
        `${what}, ${where}`,
      );
  }
  assert.deepEqual(busy.rows(), bare.rows());
}
