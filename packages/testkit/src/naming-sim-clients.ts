import assert from "node:assert/strict";
import type { ClientId, Effect, PushOutcome, ServiceChange } from "@nacre/core/naming";
import { type ServiceKey, type ServiceName, serviceKey } from "@nacre/protocol";
import type { NamingBench } from "./naming-bench.ts";
import { type NamingModel, textOf } from "./naming-model.ts";
import type { Random } from "./random.ts";

/** A message that a client was sent. What arrives does so in order; only the answers come in any order, or never. */
interface Sent {
  readonly to: ClientId;
  readonly requestId: number;
  readonly arrived: boolean;
}

/** What a subscriber holds, as an SDK would: newer lists replace older ones. */
interface Held {
  readonly clusters: string;
  readonly texts: readonly string[];
  readonly lastRefTime: number;
}

interface Subscribed {
  readonly client: ClientId;
  readonly name: ServiceName;
  readonly clusters: string;
}

/** How one message ended. */
export interface Settled {
  readonly clientId: ClientId;
  readonly requestId: number;
  readonly outcome: PushOutcome;
}

/** The far side of the wire: subscribers and watchers, what they were told, and the messages in between. */
export class SimClients {
  /** Nothing is lost any more. */
  reliable = false;
  readonly #random: Random;
  readonly #bench: NamingBench;
  readonly #model: NamingModel;
  #sent: Sent[] = [];
  readonly #requestIds = new Set<number>();
  /** By client and service, as the next two. */
  readonly #subscribed = new Map<string, Subscribed>();
  readonly #held = new Map<string, Held>();
  /** By client and pattern: the services that a watcher believes to exist. */
  readonly #believed = new Map<string, Set<ServiceKey>>();

  constructor(random: Random, bench: NamingBench, model: NamingModel) {
    this.#random = random;
    this.#bench = bench;
    this.#model = model;
  }

  get waiting(): number {
    return this.#sent.length;
  }

  subscribe(client: ClientId, name: ServiceName, clusters: string): void {
    this.#subscribed.set(`${client} ${serviceKey(name)}`, { client, name, clusters });
  }

  unsubscribe(client: ClientId, service: ServiceKey): void {
    this.#subscribed.delete(`${client} ${service}`);
    this.#held.delete(`${client} ${service}`);
  }

