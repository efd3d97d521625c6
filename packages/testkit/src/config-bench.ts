import { createHash } from "node:crypto";
import {
  betaTarget,
  type ConfigCommand,
  type ConfigOptions,
  type ConfigState,
  type Context,
  type Effect,
  type Event,
  type GrayTarget,
  type Labels,
  newConfig,
  nextWakeAt,
  type PushOutcome,
  step,
  type TenantForm,
} from "@nacre/core/config";
import type { ConfigName } from "@nacre/protocol";
import { assertListeningInvariants } from "./config-invariants.ts";

/** Monotonic milliseconds at which a bench starts; they are anchored at the epoch, like a server's. */
export const CONFIG_START = Date.UTC(2026, 0, 1);

export type Notify = Extract<Effect, { type: "notify" }>;
export type PollAnswer = Extract<Effect, { type: "pollAnswer" }>;

/** The listening half of configuration with a clock moved by hand; every step checks what must always hold. */
export class ConfigBench {
  readonly state: ConfigState;
  now = CONFIG_START;
  /** Labels of clients that have some. */
  readonly labels = new Map<string, Labels>();
  readonly #checked: boolean;
  /** Of the last entry. */
  logIndex = 0;
  /** Told of each entry, before it is applied. */
  onEntry: (command: ConfigCommand, at: number) => void = () => {};

  /**
   * @param given  `checked` false is for measuring, where recounting everything after each step would be what is
   *   measured; `receiversMax` is how many one step may tell.
   */
  constructor(options: Partial<ConfigOptions> = {}, given: { checked?: boolean; receiversMax?: number } = {}) {
    this.state = newConfig(options, given.receiversMax);
    this.#checked = given.checked ?? true;
  }

  send(event: Event): Effect[] {
    const effects = step(this.state, event, this.now);
    if (this.#checked) assertListeningInvariants(this.state);
    return effects;
  }

  /** Lets time go on as a server would: a tick whenever one is asked for. */
  forward(ms: number): Effect[] {
    const end = this.now + ms;
    const effects: Effect[] = [];
    for (;;) {
      const wake = nextWakeAt(this.state);
      if (wake === undefined || wake > end) break;
      this.now = Math.max(this.now, wake);
      effects.push(...this.send({ type: "tick" }));
    }
    this.now = end;
    return effects;
  }

  apply(command: ConfigCommand): Effect[] {
    this.onEntry(command, this.now);
    const effects = this.send({ type: "apply", index: ++this.logIndex, at: this.now, command });
    const refused = refusalOf(effects);
    if (refused !== undefined) throw new Error(`the command was refused: ${refused}`);
    return effects;
  }

  publish(name: ConfigName, text: string, gray?: GrayTarget): Effect[] {
    const content = { text, md5: md5(text), bytes: Buffer.byteLength(text), encryptedDataKey: "" };
    return this.apply({
      type: "publishConfig",
      name,
      ...(gray && { gray }),
      content,
      fields: {},
      terms: {},
      by: NOBODY,
    });
  }

  /** All of them as one entry, as an import commits them. */
  import(names: readonly ConfigName[], text: string): Effect[] {
    const content = { text, md5: md5(text), bytes: Buffer.byteLength(text), encryptedDataKey: "" };
    const importId = `import-${this.logIndex}`;
    this.apply({ type: "stageConfigs", importId, items: names.map((name) => ({ name, content, fields: {} })) });
    return this.apply({ type: "commitConfigs", importId, policy: "OVERWRITE", by: NOBODY });
  }

  publishBeta(name: ConfigName, text: string, ips: string): Effect[] {
    return this.publish(name, text, betaTarget(ips));
  }

  remove(...names: ConfigName[]): Effect[] {
    return this.apply({ type: "removeConfigs", names, by: NOBODY });
  }

  removeBeta(name: ConfigName): Effect[] {
    return this.apply({ type: "removeConfigs", names: [name], gray: "beta", by: NOBODY });
  }

  labelsOf(clientId: string): Labels {
    return this.labels.get(clientId) ?? {};
  }

  listen(clientId: string, ...contexts: Context[]): Effect[] {
    return this.send({ type: "listen", clientId, labels: this.labelsOf(clientId), contexts });
  }

  /** Data ids of what the answer says is different. */
  differing(clientId: string, ...contexts: Context[]): string[] {
    const answer = this.listen(clientId, ...contexts).find((effect) => effect.type === "differing");
    return answer?.changed.map(({ name }) => name.dataId) ?? [];
  }

  unlisten(clientId: string, ...names: ConfigName[]): Effect[] {
    return this.send({ type: "unlisten", clientId, names });
  }

  served(clientId: string, name: ConfigName, text: string, afterNotice = true): Effect[] {
    return this.send({ type: "served", clientId, name, md5: md5(text), afterNotice });
  }

  disconnect(clientId: string): Effect[] {
    return this.send({ type: "disconnected", clientId });
  }

  poll(id: number, contexts: readonly Context[], given: { ip?: string; labels?: Labels; holdMs?: number } = {}) {
    const { ip = "10.9.0.1", labels = {}, holdMs = 29_500 } = given;
    return this.send({ type: "poll", id, ip, labels, contexts, holdMs });
  }

  settle(clientId: string, push: { requestId: number }, outcome: PushOutcome): Effect[] {
    return this.send({ type: "pushSettled", clientId, requestId: push.requestId, outcome });
  }

  /** Settles every notice among the effects, for each of its receivers, and gives what followed from that. */
  settleAll(effects: readonly Effect[], outcome: PushOutcome = "acked"): Effect[] {
    return noticesOf(effects).flatMap((notice) => notice.to.flatMap((to) => this.settle(to, notice, outcome)));
  }
}

const NOBODY = { user: "", ip: "" };

export function config(dataId = "app.yaml", group = "DEFAULT_GROUP", namespace = "public"): ConfigName {
  return { namespace, group, dataId };
}

/** What a client says of a configuration of which it holds this text; undefined: it holds nothing. */
export function holding(name: ConfigName, text?: string, form: TenantForm = "given"): Context {
  return { name, form, md5: text === undefined ? "" : md5(text) };
}

export function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

export function noticesOf(effects: readonly Effect[]): Notify[] {
  return effects.filter((effect) => effect.type === "notify");
}

/** Notices in short form: `app.yaml to c1 c2`. */
export function noticed(effects: readonly Effect[]): string[] {
  return noticesOf(effects).map(({ name, to }) => `${name.dataId} to ${to.join(" ")}`);
}

/** Answers of polls in short form: `1: app.yaml`. */
export function answered(effects: readonly Effect[]): string[] {
  return effects
    .filter((effect) => effect.type === "pollAnswer")
    .map(({ id, changed }) => `${id}: ${changed.map(({ name }) => name.dataId).join(" ")}`);
}

/** The refusal among the effects as `failure: message`, or undefined. */
export function refusalOf(effects: readonly Effect[]): string | undefined {
  const refused = effects.find((effect) => effect.type === "refuse");
  return refused && `${refused.failure}: ${refused.message}`;
}
