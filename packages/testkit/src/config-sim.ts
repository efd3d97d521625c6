import assert from "node:assert/strict";
import {
  beginReplacement,
  betaTarget,
  type Changed,
  type ConfigCommand,
  type Context,
  compare,
  type Effect,
  type Event,
  type Labels,
  noteReplaced,
  type PushOutcome,
  switchOver,
  type TenantForm,
} from "@nacre/core/config";
import { type ConfigKey, type ConfigName, configKey } from "@nacre/protocol";
import { ConfigBench, config, holding, md5 } from "./config-bench.ts";
import { assertVersionInvariants, ConfigLog, content, durable, OPERATOR, type StoreModel } from "./config-log.ts";
import { Random } from "./random.ts";

const NAMES = [config("app"), config("log"), config("app", "OTHER"), config("app", "DEFAULT_GROUP", "dev")];
const TEXTS = ["a", "b", "c"];
const FORMS: readonly TenantForm[] = ["absent", "blank", "given"];
/** Of the clients c1 to c5 and of the pollers, in turn. */
const IPS = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
const CLIENTS = ["c1", "c2", "c3", "c4", "c5"];
const HOLD_MS = [0, 1_000, 29_500];

/** One run: random events, and after each of them everything that must hold is checked. @throws Error with the seed. */
export function runConfigSim(seed: number, steps: number): void {
  const sim = new Sim(seed);
  for (let step = 0; step < steps; step++) sim.guarded(`step ${step}`, () => sim.step());
  sim.guarded("healing", () => sim.heal());
  sim.guarded("leaving", () => sim.leave());
}

/** What can be read, told without the core's help. */
class Contents {
  readonly #formal = new Map<ConfigKey, string>();
  readonly #beta = new Map<ConfigKey, { text: string; ips: readonly string[] }>();

  publish(name: ConfigName, text: string): void {
    this.#formal.set(configKey(name), text);
  }

  publishBeta(name: ConfigName, text: string, ips: readonly string[]): void {
    this.#beta.set(configKey(name), { text, ips });
  }

  remove(name: ConfigName): void {
    this.#formal.delete(configKey(name));
  }

  removeBeta(name: ConfigName): void {
    this.#beta.delete(configKey(name));
  }

  /** What a start would read. */
  static of({ heads, texts }: StoreModel): Contents {
    const contents = new Contents();
    for (const [at, { name, gray }] of heads) {
      const text = texts.get(at) ?? assert.fail(`${at} has a content`);
      if (gray === undefined) contents.publish(name, text);
      else contents.publishBeta(name, text, gray.rule.expr.split(","));
    }
    return contents;
  }

  /** Undefined when there is nothing for this reader. */
  read(name: ConfigName, { ClientIp = "" }: Labels): string | undefined {
    const beta = this.#beta.get(configKey(name));
    return beta?.ips.includes(ClientIp) === true ? beta.text : this.#formal.get(configKey(name));
  }
}

/** One configuration as an SDK keeps it. */
interface Cached {
  readonly name: ConfigName;
  text: string | undefined;
  form: TenantForm;
  /** It was told that there is another version. */
  dirty: boolean;
  /** It has what it read, and has not said so yet. */
  unsaid: boolean;
  /** What it is just being given. */
  reading: { readonly text: string | undefined } | undefined;
}

interface Sent {
  readonly to: string;
  readonly requestId: number;
  readonly arrived: boolean;
}