  /** Services that the client subscribes. */
  subscriptionsOf(client: ClientId): ServiceName[] {
    return [...this.#subscribed.values()].filter((one) => one.client === client).map(({ name }) => name);
  }

  /** @returns what the watcher knows already, or undefined when the watch begins. */
  watch(client: ClientId, pattern: string): ServiceKey[] | undefined {
    const known = this.#believed.get(`${client} ${pattern}`);
    if (known === undefined) this.#believed.set(`${client} ${pattern}`, new Set());
    return known && [...known];
  }

  unwatch(client: ClientId, pattern: string): void {
    this.#believed.delete(`${client} ${pattern}`);
  }

  forget(client: ClientId): void {
    for (const table of [this.#subscribed, this.#held, this.#believed])
      for (const at of table.keys()) if (at.startsWith(`${client} `)) table.delete(at);
  }

  /** Takes the messages out of the effects: what they say is fixed when they are sent. */
  receive(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (!("requestId" in effect)) continue;
      assert.ok(!this.#requestIds.has(effect.requestId), "every message has an id of its own");
      this.#requestIds.add(effect.requestId);
      switch (effect.type) {
        case "push":
          for (const to of effect.to) this.#sendList(to, effect);
          break;
        case "pushUdp":
          this.#sendList(effect.to.clientId, effect);
          break;
        case "fuzzyChange":
          for (const to of effect.to)
            this.#send(to, effect.requestId, () => {
              for (const [watcher, believed] of this.#believed) {
                const [client, pattern = ""] = watcher.split(" ");
                if (client === to && matches(pattern, effect.service)) learn(believed, effect.service, effect.change);
              }
            });
          break;
        case "fuzzySync": {
          const contexts = "contexts" in effect.sync ? effect.sync.contexts : [];
          assert.ok(contexts.length <= 10, "batches of ten");
          const believed = this.#believed.get(`${effect.to} ${effect.pattern}`);
          this.#send(effect.to, effect.requestId, () => {
            for (const context of contexts)
              if (believed !== undefined) learn(believed, context.serviceKey, context.changedType);
          });
        }
      }
    }
  }

  /** One message ends, in whatever order and way. */
  settle(): Settled | undefined {
    const sent = this.#random.pick(this.#sent);
    if (sent === undefined) return undefined;
    this.#sent = this.#sent.filter((other) => other !== sent);
    const { arrived, to: clientId, requestId } = sent;
    const lost = this.#random.pick<PushOutcome>(arrived ? ["refused", "timeout"] : ["refused", "timeout", "busy"]);
    const acked = arrived && (this.#isReliable(clientId) || this.#random.chance(0.9));
    return { clientId, requestId, outcome: acked ? "acked" : lost };
  }

  /** The messages to a client whose connection ended. */
  lose(clientId: ClientId): Settled[] {
    const lost = this.#sent.filter(({ to }) => to === clientId);
    this.#sent = this.#sent.filter(({ to }) => to !== clientId);
    return lost.map(({ requestId }) => ({ clientId, requestId, outcome: "gone" }));
  }

  /** After everything was acknowledged: every subscriber and watcher has what is true. */
  assertHealed(): void {
    for (const { client, name, clusters } of this.#subscribed.values()) {
      const held = this.#held.get(`${client} ${serviceKey(name)}`);
      const { texts } = this.#model.seen(serviceKey(name), clusters, false);
      assert.deepEqual(held?.texts, texts, `N6 ${client} has the newest list of ${name.name}`);
    }
    for (const [watcher, believed] of this.#believed) {
      const [, pattern = ""] = watcher.split(" ");
      const expected = this.#model.listed().filter((key) => matches(pattern, key));
      assert.deepEqual([...believed].sort(), expected, `N11 what ${watcher} believes to exist`);
    }
  }

  #sendList(to: ClientId, effect: { service: ServiceKey; clusters: string; requestId: number }): void {
    const { service, clusters, requestId } = effect;
    const at = `${to} ${service}`;
    const subscribed = this.#subscribed.get(at) ?? assert.fail(`a push to ${at}, which does not subscribe`);
    assert.equal(subscribed.clusters, clusters, `a push to ${at} with the filter of its subscription`);
    const { lastRefTime } = this.#bench.view(subscribed.name, { clusters });
    const texts = this.#bench
      .hosts(subscribed.name, { clusters })
      .map(({ clusterName, ephemeral, ...rest }) =>
        textOf({ ...rest, cluster: clusterName, ephemeral: ephemeral === true }),
      )
      .sort();
    assert.deepEqual(texts, this.#model.seen(service, clusters, false).texts, `a push to ${at} says what is true`);
    const before = this.#held.get(at);
    if (before?.clusters === clusters) {
      const differs = before.texts.join() !== texts.join();
      assert.ok(
        lastRefTime >= before.lastRefTime + (differs ? 1 : 0),
        `N4 ${at} would take the newer list for the older`,
      );
    }
    this.#send(to, requestId, () => this.#held.set(at, { clusters, texts, lastRefTime }));
  }

  #send(to: ClientId, requestId: number, deliver: () => void): void {
    const arrived = this.#isReliable(to) || this.#random.chance(0.8);
    this.#sent.push({ to, requestId, arrived });
    if (arrived) deliver();
  }

  /** Whoever takes UDP packets counts as served when it does not answer, so it has to be. */
  #isReliable(client: ClientId): boolean {
    return this.reliable || client.endsWith("#true");
  }
}

function learn(believed: Set<ServiceKey>, key: ServiceKey, change: ServiceChange): void {
  if (change === "ADD_SERVICE") believed.add(key);
  else believed.delete(key);
}

/** The few patterns of the simulation, read without the core's help. */
function matches(pattern: string, key: ServiceKey): boolean {
  return new RegExp(`^${pattern.replaceAll(">>", "@@").replaceAll("*", "[^@]*")}$`).test(key);
}
