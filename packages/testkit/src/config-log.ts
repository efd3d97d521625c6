import assert from "node:assert/strict";
import {
  type ConfigCommand,
  type ConfigOptions,
  type ConfigResult,
  type ConfigState,
  type ConfigWrite,
  type Content,
  type Effect,
  load,
  loadConfig,
  loadStaged,
  newConfig,
  type Operator,
  step,
  withCapacity,
} from "@nacre/core/config";
import { type ConfigName, configKey } from "@nacre/protocol";
import { CONFIG_START, md5, refusalOf } from "./config-bench.ts";

export const OPERATOR: Operator = { user: "ada", ip: "10.0.0.9" };

/** What an entry of the log came to. */
export interface Applied {
  /** `failure: message`. */
  readonly refused: string | undefined;
  readonly result: ConfigResult | undefined;
  readonly writes: readonly ConfigWrite[];
  readonly effects: readonly Effect[];
}

/** The durable half of configuration over a store in miniature; every entry checks what must always hold. */
export class ConfigLog {
  readonly state: ConfigState;
  readonly store = new StoreModel();
  readonly #checked: boolean;
  index = 0;

  /** @param checked  false for measuring. */
  constructor(options: Partial<ConfigOptions> = {}, checked = true) {
    this.state = newConfig(options);
    this.#checked = checked;
  }

  apply(command: ConfigCommand, at = CONFIG_START + this.index + 1): Applied {
    this.index += 1;
    const entry = { index: this.index, at, command: withCapacity(this.state.options, command) };
    const effects = step(this.state, { type: "apply", ...entry }, at);
    const writes = effects.flatMap((effect) => (effect.type === "write" ? [effect.write] : []));
    if (this.#checked) {
      this.store.keep(effects);
      assertVersionInvariants(this.state);
    }
    const result = effects.find((effect) => effect.type === "result")?.result;
    return { refused: refusalOf(effects), result, writes, effects };
  }

  publish(
    name: ConfigName,
    text: string,
    given: Partial<Omit<Extract<ConfigCommand, { type: "publishConfig" }>, "type">> = {},
  ): Applied {
    return this.apply({
      type: "publishConfig",
      name,
      content: content(text),
      fields: {},
      terms: {},
      by: OPERATOR,
      ...given,
    });
  }

  remove(names: readonly ConfigName[], gray?: string): Applied {
    return this.apply({ type: "removeConfigs", names, ...(gray !== undefined && { gray }), by: OPERATOR });
  }

  /** The state that a start makes out of the store. */
  restarted(): ConfigState {
    const state = newConfig(this.state.options);
    this.store.loadInto(state);
    return state;
  }
}

export function content(text: string, encryptedDataKey = ""): Content {
  return { text, md5: md5(text), bytes: Buffer.byteLength(text), encryptedDataKey };
}

type Head = Parameters<typeof loadConfig>[1];
type HistoryWrite = Extract<ConfigWrite, { kind: "history" }>;

/** What the store keeps of configuration, as far as the core looks at it again, and contents. */
export class StoreModel {
  /** By key, and behind `#` the name of the gray version. */
  readonly heads = new Map<string, Head>();
  readonly texts = new Map<string, string>();
  readonly history: (HistoryWrite & { readonly text: string | undefined })[] = [];
  readonly staged = new Map<string, Extract<ConfigWrite, { kind: "stage" }>>();
  readonly rows = new Map<string, { kind: string; key: string; value: string }>();

  keep(effects: readonly Effect[]): void {
    const writes = effects.flatMap((effect) => (effect.type === "write" ? [effect.write] : []));
    for (const [at, write] of writes.entries()) this.#write(write, writes[at + 1]);
    for (const effect of effects) {
      if (effect.type !== "store") continue;
      const { kind, key, value } = effect;
      if (value === undefined) this.rows.delete(`${kind}|${key}`);
      else this.rows.set(`${kind}|${key}`, { kind, key, value });
    }
  }

