import { setTimeout as pause } from "node:timers/promises";
import { RegistryClient } from "@nacre/testkit/registry-client";
import { inTime } from "./driver.ts";
import type { History } from "./history.ts";
import { OBSERVER } from "./looks.ts";
import type { MemberProcess } from "./member-process.ts";
import { hostsOf, type ServiceInfo, subscribeRequest } from "./requests.ts";

const RETRY_MS = 50;
const CALL_MAX_MS = 3000;
const SETUP = { labels: { source: "sdk", module: "naming", AppName: OBSERVER } };

/**
 * Subscribes to services on one member, and only there, and puts every list into a history. When the member is away it
 * is not looking; when the member is back, it looks again.
 */
export class Observer {
  readonly member: MemberProcess;
  readonly #services: readonly string[];
  readonly #history: History;
  #isOver = false;
  #isLooking = false;
  #client: RegistryClient | undefined;
  #work: Promise<void> | undefined;

  constructor(member: MemberProcess, services: readonly string[], history: History) {
    this.member = member;
    this.#services = services;
    this.#history = history;
  }

  start(): void {
    this.#work = this.#watch();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.#client?.close();
    await this.#work;
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      try {
        await this.#look();
      } catch {
        // The member is away, or not ready to serve.
      }
      if (this.#isLooking) this.#history.add({ type: "lost", at: performance.now(), viewer: this.member.name });
      this.#isLooking = false;
      if (!this.#isOver) await pause(RETRY_MS);
    }
  }

  /** Until the connection ends. */
  async #look(): Promise<void> {
    // The address is asked for each time: a member may come back under another one.
    const client = new RegistryClient(this.member.grpc);
    this.#client = client;
    const newest = new Map<string, number>();
    const show = (info: ServiceInfo, isAnswer: boolean) => {
      // Answers and pushes come over two streams of one connection, so an answer may be overtaken.
      if (isAnswer && (newest.get(info.name) ?? 0) > info.lastRefTime) return;
      newest.set(info.name, info.lastRefTime);
      this.#isLooking = true;
      this.#history.add({
        type: "view",
        at: performance.now(),
        viewer: this.member.name,
        service: info.name,
        hosts: hostsOf(info),
        version: info.lastRefTime,
      });
    };
    try {
      await inTime(client.join(SETUP), CALL_MAX_MS, () => "no answer");
      client.onPush = ({ type, body }) => {
        if (type === "NotifySubscriberRequest") show(body.serviceInfo, false);
      };
      for (const service of this.#services) {
        const call = client.call("SubscribeServiceRequest", subscribeRequest(service));
        const { body } = await inTime(call, CALL_MAX_MS, () => "no answer");
        if (body.resultCode !== 200) throw new Error(body.message);
        show(body.serviceInfo, true);
      }
      await client.ended;
    } finally {
      client.close();
    }
  }
}
