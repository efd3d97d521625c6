import { setTimeout as pause } from "node:timers/promises";
import { RegistryClient } from "@nacre/testkit/registry-client";
import { inTime } from "./driver.ts";
import type { History } from "./history.ts";
import { hostsOf, instanceRequest, type ServiceInfo, subscribeRequest } from "./requests.ts";

const RETRY_MS = 100;
const CALL_MAX_MS = 3000;
const ORDER_MAX_MS = 30_000;

/**
 * A client with the manners of an SDK in this process, where a test needs to say which member it is connected to. When
 * its connection ends it goes to the next address and says again what it published and subscribed to; so it does before
 * it leaves a member that sends it away.
 */
export class LightClient {
  readonly name: string;
  /** gRPC addresses, in the order in which they are tried. */
  readonly #addresses: readonly string[];
  readonly #history: History;
  readonly #published = new Map<string, { readonly service: string; readonly address: string }>();
  readonly #subscribed = new Set<string>();
  #next = 0;
  #isOver = false;
  #client: RegistryClient | undefined;
  #changed = Promise.withResolvers<void>();

  /** @param addresses gRPC addresses; it begins with the first. */
  constructor(name: string, addresses: readonly string[], history: History) {
    this.name = name;
    this.#addresses = addresses;
    this.#history = history;
  }

  static async start(name: string, addresses: readonly string[], history: History): Promise<LightClient> {
    const client = new LightClient(name, addresses, history);
    void client.#stayConnected();
    await inTime(client.#connected(), ORDER_MAX_MS, () => `${name} is not connected`);
    return client;
  }

  /** Where it is connected; undefined in between. */
  get at(): string | undefined {
    return this.#client === undefined ? undefined : this.#addresses[this.#next % this.#addresses.length];
  }

  /** One connection publishes one instance of a service: another one would take its place. */
  async register(service: string, address: string): Promise<void> {
    const before = [...this.#published.values()].find((each) => each.service === service && each.address !== address);
    if (before !== undefined) throw new Error(`${this.name} publishes ${before.address} of ${service} already`);
    this.#published.set(`${service} ${address}`, { service, address });
    await this.#order("InstanceRequest", instanceRequest(service, address));
    this.#history.add({ type: "registered", at: performance.now(), service, address });
  }

  async deregister(service: string, address: string): Promise<void> {
    this.#published.delete(`${service} ${address}`);
    await this.#order("InstanceRequest", instanceRequest(service, address, "deregisterInstance"));
    this.#history.add({ type: "ended", at: performance.now(), service, address });
  }

  async subscribe(service: string): Promise<void> {
    this.#subscribed.add(service);
    await this.#order("SubscribeServiceRequest", subscribeRequest(service));
  }

  /** It gives its member up, as SDKs do that get no answer, and goes to the next one. */
  move(): void {
    this.#client?.close();
  }

  /** Its application has ended. */
  kill(): void {
    this.abandon();
    this.#client?.close();
  }

  /** It does nothing of its own accord any more, and its connection stays: somebody else ends that. */
  abandon(): void {
    this.#isOver = true;
    this.ended();
  }

  /** Notes that what it published has ended, whatever becomes of its connection. */
  ended(at = performance.now()): void {
    for (const { service, address } of this.#published.values())
      this.#history.add({ type: "ended", at, service, address });
    this.#published.clear();
    this.#history.add({ type: "lost", at, viewer: this.name });
  }

  /** Says something again until a member has taken it: over the next connection if one ends. */
  async #order(type: string, body: object): Promise<void> {
    const giveUpAt = performance.now() + ORDER_MAX_MS;
    for (;;) {
      const client = await inTime(this.#connected(), ORDER_MAX_MS, () => `${this.name} is not connected`);
      try {
        const answer = await inTime(client.call(type, body), CALL_MAX_MS, () => `${this.name}: no answer to ${type}`);
        if (answer.body.resultCode !== 200) throw new Error(`${this.name}: ${type}: ${answer.text}`);
        if (answer.body.serviceInfo !== undefined) this.#show(answer.body.serviceInfo);
        return;
      } catch (thrown) {
        if (performance.now() > giveUpAt || this.#isOver) throw thrown;
        await pause(RETRY_MS);
      }
    }
  }

  async #connected(): Promise<RegistryClient> {
    while (this.#client === undefined) await this.#changed.promise;
    return this.#client;
  }

  async #stayConnected(): Promise<void> {
    let before: RegistryClient | undefined;
    while (!this.#isOver) {
      const client = new RegistryClient(this.#addresses[this.#next % this.#addresses.length] ?? "");
      const sentAway = Promise.withResolvers<void>();
      try {
        await inTime(client.join(), CALL_MAX_MS, () => "no answer");
        client.onPush = ({ type, body }) => {
          if (type === "NotifySubscriberRequest") this.#show(body.serviceInfo);
          if (type === "ConnectResetRequest") sentAway.resolve();
        };
        for (const { service, address } of this.#published.values())
          await inTime(
            client.call("InstanceRequest", instanceRequest(service, address)),
            CALL_MAX_MS,
            () => "no answer",
          );
        for (const service of this.#subscribed) {
          const asked = client.call("SubscribeServiceRequest", subscribeRequest(service));
          const { body } = await inTime(asked, CALL_MAX_MS, () => "no answer");
          if (body.serviceInfo !== undefined) this.#show(body.serviceInfo);
        }
        before?.close();
        before = undefined;
        if (this.#isOver) break;
        this.#client = client;
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
        const why = await Promise.race([client.ended.then(() => "ended"), sentAway.promise.then(() => "sent away")]);
        this.#client = undefined;
        // The old connection stays until the next one stands.
        if (why === "sent away") before = client;
        else client.close();
      } catch {
        client.close();
        await pause(RETRY_MS);
      }
      this.#next++;
    }
    before?.close();
  }

  #show(info: ServiceInfo): void {
    if (this.#isOver) return;
    this.#history.add({
      type: "view",
      at: performance.now(),
      viewer: this.name,
      service: info.name,
      hosts: hostsOf(info),
    });
  }
}
