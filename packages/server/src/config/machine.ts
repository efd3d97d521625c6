import {
  beginReplacement,
  type ConfigCommand,
  type ConfigResult,
  type ConfigState,
  type ConfigWrite,
  compare,
  type Effect,
  load,
  loadConfig,
  loadStaged,
  noteReplaced,
  step,
  switchOver,
} from "@nacre/core/config";
import { configKey } from "@nacre/protocol";
import type { ConfigHead } from "../storage/config-store.ts";
import type { Applied, LogEntry, RowWrite, StagedRow } from "../storage/port.ts";
import type { Contents } from "./contents.ts";
import type { ConfigTimes } from "./times.ts";

export interface ConfigMachineSetup {
  readonly state: ConfigState;
  readonly contents: Contents;
  readonly times: ConfigTimes;
  readonly now: () => number;
  /** What is left of an entry's effects once its writes, its answer and the cache are taken care of. */
  readonly perform: (effects: readonly Effect[]) => void;
}

/** The durable half of configuration, for the log to drive. */
export interface ConfigMachine {
  /** @returns whether the row is one of configuration. */
  load(row: { readonly kind: string; readonly key: string; readonly value: string }): boolean;
  loadConfig(head: ConfigHead): void;
  loadStaged(staged: StagedRow): void;
  apply(entry: LogEntry<ConfigCommand>): Applied<ConfigResult>;
  saved(index: number): void;
  replace(): ConfigReplacing;
}

/** Another durable state on its way into a running core; what yields may be done in slices. */
export interface ConfigReplacing extends Pick<ConfigMachine, "load" | "loadConfig" | "loadStaged"> {
  compare(): Generator<undefined, void>;
  /** At once, in the turn in which the store is switched. */
  switchOver(index: number): void;
  tell(): Generator<undefined, void>;
}

export function configMachine({ state, contents, times, now, perform }: ConfigMachineSetup): ConfigMachine {
  function apply(entry: LogEntry<ConfigCommand>): Applied<ConfigResult> {
    const effects = step(state, { type: "apply", ...entry }, now());
    const rows: RowWrite[] = [];
    const configs: ConfigWrite[] = [];
    const others: Effect[] = [];
    let result: ConfigResult = { type: "done" };
    let refused: Extract<Effect, { type: "refuse" }> | undefined;
    for (const effect of effects) {
      if (effect.type === "store") rows.push({ kind: effect.kind, key: effect.key, value: effect.value });
      else if (effect.type === "write") configs.push(effect.write);
      else if (effect.type === "result") result = effect.result;
      else if (effect.type === "refuse") refused = effect;
      else if (effect.type === "changed" && entry.command.type === "commitConfigs")
        // By the keys that the core has: to work them out anew for ten thousand items takes milliseconds.
        for (const key of effect.keys) contents.drop(key, undefined);
      else others.push(effect);
    }
    // Before anybody is told: who asks is to be given what it is told about (G5).
    for (const write of configs) hold(contents, write);
    if (configs.length > 0) times.applied(entry.index);
    perform(others);
    const writes = { rows, configs };
    return refused === undefined
      ? { ok: true, result, ...writes }
      : { ok: false, failure: refused.failure, message: refused.message, ...writes };
  }

  return {
    load: (row) => load(state, row),
    loadConfig: (head) => loadConfig(state, head),
    loadStaged: ({ importId, head }) => loadStaged(state, importId, head),
    apply,
    saved(index) {
      contents.saved(index);
      times.saved(index);
    },
    replace() {
      const replacement = beginReplacement(state);
      const { next } = replacement;
      return {
        load: (row) => load(next, row),
        loadConfig: (head) => loadConfig(next, head),
        loadStaged: ({ importId, head }) => loadStaged(next, importId, head),
        compare: () => compare(state, replacement),
        switchOver(index) {
          switchOver(state, replacement);
          contents.replaced(index);
          times.saved(Number.POSITIVE_INFINITY);
        },
        *tell() {
          yield* noteReplaced(state, replacement);
          perform(step(state, { type: "tick" }, now()));
        },
      };
    },
  };
}

/** Keeps the cache in step with a write. What an import promotes is dropped by its keys. */
function hold(contents: Contents, write: ConfigWrite): void {
  switch (write.kind) {
    case "putConfig":
      return contents.put(configKey(write.name), undefined, write.revision, write.content);
    case "putGray":
      return contents.put(configKey(write.name), write.gray.name, write.revision, write.content);
    case "removeConfig":
      return contents.drop(configKey(write.name), undefined);
    case "removeGray":
      return contents.drop(configKey(write.name), write.gray);
  }
}