  #write(write: ConfigWrite, next: ConfigWrite | undefined): void {
    switch (write.kind) {
      case "history": {
        const at = place(write.name, write.gray);
        assert.equal(write.op === "I", !this.heads.has(at), `G9 ${write.op} of ${at}`);
        this.history.push({ ...write, text: write.op === "I" ? this.#textOf(next) : this.texts.get(at) });
        return;
      }
      case "putConfig":
      case "putGray":
        return this.#put(write, write.content, write.fields.type, write.kind === "putGray" ? write.gray : undefined);
      case "promote": {
        const { importId, nid, ids, revision, at, by } = write;
        for (const [position, id] of ids.entries()) {
          if (id === 0) continue;
          const staged = this.staged.get(stagedAt({ importId, position }));
          assert.ok(staged !== undefined, "what is promoted was staged");
          const { name, content, fields } = staged.item;
          const op = id === nid + position ? "I" : "U";
          const put = { kind: "putConfig", name, id, content, fields, revision, at, by } as const;
          this.#write({ kind: "history", nid: nid + position, name, gray: undefined, op, at, by }, put);
          this.#write(put, undefined);
        }
        return;
      }
      case "removeConfig":
        return this.#drop(place(write.name, undefined));
      case "removeGray":
        return this.#drop(place(write.name, write.gray));
      case "stage":
        this.staged.set(stagedAt(write), write);
        return;
      case "dropStaged":
        for (const [at, { importId }] of this.staged) if (importId === write.importId) this.staged.delete(at);
        return;
      case "pruneHistory":
        return;
    }
  }

  #textOf(next: ConfigWrite | undefined): string | undefined {
    return next?.kind === "putConfig" || next?.kind === "putGray" ? next.content.text : undefined;
  }

  #put(
    { name, id, revision, at: modifiedAt }: { name: ConfigName; id: number; revision: number; at: number },
    { text, md5: digest, bytes, encryptedDataKey }: Content,
    type: Head["type"] | undefined,
    gray: Head["gray"],
  ): void {
    const at = place(name, gray?.name);
    const held = this.heads.get(at);
    this.texts.set(at, text);
    this.heads.set(at, {
      name,
      id: held?.id ?? id,
      md5: digest,
      bytes,
      type: type ?? held?.type ?? "text",
      encryptedDataKey,
      revision,
      modifiedAt,
      ...(gray && { gray }),
    });
  }

  #drop(at: string): void {
    assert.ok(this.heads.delete(at), `${at} was there to be removed`);
    this.texts.delete(at);
  }

  loadInto(state: ConfigState): void {
    for (const row of this.rows.values()) assert.ok(load(state, row));
    for (const head of this.heads.values()) loadConfig(state, head);
    for (const { importId, item } of this.staged.values())
      loadStaged(state, importId, { ...item.content, name: item.name, type: item.fields.type });
  }
}

function place(name: ConfigName, gray: string | undefined): string {
  return gray === undefined ? configKey(name) : `${configKey(name)}#${gray}`;
}

function stagedAt({ importId, position }: { importId: string; position: number }): string {
  return `${importId}/${position}`;
}

/** Recounts what the durable half counts, and checks the order of gray versions (G4). */
export function assertVersionInvariants(state: ConfigState): void {
  const counts: ConfigState["counts"] = {
    total: 0,
    byNamespace: new Map(),
    byGroup: new Map(),
    items: 0,
    grayOnly: new Map(),
  };
  const add = (map: Map<string, number>, of: string) => map.set(of, (map.get(of) ?? 0) + 1);
  for (const { key, name, id, formal, grays } of state.items.values()) {
    assert.equal(key, configKey(name));
    assert.equal(id > 0, formal !== undefined, `${key} has an id exactly while it has a formal version`);
    if (formal !== undefined) {
      counts.total++;
      add(counts.byNamespace, name.namespace);
      add(counts.byGroup, name.group);
    } else if (grays.length > 0) add(counts.grayOnly, name.namespace);
    if (formal !== undefined || grays.length > 0) counts.items++;
    for (const [at, gray] of grays.entries()) {
      const before = grays[at - 1];
      if (before === undefined) continue;
      const { priority } = before.rule;
      const ordered = priority > gray.rule.priority || (priority === gray.rule.priority && before.name < gray.name);
      assert.ok(ordered, `G4 ${before.name} is tried before ${gray.name}`);
    }
  }
  assert.deepEqual(state.counts, counts, "counts equal a recount");
}

/** The durable part of a state in comparable form. */
export function durable(state: ConfigState): unknown {
  const sorted = (entries: Iterable<readonly [string, unknown]>) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    items: sorted(
      [...state.items.values()]
        .filter(({ formal, grays }) => formal !== undefined || grays.length > 0)
        .map(({ key, id, formal, grays }) => [key, { id, formal, grays }]),
    ),
    counts: {
      ...state.counts,
      byNamespace: sorted(state.counts.byNamespace),
      byGroup: sorted(state.counts.byGroup),
      grayOnly: sorted(state.counts.grayOnly),
    },
    namespaces: sorted(state.namespaces),
    capacities: sorted(state.capacities),
    staged: sorted(state.staged),
  };
}
