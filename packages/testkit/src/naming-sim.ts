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
  refuses,
} from "@nacre/core/naming";
import { type ServiceKey, type ServiceName, serviceKey } from "@nacre/protocol";
import { CALLER, instance, NamingBench } from "./naming-bench.ts";
import { HEARTBEATS, NamingModel, textOf } from "./naming-model.ts";
import { SimClients } from "./naming-sim-clients.ts";
import { ADDRESSES, SERVICES, SimDistro } from "./naming-sim-distro.ts";
import { Random } from "./random.ts";

const CONNECTIONS = ["c1", "c2", "c3", "c4", "c5"];
const FILTERS = ["", "", "A", "DEFAULT", "A,DEFAULT"];
const PATTERNS = ["public>>*>>*", "public>>OTHER>>*", "dev>>*>>mail*", "public>>*>>nothing"];
const UDP_CLIENT = addressId("10.5.0.1", 5000);
const TICK_MS = 250;
/** Longer than every heartbeat and every retry: after it, nothing is left that time alone would change. */
const HEAL_MS = 45_000;

/** Of each service: what shows with and without operators' records, its instance keys, and its revision. */
type Look = Map<
  ServiceKey,
  { shown: readonly string[]; stored: readonly string[]; keys: readonly string[]; revision: number | undefined }
