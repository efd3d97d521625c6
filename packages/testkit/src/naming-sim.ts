import assert from "node:assert/strict";
import {
  addressId,
  type Command,
  choose,
  type Effect,
  type Event,
  findService,
  type InstanceInput,
  instancesOf,
  type PushOutcome,
  refuses,
  type ServiceChange,
} from "@nacre/core/naming";
import { type ServiceKey, type ServiceName, serviceKey } from "@nacre/protocol";
import { CALLER, instance, NamingBench, service } from "./naming-bench.ts";
import { HEARTBEATS, NamingModel, textOf } from "./naming-model.ts";
import { Random } from "./random.ts";

const SERVICES = [service("orders"), service("stock"), service("users", "OTHER"), service("mails", "OTHER", "dev")];
const CONNECTIONS = ["c1", "c2", "c3", "c4", "c5"];
/** Few addresses, so that clients often publish the same ones. */
const ADDRESSES = ["10.0.0.1:80", "10.0.0.1:81", "10.0.0.2:80", "10.0.0.3:80"];
const FILTERS = ["", "", "A", "DEFAULT", "A,DEFAULT"];
const PATTERNS = ["public>>*>>*", "public>>OTHER>>*", "dev>>*>>mail*", "public>>*>>nothing"];
const TICK_MS = 250;
/** Longer than every heartbeat and every retry: after it, nothing is left that time alone would change. */
const HEAL_MS = 45_000;

/** A message that a client was sent. What arrives does so in order; only the answers come in any order, or never. */
interface Sent {
  readonly to: string;
  readonly requestId: number;
  readonly arrived: boolean;
}

/** What a subscriber holds, as an SDK would: newer lists replace older ones. */
interface Held {
  clusters: string;
  texts: string[];
  lastRefTime: number;
}

/**
 * One run: random events go to naming and to the model, and after each of them everything that can be compared is.
 *
 * @throws AssertionError naming the seed, the step and the last events.
 */
export function runNamingSim(seed: number, steps: number): void {
  const sim = new Sim(seed);
  for (let step = 0; step < steps; step++) sim.guarded(`step ${step}`, () => sim.step());
  sim.guarded("healing", () => sim.heal());
}

