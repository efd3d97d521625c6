import assert from "node:assert/strict";
import { RegistryClient } from "@nacre/testkit/registry-client";
import { instanceRequest, service } from "./requests.ts";

let count = 0;

/** A well-behaved provider and a well-behaved consumer, which notice when the server serves them late or wrongly. */
export class Bystander {
  readonly #provider: RegistryClient;
  readonly #consumer: RegistryClient;
  readonly #service: string;
  #rounds = 0;
  #waiting: { readonly from: number; readonly resolve: () => void }[] = [];

  private constructor(provider: RegistryClient, consumer: RegistryClient, service: string) {
    this.#provider = provider;
    this.#consumer = consumer;
    this.#service = service;
  }

  static async start(grpcPort: number): Promise<Bystander> {
    const name = `bystander-${count++}`;
    const [provider, consumer] = await Promise.all([
      RegistryClient.connect(grpcPort),
      RegistryClient.connect(grpcPort),
    ]);
    const subscribed = await consumer.call("SubscribeServiceRequest", { ...service(name), subscribe: true });
    assert.equal(subscribed.body.resultCode, 200, subscribed.text);
    return new Bystander(provider, consumer, name);
  }

  /** Publishes something new, is pushed it, and finds it when it asks. @returns milliseconds. */
  async round(): Promise<number> {
    const round = String(++this.#rounds);
    this.#consumer.pushes.length = 0;
    const startedAt = performance.now();
    const pushed = this.#consumer.pushed(
      ({ type, body }) => type === "NotifySubscriberRequest" && body.serviceInfo.hosts[0]?.metadata.round === round,
    );
    const registered = await this.#provider.call(
      "InstanceRequest",
      instanceRequest(this.#service, { metadata: { round } }),
    );
    assert.equal(registered.body.resultCode, 200, registered.text);
    await pushed;
    const found = await this.#consumer.call("ServiceQueryRequest", service(this.#service));
    assert.deepEqual(
      found.body.serviceInfo.hosts.map((host: { metadata: unknown }) => host.metadata),
      [{ round }],
    );
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ from }) => from > this.#rounds);
    for (const { from, resolve } of waiting) if (from <= this.#rounds) resolve();
    return performance.now() - startedAt;
  }

  /** Resolves after a round that began after the call. */
  served(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ from: this.#rounds + 1, resolve }));
  }

  /** @returns the milliseconds of the slowest round. */
  async roundsUntil(over: () => boolean): Promise<number> {
    let slowestMs = 0;
    do slowestMs = Math.max(slowestMs, await this.round());
    while (!over());
    return slowestMs;
  }

  close(): void {
    this.#provider.close();
    this.#consumer.close();
  }
}