class Sim {
  readonly #seed: number;
  readonly #random: Random;
  readonly #bench: ConfigBench;
  #contents = new Contents();
  /** What the cluster has: this member may fall behind it, and is then given its state. */
  #cluster = new ConfigLog();
  /** The state of the cluster on its way into this member. */
  #replacing: Iterator<undefined, void> | undefined;
  readonly #clients = new Map<string, Map<ConfigKey, Cached>>();
  readonly #polls = new Map<number, { readonly contexts: readonly Context[]; readonly endsAt: number }>();
  readonly #requestIds = new Set<number>();
  #sent: Sent[] = [];
  #reliable = false;
  #nextPoll = 1;
  readonly #trace: string[] = [];

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#bench = new ConfigBench({}, { receiversMax: this.#random.pick([1, 2, 250]) });
    this.#bench.onEntry = (command, at) => this.#cluster.apply(command, at);
    for (const [at, client] of CLIENTS.entries()) this.#bench.labels.set(client, labelsAt(at));
  }

  guarded(when: string, act: () => void): void {
    try {
      act();
    } catch (cause) {
      const last = this.#trace.slice(-12).join("\n  ");
      throw new Error(`seed ${this.#seed}, ${when}: ${(cause as Error).message}\n  ${last}`, { cause });
    }
  }

  step(): void {
    const draw = this.#random.next();
    if (this.#random.chance(0.3)) this.#bench.now += this.#random.below(10);
    if (this.#replacing !== undefined && this.#random.chance(0.5)) this.#replaceOn();
    else if (draw < 0.02) this.#replacing ??= this.#replace();
    else if (draw < 0.2 && this.#replacing === undefined) this.#write();
    else if (draw < 0.38) this.#listen();
    else if (draw < 0.41) this.#unlisten();
    else if (draw < 0.44) this.#disconnect();
    else if (draw < 0.52) this.#poll();
    else if (draw < 0.54) this.#pollGone();
    else if (draw < 0.68) this.#fetch();
    else if (draw < 0.85) this.#settle();
    else this.#forward(this.#random.pick([1, 5, 5, 500, 3_000]));
  }

  /** Everything is acknowledged and time goes on: every listener must end with what is newest, every poll answered. */
  heal(): void {
    this.#reliable = true;
    while (this.#replacing !== undefined) this.#replaceOn();
    for (let round = 0; this.#busy(); round++) {
      assert.ok(round < 1_000, "it becomes quiet");
      while (this.#sent.length > 0) this.#settle();
      for (const client of this.#clients.keys())
        for (const cached of this.#cachedBy(client)) this.#read(client, cached);
      this.#forward(1_000);
    }
    for (const client of this.#clients.keys())
      for (const { name, text } of this.#cachedBy(client))
        assert.equal(text, this.#newest(client, name), `G5 what ${client} holds of ${configKey(name)}`);
  }

  /** Nothing is kept for those who have gone. */
  leave(): void {
    for (const client of [...this.#clients.keys()]) this.#feed({ type: "disconnected", clientId: client });
    for (const name of NAMES) {
      this.#act(`remove ${configKey(name)}`, () => [...this.#bench.removeBeta(name), ...this.#bench.remove(name)]);
      this.#contents.remove(name);
      this.#contents.removeBeta(name);
    }
    this.#forward(1_000_000);
    const { items, clients, polls, notices, unnoted, unsent, answerable, tasks, fuzzy } = this.#bench.state;
    const sizes = [items, clients, polls, notices, unnoted, unsent, answerable, tasks, fuzzy.sent].map(
      ({ size }) => size,
    );
    assert.ok(!sizes.some((size) => size > 0), `nothing is left: ${sizes}`);
  }

  #busy(): boolean {
    const waiting = [...this.#clients.keys()].some((client) =>
      this.#cachedBy(client).some(({ dirty, unsaid, reading }) => dirty || unsaid || reading !== undefined),
    );
    return waiting || this.#sent.length > 0 || this.#polls.size > 0 || this.#bench.state.tasks.size > 0;
  }

  #newest(client: string, name: ConfigName): string | undefined {
    return this.#contents.read(name, this.#bench.labelsOf(client));
  }

  #cachedBy(client: string): Cached[] {
    return [...(this.#clients.get(client)?.values() ?? [])];
  }

  #feed(event: Event): void {
    this.#act(JSON.stringify(event), () => this.#bench.send(event));
  }

  #act(what: string, act: () => Effect[]): void {
    this.#trace.push(`${this.#bench.now} ${what}`);
    this.#receive(act());
    this.#assertPolls();
  }

  #write(): void {
    const name = this.#random.pick(NAMES);
    const text = this.#random.pick(TEXTS);
    const draw = this.#random.next();
    if (draw < 0.5) {
      this.#contents.publish(name, text);
      this.#act(`publish ${configKey(name)} ${text}`, () => this.#bench.publish(name, text));
    } else if (draw < 0.7) {
      const names = this.#random.some(NAMES);
      for (const one of names) this.#contents.remove(one);
      this.#act(`remove ${names.map(configKey)}`, () => this.#bench.remove(...names));
    } else if (draw < 0.9) {
      const ips = this.#random.some(IPS);
      if (ips.length === 0) return;
      this.#contents.publishBeta(name, text, ips);
      this.#act(`beta ${configKey(name)} ${text} ${ips}`, () => this.#bench.publishBeta(name, text, ips.join()));
    } else {
      this.#contents.removeBeta(name);
      this.#act(`remove beta ${configKey(name)}`, () => this.#bench.removeBeta(name));
    }
  }

  /** The cluster goes on without this member, or this member comes to another cluster, whose state it is then given. */
  *#replace(): Generator<undefined, void> {
    if (this.#random.chance(0.3)) this.#cluster = new ConfigLog();
    for (let left = this.#random.below(8); left > 0; left--) this.#cluster.apply(this.#elsewhere(), this.#bench.now);
    const { state } = this.#bench;
    const replacement = beginReplacement(state);
    this.#cluster.store.loadInto(replacement.next);
    yield* compare(state, replacement);
    switchOver(state, replacement);
    this.#bench.logIndex = this.#cluster.index;
    this.#contents = Contents.of(this.#cluster.store);
    assert.deepEqual(durable(state), durable(this.#cluster.restarted()), "G14 what a start would have made of it");
    assertVersionInvariants(state);
    yield* noteReplaced(state, replacement);
    this.#replacing = undefined;
    this.#feed({ type: "tick" });
  }

  #replaceOn(): void {
    this.#trace.push(`${this.#bench.now} replacing`);
    this.#replacing?.next();
  }

  /** An entry that this member does not see. */
  #elsewhere(): ConfigCommand {
    const name = this.#random.pick(NAMES);
    const draw = this.#random.next();
    if (draw < 0.4) return { type: "removeConfigs", names: [name], by: OPERATOR, ...(draw < 0.1 && { gray: "beta" }) };
    const ips = this.#random.some(IPS);
    return {
      type: "publishConfig",
      name,
      content: content(this.#random.pick(TEXTS)),
      fields: {},
      terms: {},
      by: OPERATOR,
      ...(draw < 0.6 && ips.length > 0 && { gray: betaTarget(ips.join()) }),
    };
  }

  /** Says what it holds of some configurations, among them perhaps new ones. */
  #listen(client = this.#random.pick(CLIENTS), names = this.#random.some(NAMES)): void {
    if (names.length === 0) return;
    let cache = this.#clients.get(client);
    if (cache === undefined) {
      cache = new Map();
      this.#clients.set(client, cache);
    }
    const contexts: Context[] = [];
    for (const name of names) {
      const form = name.namespace === "public" ? this.#random.pick(FORMS) : "given";
      const text = cache.get(configKey(name))?.text;
      const fresh: Cached = { name, text, form, dirty: false, unsaid: false, reading: undefined };
      const cached = cache.get(configKey(name)) ?? fresh;
      Object.assign(cached, { form, unsaid: false });
      cache.set(configKey(name), cached);
      contexts.push(holding(name, text, form));
    }
    this.#act(`listen ${client} ${JSON.stringify(contexts)}`, () => {
      const effects = this.#bench.listen(client, ...contexts);
      const answer = effects.find((effect) => effect.type === "differing");
      assert.deepEqual(answer?.changed, this.#differing(contexts, this.#bench.labelsOf(client)), "what differs");
      // The answer may be lost, as every message may.
      if (this.#reliable || this.#random.chance(0.8))
        for (const { name } of answer.changed) (cache.get(configKey(name)) ?? assert.fail()).dirty = true;
      else for (const { name } of contexts) (cache.get(configKey(name)) ?? assert.fail()).unsaid = true;
      return effects;
    });
  }

  #differing(contexts: readonly Context[], labels: Labels): Changed[] {
    return contexts
      .filter(({ name, md5: held }) => held !== md5Of(this.#contents.read(name, labels)))
      .map(({ name, form }) => ({ name, form }));
  }

  #unlisten(): void {
    const client = this.#random.pick(CLIENTS);
    const names = this.#random.some(NAMES);
    for (const name of names) this.#clients.get(client)?.delete(configKey(name));
    this.#feed({ type: "unlisten", clientId: client, names });
  }

  #disconnect(): void {
    const client = this.#random.pick(CLIENTS);
    const lose = (): void => {
      const lost = this.#sent.filter(({ to }) => to === client);
      this.#sent = this.#sent.filter(({ to }) => to !== client);
      for (const { requestId } of lost)
        this.#feed({ type: "pushSettled", clientId: client, requestId, outcome: "gone" });
    };
    // The shell may tell of lost messages before or after the lost connection.
    if (this.#random.chance(0.5)) lose();
    this.#clients.delete(client);
    this.#feed({ type: "disconnected", clientId: client });
    lose();
  }

  #fetch(): void {
    const client = this.#random.pick(CLIENTS);
    const cached = this.#random.pick(this.#cachedBy(client));
    if (cached !== undefined) this.#read(client, cached);
  }

  /** What it was told of is read, then taken, and then said: things may happen in between. */
  #read(client: string, cached: Cached): void {
    const { name, reading } = cached;
    if (reading !== undefined) {
      Object.assign(cached, { reading: undefined, unsaid: true, text: reading.text });
      this.#feed({ type: "served", clientId: client, name, md5: md5Of(reading.text), afterNotice: true });
    } else if (cached.dirty) {
      cached.dirty = false;
      cached.reading = { text: this.#newest(client, name) };
    } else if (cached.unsaid) this.#listen(client, [name]);
  }

  #poll(): void {
    const id = this.#nextPoll++;
    const ip = this.#random.pick(IPS);
    const labels = { ClientIp: ip };
    const holdMs = this.#random.pick(HOLD_MS);
    const contexts = this.#random.some([...NAMES, ...NAMES]).map((name) => {
      const text = this.#random.chance(0.9) ? this.#contents.read(name, labels) : this.#random.pick(TEXTS);
      return holding(name, text, this.#random.pick(FORMS));
    });
    const differing = this.#differing(contexts, labels);
    this.#polls.set(id, { contexts, endsAt: this.#bench.now + holdMs });
    this.#act(`poll ${id} ${JSON.stringify(contexts)}`, () => {
      const effects = this.#bench.poll(id, contexts, { ip, labels, holdMs });
      const answer = effects.find((effect) => effect.type === "pollAnswer" && effect.id === id);
      const atOnce = differing.length > 0 || holdMs === 0;
      if (atOnce) assert.deepEqual(answer, { type: "pollAnswer", id, changed: differing }, "the answer at once");
      else assert.equal(answer, undefined, "nothing to say");
      return effects;
    });
  }

  #pollGone(): void {
    const id = this.#random.pick([...this.#polls.keys()]);
    if (id === undefined) return;
    this.#polls.delete(id);
    this.#feed({ type: "pollGone", id });
  }

  #settle(): void {
    const sent = this.#random.pick(this.#sent);
    if (sent === undefined) return;
    this.#sent = this.#sent.filter((other) => other !== sent);
    const { arrived, to: clientId, requestId } = sent;
    const lost = this.#random.pick<PushOutcome>(arrived ? ["refused", "timeout"] : ["refused", "timeout", "busy"]);
    const acked = arrived && (this.#reliable || this.#random.chance(0.9));
    this.#feed({ type: "pushSettled", clientId, requestId, outcome: acked ? "acked" : lost });
  }

  #forward(ms: number): void {
    this.#act(`forward ${ms}`, () => this.#bench.forward(ms));
  }

  #receive(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === "notify") {
        assert.ok(!this.#requestIds.has(effect.requestId), "every message has an id of its own");
        this.#requestIds.add(effect.requestId);
        assert.ok(effect.to.length <= this.#bench.state.receiversMax);
        for (const to of effect.to) {
          const cached: Cached | undefined = this.#clients.get(to)?.get(configKey(effect.name));
          assert.equal(cached?.form, effect.form, `G6 a notice to ${to}, as it spells the namespace`);
          const arrived = this.#reliable || this.#random.chance(0.7);
          this.#sent.push({ to, requestId: effect.requestId, arrived });
          if (arrived) cached.dirty = true;
        }
      }
      if (effect.type === "pollAnswer") {
        const poll = this.#polls.get(effect.id) ?? assert.fail(`an answer to poll ${effect.id}, which is not held`);
        this.#polls.delete(effect.id);
        const lines = poll.contexts.map(({ name }) => configKey(name));
        for (const { name } of effect.changed) assert.ok(lines.includes(configKey(name)), "what was asked about");
        if (effect.changed.length === 0) assert.ok(this.#bench.now >= poll.endsAt, "empty only when its time is over");
      }
    }
  }

  /** A poll that is held has nothing to hear, unless its turn is still to come; and its time is not over. */
  #assertPolls(): void {
    const { polls, flushing } = this.#bench.state;
    assert.deepEqual([...polls.keys()], [...this.#polls.keys()], "polls are held until they are answered");
    if (flushing || this.#replacing !== undefined) return;
    for (const { id, labels, lines } of polls.values())
      for (const { item, md5: held } of lines)
        assert.equal(held, md5Of(this.#contents.read(item.name, labels)), `poll ${id} has nothing to hear`);
  }
}

function labelsAt(client: number): Labels {
  return { ClientIp: IPS[client % IPS.length] as string };
}

function md5Of(text: string | undefined): string {
  return text === undefined ? "" : md5(text);
}