>;

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
  readonly #clients: SimClients;
  /** What was seen after the last event. */
  #before: Look;
  #heldUntil = 0;
  #lastTickAt: number | undefined;
  #pushEnabled = true;
  #logIndex = 0;
  /** Whether this member has peers; they drive `#distro`. */
  readonly #shares: boolean;
  readonly #distro: SimDistro;

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
    this.#clients = new SimClients(this.#random, this.#bench, this.#model);
    this.#before = this.#look();
    this.#shares = seed % 3 !== 0;
    this.#distro = new SimDistro(this.#random, this.#bench, this.#model);
    if (this.#shares) this.#feed({ type: "tellPeers" });
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
    if (this.#shares && this.#random.chance(0.25)) {
      const { event, ...about } = this.#distro.next();
      this.#feed(event, about);
    } else if (draw < 0.08) this.#connect();
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
    this.#clients.reliable = true;
    this.#apply({ type: "setSwitch", entry: "pushEnabled", value: "true" });
    const until = this.#bench.now + HEAL_MS;
    while (this.#bench.now < until || this.#clients.waiting > 0) {
      while (this.#clients.waiting > 0) this.#settleOne();
      this.#tick(TICK_MS);
    }
    this.#clients.assertHealed();
    assert.equal(this.#bench.state.fanOuts.size + this.#bench.state.fuzzy.sent.size, 0, "nothing is on its way");
  }

  /** Feeds one event to naming, and checks all that holds whatever the event was. `act` is what the model does. */
  #feed(event: Event, about: { refused?: boolean; act?: () => void; mayTouch?: boolean } = {}): Effect[] {
    const { refused = false, act = () => {}, mayTouch = false } = about;
    this.#trace.push(`${this.#bench.now} ${shortly(event)}`);
    const { state } = this.#bench;
    const before = this.#before;
    const journalBefore = state.journal.size;
    const effects = this.#bench.send(event);
    const refusal = effects.find((effect) => effect.type === "refuse");
    assert.equal(refusal !== undefined, refused, `refused: ${refusal?.message}`);
    if (refused) assert.equal(effects.length, 1, "N14 a refused event does nothing else");
    else act();
    const graceUntil = event.type === "tick" ? this.#bench.now : Number.NEGATIVE_INFINITY;
    this.#model.endGrace(graceUntil, (client) => [...state.ended.keys()].some(({ id }) => id === client));
    this.#before = this.#look();
    this.#compare();
    this.#assertChanges(before, state.journal.size - journalBefore, mayTouch);
    if (!this.#pushEnabled) assert.ok(!effects.some(({ type }) => type === "push"), "pushes are switched off");
    this.#clients.receive(effects);
    if (this.#shares) this.#distro.hear(effects);
    return effects;
  }

  #look(): Look {
    return new Map(
      SERVICES.map((name) => {
        const key = serviceKey(name);
        const { shown, keys } = this.#model.shown(key);
        const stored = this.#model.shown(key, false).shown;
        return [key, { shown, keys, stored, revision: findService(this.#bench.state, name)?.revision }];
      }),
    );
  }

  /** A change has a new revision, no change has none (N2, N4), and what is gone has its cause (N9). */
  #assertChanges(before: Look, written: number, mayTouch: boolean): void {
    const causes = this.#bench.state.journal.find(() => true, written).filter(({ what }) => what === "removed");
    for (const [key, now] of this.#before) {
      const then = before.get(key) ?? assert.fail();
      const changed = !same(then.shown, now.shown);
      const { revision } = now;
      if (then.revision !== undefined && revision !== undefined && revision !== 0) {
        if (changed) assert.ok(revision > then.revision, `N4 no new revision of ${key}`);
        else if (!mayTouch && same(then.stored, now.stored))
          assert.equal(revision, then.revision, `N2 a revision of ${key} for nothing`);
      }
      for (const at of then.keys)
        if (!now.keys.includes(at))
          assert.ok(
            causes.some((one) => one.service === key && one.instance === at),
            `N9 no cause for ${at} of ${key}`,
          );
    }
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
      const expected = this.#before.get(key)?.shown ?? assert.fail();
      if (!same(shown, expected)) assert.deepEqual(shown, expected, `N3 what shows of ${key}`);
      if (held === undefined) continue;
      const chosen = choose(state, held, { clusters, healthyOnly, consumerIp: undefined });
      const seen = this.#model.seen(key, clusters, healthyOnly);
      assert.equal(chosen.protects, seen.protects, `protection of ${key}`);
      const texts = chosen.instances.map(textOf).sort();
      if (!same(texts, seen.texts)) assert.deepEqual(texts, seen.texts, `${key} for '${clusters}'`);
    }
  }

  #settleOne(): void {
    const settled = this.#clients.settle();
    if (settled !== undefined) this.#feed({ type: "pushSettled", ...settled });
  }

  #connect(): void {
    const clientId = this.#random.pick(CONNECTIONS);
    this.#feed(
      { type: "connected", clientId, ip: "10.9.0.1", port: 1, caller: CALLER },
      { act: () => this.#model.connect(clientId, this.#bench.now) },
    );
  }

  #disconnect(): void {
    const clientId = this.#random.pick(CONNECTIONS);
    const lose = (): void => {
      for (const settled of this.#clients.lose(clientId)) this.#feed({ type: "pushSettled", ...settled });
    };
    // The shell may tell of lost messages before or after the lost connection.
    if (this.#random.chance(0.5)) lose();
    const { now } = this.#bench;
    const isPaused = now < this.#heldUntil || now - (this.#lastTickAt ?? now) > 3000;
    this.#feed(
      { type: "disconnected", clientId, cause: "reset" },
      { act: () => this.#model.disconnect(clientId, isPaused ? now : undefined) },
    );
    this.#clients.forget(clientId);
    lose();
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
      { act: () => this.#model.withdraw(clientId, name, this.#bench.now) },
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
        mayTouch: this.#isMarked(id),
      },
    );
  }

  /** A client that speaks up for itself is shown over others first, and only then says something new. */
  #isMarked(id: string): boolean {
    return (this.#model.copies.get(id) ?? "asPublished") !== "asPublished";
  }

  #withdrawAddress(): void {
    const name = this.#random.pick(SERVICES);
    const { ip, port } = this.#input(this.#random.pick(ADDRESSES));
    this.#feed(
      { type: "withdrawAddress", service: name, ip, port, caller: CALLER },
      {
        act: () => this.#model.withdraw(addressId(ip, port), name, this.#bench.now),
        mayTouch: this.#isMarked(addressId(ip, port)),
      },
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
        mayTouch: this.#isMarked(id),
      },
    );
    const answer = effects.find((effect) => effect.type === "beatAnswer");
    if (answer !== undefined) assert.equal(answer.known, known || brings, "whether the instance is known");
  }

  #subscribe(): void {
    const name = this.#random.pick(SERVICES);
    const clusters = this.#random.pick(FILTERS);
    const udp = this.#random.chance(0.1);
    const clientId = udp ? UDP_CLIENT : this.#random.pick(CONNECTIONS);
    const there = udp || this.#model.connections.has(clientId);
    if (there) this.#clients.subscribe(clientId, name, clusters);
    if (udp) this.#feed({ type: "subscribeUdp", service: name, clusters, ip: "10.5.0.1", port: 5000, caller: CALLER });
    else this.#feed({ type: "subscribe", clientId, service: name, clusters, caller: CALLER }, { refused: !there });
  }

  #unsubscribe(): void {
    const clientId = this.#random.pick(CONNECTIONS);
    const name = this.#random.pick(SERVICES);
    this.#clients.unsubscribe(clientId, serviceKey(name));
    this.#feed({ type: "unsubscribe", clientId, service: name });
  }

  #watch(): void {
    const clientId = this.#random.pick(CONNECTIONS);
    const pattern = this.#random.pick(PATTERNS);
    if (this.#random.chance(0.2)) {
      this.#clients.unwatch(clientId, pattern);
      this.#feed({ type: "unwatch", clientId, pattern });
      return;
    }
    const there = this.#model.connections.has(clientId);
    const known = there ? this.#clients.watch(clientId, pattern) : [];
    const initializing = known === undefined;
    this.#feed({ type: "watch", clientId, pattern, received: known ?? [], initializing }, { refused: !there });
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
    const allowed = this.#model.mayPropose(command);
    assert.equal(refuses(this.#bench.state, command) === undefined, allowed, `${command.type} may be proposed`);
    if (!allowed) return;
    // The moment of switching on is the moment of its pushes.
    if (command.type === "setSwitch") this.#pushEnabled = command.value === "true";
    this.#feed(
      { type: "apply", index: ++this.#logIndex, at: this.#bench.now, command },
      { act: () => this.#model.apply(command, this.#bench.now), mayTouch: true },
    );
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
    // A UDP subscriber that was forgotten waits for nothing.
    const udp = state.clients.get(UDP_CLIENT);
    for (const name of this.#clients.subscriptionsOf(UDP_CLIENT)) {
      const held = findService(state, name);
      if (held === undefined || udp?.subscriptions?.has(held) !== true)
        this.#clients.unsubscribe(UDP_CLIENT, serviceKey(name));
    }
  }
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