class Sim {
  readonly #seed: number;
  readonly #random: Random;
  readonly #bench: NamingBench;
  readonly #model: NamingModel;
  readonly #trace: string[] = [];
  #sent: Sent[] = [];
  /** By client and service. */
  readonly #held = new Map<string, Held>();
  readonly #subscribed = new Map<string, { client: string; name: ServiceName; clusters: string; udp: boolean }>();
  /** By client and pattern: the services that a watcher believes to exist. */
  readonly #believed = new Map<string, Set<ServiceKey>>();
  #heldUntil = 0;
  #lastTickAt: number | undefined;
  #pushEnabled = true;
  #healing = false;
  #logIndex = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
    const instancesMax = this.#random.chance(0.2) ? 6 : 1000;
    this.#bench = new NamingBench({
      instancesMax,
      pushPauseMaxMs: this.#random.pick([0, 100, 2000]),
      viewCharsMax: 3000,
    });
    this.#model = new NamingModel(instancesMax);
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
    if (this.#random.chance(0.3)) this.#bench.now += this.#random.below(40);
    if (draw < 0.08) this.#connect();
    else if (draw < 0.11) this.#disconnect();
    else if (draw < 0.29) this.#publish();
    else if (draw < 0.34) this.#withdraw();
    else if (draw < 0.42) this.#publishAddress();
    else if (draw < 0.45) this.#withdrawAddress();
    else if (draw < 0.52) this.#beat();
    else if (draw < 0.58) this.#subscribe();
    else if (draw < 0.6) this.#unsubscribe();
    else if (draw < 0.63) this.#watch();
    else if (draw < 0.73) this.#operate();
    else if (draw < 0.74) this.#tick(this.#random.pick([5_000, 20_000, 90_000]));
    else if (draw < 0.86) this.#tick(TICK_MS * (1 + this.#random.below(6)));
    else this.#settleOne();
  }

  /** Everything is acknowledged and time goes on: every subscriber and watcher must end with what is true. */
  heal(): void {
    this.#healing = true;
    this.#apply({ type: "setSwitch", entry: "pushEnabled", value: "true" });
    const until = this.#bench.now + HEAL_MS;
    while (this.#bench.now < until || this.#sent.length > 0) {
      while (this.#sent.length > 0) this.#settle(this.#sent[0] ?? assert.fail());
      this.#tick(TICK_MS);
    }
    for (const { client, name, clusters } of this.#subscribed.values()) {
      const held = this.#held.get(`${client} ${serviceKey(name)}`);
      const seen = this.#model.seen(serviceKey(name), clusters, false);
      assert.ok(held !== undefined, `N6 ${client} was never pushed ${name.name}`);
      assert.deepEqual(held.texts, seen.texts, `N6 ${client} has the newest list of ${name.name}`);
    }
    for (const [watcher, believed] of this.#believed) {
      const pattern = watcher.slice(watcher.indexOf(" ") + 1);
      const expected = this.#model.listed().filter((key) => matches(pattern, key));
      assert.deepEqual([...believed].sort(), expected, `N11 what ${watcher} believes to exist`);
    }
    assert.equal(this.#bench.state.fanOuts.size + this.#bench.state.fuzzy.sent.size, 0, "nothing is on its way");
  }

  /** Feeds one event to naming, and checks all that holds whatever the event was. `act` is what the model does. */
  #feed(event: Event, about: { refused?: boolean; act?: () => void; mayTouch?: boolean } = {}): Effect[] {
    const { refused = false, act = () => {}, mayTouch = false } = about;
    this.#trace.push(`${this.#bench.now} ${shortly(event)}`);
    const { state } = this.#bench;
    const before = new Map(SERVICES.map((name) => [serviceKey(name), this.#model.shown(serviceKey(name))]));
    const storedBefore = new Map(
      SERVICES.map((name) => [serviceKey(name), this.#model.shown(serviceKey(name), false)]),
    );
    const keysBefore = new Map(SERVICES.map((name) => [serviceKey(name), this.#model.shownKeys(serviceKey(name))]));
    const revisions = new Map(SERVICES.map((name) => [serviceKey(name), findService(state, name)?.revision]));
    const journalBefore = state.journal.size;
    const effects = this.#bench.send(event);
    const refusal = effects.find((effect) => effect.type === "refuse");
    assert.equal(refusal !== undefined, refused, `refused: ${refusal?.message}`);
    if (refused) assert.equal(effects.length, 1, "N14 a refused event does nothing else");
    else act();
    this.#compare();
    const causes = state.journal.find(() => true, state.journal.size - journalBefore);
    for (const name of SERVICES) {
      const key = serviceKey(name);
      const changed = !same(before.get(key) ?? [], this.#model.shown(key));
      const was = revisions.get(key);
      const is = findService(state, name)?.revision;
      const untouched = !changed && !mayTouch && same(storedBefore.get(key) ?? [], this.#model.shown(key, false));
      if (untouched && was !== undefined && is !== undefined && is !== 0)
        assert.equal(is, was, `N2 a revision of ${key} for nothing`);
      if (changed && was !== undefined && is !== undefined) assert.ok(is > was, `N4 no new revision of ${key}`);
      const gone = (keysBefore.get(key) ?? []).filter((one) => !this.#model.shownKeys(key).includes(one));
      for (const one of gone)
        assert.ok(
          causes.some(({ what, service: of, instance: at }) => what === "removed" && of === key && at === one),
          `N9 no cause for ${one} of ${key}`,
        );
    }
    this.#receive(effects);
    return effects;
  }

  #compare(): void {
    const { state } = this.#bench;
    assert.equal(state.instanceCount, this.#model.published.length, "N12 instances of the model");
    const listed = [...state.services.values()].filter((one) => one.listed).map(({ key }) => key);
    assert.deepEqual(listed.sort(), this.#model.listed(), "N11");
    const clusters = this.#random.pick(FILTERS);
    const healthyOnly = this.#random.chance(0.5);
    for (const name of SERVICES) {
      const held = findService(state, name);
      const key = serviceKey(name);
      const shown = held === undefined ? [] : instancesOf(held, "").map(textOf).sort();
      if (!same(shown, this.#model.shown(key)))
        assert.deepEqual(shown, this.#model.shown(key), `N3 what shows of ${key}`);
      if (held === undefined) continue;
      const chosen = choose(state, held, { clusters, healthyOnly, consumerIp: undefined });
      const seen = this.#model.seen(key, clusters, healthyOnly);
      assert.equal(chosen.protects, seen.protects, `protection of ${key}`);
      const texts = chosen.instances.map(textOf).sort();
      if (!same(texts, seen.texts)) assert.deepEqual(texts, seen.texts, `${key} for '${clusters}'`);
    }
  }

  /** Takes the messages out of the effects, as a network would: what they say is fixed when they are sent. */
  #receive(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === "push") {
        assert.ok(this.#pushEnabled, "nothing is pushed while pushes are switched off");
        for (const to of effect.to) this.#sendList(to, effect);
      } else if (effect.type === "pushUdp") this.#sendList(effect.to.clientId, effect);
      else if (effect.type === "fuzzyChange") for (const to of effect.to) this.#sendChange(to, effect);
      else if (effect.type === "fuzzySync") {
        const contexts = "contexts" in effect.sync ? effect.sync.contexts : [];
        assert.ok(contexts.length <= 10, "batches of ten");
        const believed = this.#believed.get(`${effect.to} ${effect.pattern}`);
        this.#send(effect.to, effect.requestId, () => {
          for (const { serviceKey: key, changedType } of contexts)
            if (believed !== undefined) learn(believed, key, changedType);
        });
      }
    }
  }

  #send(to: string, requestId: number, deliver: () => void): void {
    const arrived = this.#healing || to.includes("#") || this.#random.chance(0.8);
    this.#sent.push({ to, requestId, arrived });
    if (arrived) deliver();
  }

  #sendList(
    to: string,
    { service: key, clusters, requestId }: { service: string; clusters: string; requestId: number },
  ): void {
    const at = `${to} ${key}`;
    assert.equal(this.#subscribed.get(at)?.clusters, clusters, `a push to ${at} with the filter of its subscription`);
    const name = SERVICES.find((one) => serviceKey(one) === key) ?? assert.fail();
    const view = this.#bench.view(name, { clusters });
    const hosts = this.#bench.hosts(name, { clusters });
    const texts = hosts
      .map(({ clusterName, ephemeral, ...rest }) =>
        textOf({ ...rest, cluster: clusterName, ephemeral: ephemeral === true }),
      )
      .sort();
    assert.deepEqual(texts, this.#model.seen(key, clusters, false).texts, `a push to ${at} says what is true`);
    const before = this.#held.get(at);
    if (before?.clusters === clusters && !same(before.texts, texts))
      assert.ok(view.lastRefTime > before.lastRefTime, `N4 ${at} would take the newer list for the older`);
    this.#send(to, requestId, () => {
      const held = this.#held.get(at);
      if (held?.clusters === clusters) assert.ok(view.lastRefTime >= held.lastRefTime, `N6 ${at} goes back`);
      this.#held.set(at, { clusters, texts, lastRefTime: view.lastRefTime });
    });
  }

  #sendChange(to: string, { service: key, change, requestId }: Extract<Effect, { type: "fuzzyChange" }>): void {
    this.#send(to, requestId, () => {
      for (const [watcher, believed] of this.#believed)
        if (watcher.startsWith(`${to} `) && matches(watcher.slice(to.length + 1), key)) learn(believed, key, change);
    });
  }

  #settleOne(): void {
    if (this.#sent.length > 0) this.#settle(this.#random.pick(this.#sent));
  }

  #settle(sent: Sent): void {
    this.#sent = this.#sent.filter((other) => other !== sent);
    const reliable = this.#healing || sent.to.includes("#");
    const { arrived, to: clientId, requestId } = sent;
    const lost = this.#random.pick<PushOutcome>(arrived ? ["refused", "timeout"] : ["refused", "timeout", "busy"]);
    const outcome = arrived && (reliable || this.#random.chance(0.9)) ? "acked" : lost;
    this.#feed({ type: "pushSettled", clientId, requestId, outcome });
  }

  #connect(): void {
    const clientId = this.#random.pick(CONNECTIONS);
    this.#feed(
      { type: "connected", clientId, ip: "10.9.0.1", port: 1, caller: CALLER },
      { act: () => this.#model.connections.add(clientId) },
    );
  }

  #disconnect(): void {
    const clientId = this.#random.pick(CONNECTIONS);
    const gone = (): void => {
      const lost = this.#sent.filter(({ to }) => to === clientId);
      this.#sent = this.#sent.filter(({ to }) => to !== clientId);
      for (const { requestId } of lost) this.#feed({ type: "pushSettled", clientId, requestId, outcome: "gone" });
    };
    // The shell may tell of lost messages before or after the lost connection.
    if (this.#random.chance(0.5)) gone();
    this.#feed({ type: "disconnected", clientId, cause: "reset" }, { act: () => this.#model.disconnect(clientId) });
    for (const at of [...this.#subscribed.keys(), ...this.#held.keys(), ...this.#believed.keys()])
      if (at.startsWith(`${clientId} `)) this.#forget(at);
    gone();
  }

  #forget(at: string): void {
    this.#subscribed.delete(at);
    this.#held.delete(at);
    this.#believed.delete(at);
  }

  #input(address: string): InstanceInput {
    const random = this.#random;
    return instance(address, {
      weight: random.chance(0.03) ? -1 : random.pick([1, 1, 2]),
      healthy: random.chance(0.8),
      enabled: random.chance(0.9),
      clusterName: random.pick(["", "", "DEFAULT", "A"]),
      metadata: { ...random.pick(HEARTBEATS), ...(random.chance(0.3) && { zone: random.pick(["x", "y"]) }) },
    });
  }

  #publish(): void {
    const clientId = this.#random.pick(CONNECTIONS);
    const name = this.#random.pick(SERVICES);
    const some = this.#random.chance(0.5)
      ? [this.#random.pick(ADDRESSES)]
      : this.#random.some([...ADDRESSES, ...ADDRESSES]);
    const held = this.#bench.state.clients.get(clientId)?.publications;
    const kept = [...(held ?? [])].find(([{ key }]) => key === serviceKey(name))?.[1].entries;
    let instances = some.map((address) => this.#input(address));
    // Registering the same again is what SDKs do after each reconnection.
    if (kept !== undefined && this.#random.chance(0.3))
      instances = kept.map(({ instance: { cluster, instanceId: _, ...rest } }) => ({
        ...rest,
        clusterName: cluster,
        instanceId: "",
      }));
    const there = this.#model.connections.has(clientId);
    this.#feed(
      { type: "publish", clientId, service: name, instances, caller: CALLER },
      {
        refused: !there || !this.#model.mayPublish(clientId, name, instances, true),
        act: () => this.#model.publish(clientId, name, instances, true, this.#bench.now),
      },
    );
  }

  #withdraw(): void {
    const clientId = this.#random.pick(CONNECTIONS);
    const name = this.#random.pick(SERVICES);
    this.#feed(
      { type: "withdraw", clientId, service: name, caller: CALLER },
      { act: () => this.#model.withdraw(clientId, name) },
    );
  }

  #publishAddress(): void {
    const name = this.#random.pick(SERVICES);
    const input = this.#input(this.#random.pick(ADDRESSES));
    const id = addressId(input.ip, input.port);
    this.#feed(
      { type: "publishAddress", service: name, instance: input, caller: CALLER },
      {
        refused: !this.#model.mayPublish(id, name, [input], true),
        act: () => this.#model.publish(id, name, [input], true, this.#bench.now),
      },
    );
  }

  #withdrawAddress(): void {
    const name = this.#random.pick(SERVICES);
    const { ip, port } = this.#input(this.#random.pick(ADDRESSES));
    this.#feed(
      { type: "withdrawAddress", service: name, ip, port, caller: CALLER },
      { act: () => this.#model.withdraw(addressId(ip, port), name) },
    );
  }

  #beat(): void {
    const name = this.#random.pick(SERVICES);
    const input = this.#input(this.#random.pick(ADDRESSES));
    const { ip, port } = input;
    const id = addressId(ip, port);
    const known = this.#model.published.some(({ client, service: key }) => client === id && key === serviceKey(name));
    const brings = this.#random.chance(0.5);
    const effects = this.#feed(
      { type: "beat", service: name, ip, port, instance: brings ? input : undefined, caller: CALLER },
      {
        refused: !known && brings && !this.#model.mayPublish(id, name, [input], true),
        act: () => {
          if (known) this.#model.beat(id, name, this.#bench.now);
          else if (brings) this.#model.publish(id, name, [input], true, this.#bench.now);
        },
      },
    );
    const answer = effects.find((effect) => effect.type === "beatAnswer");
    if (answer !== undefined) assert.equal(answer.known, known || brings, "whether the instance is known");
  }

  #subscribe(): void {
    const name = this.#random.pick(SERVICES);
    const clusters = this.#random.pick(FILTERS);
    const udp = this.#random.chance(0.1);
    const clientId = udp ? addressId("10.5.0.1", 5000) : this.#random.pick(CONNECTIONS);
    const there = udp || this.#model.connections.has(clientId);
    if (there) this.#subscribed.set(`${clientId} ${serviceKey(name)}`, { client: clientId, name, clusters, udp });
    if (udp) this.#feed({ type: "subscribeUdp", service: name, clusters, ip: "10.5.0.1", port: 5000, caller: CALLER });
    else this.#feed({ type: "subscribe", clientId, service: name, clusters, caller: CALLER }, { refused: !there });
  }

  #unsubscribe(): void {
    const clientId = this.#random.pick(CONNECTIONS);
    const name = this.#random.pick(SERVICES);
    this.#forget(`${clientId} ${serviceKey(name)}`);
    this.#feed({ type: "unsubscribe", clientId, service: name });
  }

  #watch(): void {
    const clientId = this.#random.pick(CONNECTIONS);
    const pattern = this.#random.pick(PATTERNS);
    const at = `${clientId} ${pattern}`;
    if (this.#random.chance(0.2)) {
      this.#believed.delete(at);
      this.#feed({ type: "unwatch", clientId, pattern });
      return;
    }
    const there = this.#model.connections.has(clientId);
    const held = this.#believed.get(at);
    if (there && held === undefined) this.#believed.set(at, new Set());
    const received = [...(held ?? [])];
    this.#feed({ type: "watch", clientId, pattern, received, initializing: held === undefined }, { refused: !there });
  }

  #operate(): void {
    const random = this.#random;
    const name = random.pick(SERVICES);
    const address = random.pick(ADDRESSES);
    const input = this.#input(address);
    const key = `${address}:${random.pick(["DEFAULT", "A"])}`;
    const { ip, port } = input;
    const edit = { protectThreshold: random.pick([0, 0.3, 0.5, 1]), selector: { type: "none" }, metadata: {} } as const;
    const override = {
      weight: random.pick([undefined, 5]),
      enabled: random.pick([undefined, true, false]),
      metadata: { ...random.pick(HEARTBEATS), ...(random.chance(0.5) && { zone: "by hand" }) },
    };
    const commands: Command[] = [
      { type: "registerPersistent", service: name, instance: input, caller: CALLER },
      { type: "deregisterPersistent", service: name, ip, port, caller: CALLER },
      {
        type: "setHealth",
        changes: [{ service: name, instance: key, healthy: random.chance(0.5), cause: "healthCheck", detail: "" }],
      },
      { type: "createService", service: name, ephemeral: random.chance(0.7), edit },
      { type: "updateService", service: name, edit },
      { type: "deleteService", service: name },
      { type: "setOverrides", service: name, instances: [key], edit: { how: "replace", override }, caller: CALLER },
      { type: "setOverrides", service: name, instances: [key], edit: { how: "drop" }, caller: CALLER },
      { type: "setSwitch", entry: "pushEnabled", value: String(random.chance(0.6)) },
    ];
    this.#apply(random.pick(commands));
  }

  /** A command goes into the log unless it is refused before. */
  #apply(command: Command): void {
    const allowed = this.#allowed(command);
    assert.equal(refuses(this.#bench.state, command) === undefined, allowed, `${command.type} may be proposed`);
    if (!allowed) return;
    // The moment of switching on is the moment of its pushes.
    if (command.type === "setSwitch") this.#pushEnabled = command.value === "true";
    this.#feed(
      { type: "apply", index: ++this.#logIndex, at: this.#bench.now, command },
      { act: () => this.#operated(command), mayTouch: true },
    );
  }

  #allowed(command: Command): boolean {
    if (command.type === "registerPersistent") {
      const { service: name, instance: input } = command;
      return this.#model.mayPublish(`${input.ip}:${input.port}#false`, name, [input], false);
    }
    const key = "service" in command ? serviceKey(command.service) : "";
    if (command.type === "createService") return !this.#model.listed().includes(key);
    if (command.type === "updateService") return this.#model.listed().includes(key);
    if (command.type === "deleteService")
      return this.#model.listed().includes(key) && this.#model.shownKeys(key).length === 0;
    return true;
  }

  #operated(command: Command): void {
    const model = this.#model;
    switch (command.type) {
      case "registerPersistent": {
        const { service: name, instance: input } = command;
        return model.publish(`${input.ip}:${input.port}#false`, name, [input], false, this.#bench.now);
      }
      case "deregisterPersistent":
        return model.withdraw(`${command.ip}:${command.port}#false`, command.service);
      case "setHealth":
        for (const { service: name, instance: key, healthy } of command.changes) model.setHealth(name, key, healthy);
        return;
      case "createService":
      case "updateService": {
        const key = serviceKey(command.service);
        const kind = model.published.find((one) => one.service === key)?.instance.ephemeral ?? true;
        const ephemeral =
          command.type === "createService" ? command.ephemeral : (model.metadata.get(key)?.ephemeral ?? kind);
        model.metadata.set(key, { ...command.edit, ephemeral, clusters: {} });
        return;
      }
      case "deleteService": {
        const key = serviceKey(command.service);
        model.metadata.delete(key);
        for (const at of [...model.overrides.keys()]) if (at.startsWith(`${key} `)) model.overrides.delete(at);
        return;
      }
      case "setOverrides":
        for (const at of command.instances) {
          const key = `${serviceKey(command.service)} ${at}`;
          if (command.edit.how === "replace") model.overrides.set(key, command.edit.override);
          else model.overrides.delete(key);
        }
    }
  }

  /** Time goes on to a multiple of 250 ms at least `ms` from now, with one tick at the end. */
  #tick(ms: number): void {
    const { state } = this.#bench;
    this.#bench.now = Math.ceil((this.#bench.now + ms) / TICK_MS) * TICK_MS;
    const { now } = this.#bench;
    const pausedMs = this.#lastTickAt === undefined ? 0 : now - this.#lastTickAt;
    if (pausedMs > 3000) this.#heldUntil = Math.max(this.#heldUntil, now + Math.min(pausedMs, 30_000));
    this.#lastTickAt = now;
    this.#feed({ type: "tick", wallAt: now }, { act: () => this.#model.judge(now, this.#heldUntil) });
    // A UDP subscriber that was forgotten is not waited for.
    for (const [at, { client, name, udp }] of this.#subscribed)
      if (udp && ![...(findService(state, name)?.subscribers?.keys() ?? [])].some(({ id }) => id === client))
        this.#forget(at);
  }
}

function learn(believed: Set<ServiceKey>, key: ServiceKey, change: ServiceChange): void {
  if (change === "ADD_SERVICE") believed.add(key);
  else believed.delete(key);
}

/** The few patterns of this simulation, read without the core's help. */
function matches(pattern: string, key: ServiceKey): boolean {
  const expression = pattern.replace(">>", "@@").replace(">>", "@@").replaceAll("*", "[^@]*");
  return new RegExp(`^${expression}$`).test(key);
}

/** An event as one line of a failure; `JSON.stringify(event)` says the rest. */
function shortly(event: Event): string {
  return JSON.stringify(event, (key, value: unknown) => {
    if (key === "caller") return undefined;
    return key === "service" && typeof value === "object" ? serviceKey(value as ServiceName) : value;
  });
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, at) => text === other[at]);
}
