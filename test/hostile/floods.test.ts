import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { encodePayload, encodeUtf8 } from "@nacre/protocol";
import { framed, RawClient } from "@nacre/testkit/grpc-client";
import { RegistryClient } from "@nacre/testkit/registry-client";
import { instance, instanceRequest, service } from "./lib/requests.ts";
import { Target } from "./lib/target.ts";

let target: Target;
before(async () => {
  // Ends are logged at info, with their reasons.
  target = await Target.start({
    queuedBytesMax: 64 * 1024,
    slowReaderMs: 1000,
    pushTimeoutMs: 500,
    pushRetryMs: 100,
    logLevel: "info",
  });
});
after(() => target?.stop());

const payload = (type: string, body: object): Uint8Array =>
  encodePayload({ type, body: encodeUtf8(JSON.stringify(body)) });

const hostsOf = async (client: RegistryClient, name: string): Promise<number> =>
  (await client.call("ServiceQueryRequest", service(name))).body.serviceInfo.hosts.length;

/** A batch of some 200 kB in the eyes of whoever is pushed it. */
const largeBatch = (name: string, round: number) => ({
  ...service(name),
  type: "batchRegisterInstance",
  instances: Array.from({ length: 500 }, (_, at) =>
    instance({ port: at + 1, metadata: { round: String(round), filler: "x".repeat(100) } }),
  ),
});

describe("a subscriber", () => {
  test("that never reads is dropped with a reason after its bound, and until then little is kept for it", () =>
    target.survives(async () => {
      const raw = await RawClient.connect(target.grpcPort);
      const stream = raw.open();
      stream.pause();
      stream.write(framed(payload("ConnectionSetupRequest", { clientVersion: "Slow:v1", labels: {} })));
      const subscribed = raw.unary(payload("SubscribeServiceRequest", { ...service("slow"), subscribe: true }));
      subscribed.resume();
      await once(subscribed, "close");
      const closed = once(raw.session, "close");
      let gone = false;
      void closed.then(() => {
        gone = true;
      });
      const provider = await RegistryClient.connect(target.grpcPort);
      const before = await target.heapBytes();
      for (let round = 0; !gone; round++) {
        assert.equal((await provider.call("BatchInstanceRequest", largeBatch("slow", round))).body.resultCode, 200);
        if (round % 20 === 0) assert.ok((await target.heapBytes()) - before < 32 * 1024 * 1024, `round ${round}`);
      }
      await closed;
      await target.prints(/"reason":"its send queue was over the limit for 1 s"/);
      provider.close();
    }));

  test("that never acknowledges is sent the newest content again some times, and holds nobody up", () =>
    target.survives(async (bystander) => {
      const [provider, mute] = await Promise.all([
        RegistryClient.connect(target.grpcPort),
        RegistryClient.connect(target.grpcPort),
      ]);
      mute.acknowledging = false;
      await mute.call("SubscribeServiceRequest", { ...service("mute"), subscribe: true });
      for (let round = 0; round < 200; round++)
        await provider.call("InstanceRequest", instanceRequest("mute", { metadata: { round: String(round) } }));
      await mute.pushed(({ body }) => body.serviceInfo?.hosts[0]?.metadata.round === "199");
      await bystander.served();
      const sent = mute.pushes.filter(({ type }) => type === "NotifySubscriberRequest").length;
      assert.ok(sent < 30, `200 changes were pushed ${sent} times to a client that answers none`);
      mute.close();
      provider.close();
    }));
});

describe("a flood", () => {
  test("of 500 clients that register and drop leaves nothing behind", () =>
    target.survives(async () => {
      const watcher = await RegistryClient.connect(target.grpcPort);
      await watcher.call("SubscribeServiceRequest", { ...service("storm"), subscribe: true });
      let next = 0;
      const one = async (): Promise<void> => {
        for (let at = next++; at < 500; at = next++) {
          const client = await RegistryClient.connect(target.grpcPort, {
            labels: { module: `m${at}`, AppName: `a${at}` },
          });
          await client.call("InstanceRequest", instanceRequest("storm", { port: at + 1 }));
          client.close();
        }
      };
      await Promise.all(Array.from({ length: 25 }, one));
      // The last drop empties the service, and whoever subscribes is told.
      while ((await hostsOf(watcher, "storm")) > 0) {
        const seen = watcher.pushes.length;
        await watcher.pushed(() => watcher.pushes.length > seen);
      }
      watcher.close();
    }));

  test("of 10,000 identical registrations pushes nothing", () =>
    target.survives(async () => {
      const [provider, consumer] = await Promise.all([
        RegistryClient.connect(target.grpcPort),
        RegistryClient.connect(target.grpcPort),
      ]);
      await consumer.call("SubscribeServiceRequest", { ...service("same"), subscribe: true });
      const same = instanceRequest("same", { metadata: { a: "b", c: "d" } });
      await provider.call("InstanceRequest", same);
      await consumer.pushed(({ body }) => body.serviceInfo?.name === "same" && body.serviceInfo.hosts.length === 1);
      const before = consumer.pushes.length;
      for (let at = 0; at < 100; at++)
        await Promise.all(Array.from({ length: 100 }, () => provider.call("InstanceRequest", same)));
      // What is sent for the next change comes after everything that was sent before it.
      await provider.call("InstanceRequest", instanceRequest("same", { metadata: { last: "yes" } }));
      await consumer.pushed(({ body }) => body.serviceInfo?.hosts[0]?.metadata.last === "yes");
      const pushes = consumer.pushes.slice(before).filter(({ type }) => type === "NotifySubscriberRequest");
      assert.equal(pushes.length, 1, "the one for the change at the end");
      provider.close();
      consumer.close();
    }));

  test("of 10,000 beats, of one instance and of instances that nobody knows, changes nothing", () =>
    target.survives(async () => {
      const beat = async (query: string): Promise<number> => {
        const answer = await fetch(`${target.url}/v1/ns/instance/beat?${query}`, { method: "PUT" });
        return ((await answer.json()) as { code: number }).code;
      };
      await fetch(`${target.url}/v1/ns/instance?serviceName=beaten&ip=10.1.1.1&port=1`, { method: "POST" });
      const seen = async (): Promise<unknown> => {
        const list = await fetch(`${target.url}/v1/ns/instance/list?serviceName=beaten`);
        return ((await list.json()) as { lastRefTime: number }).lastRefTime;
      };
      const before = await seen();
      for (let at = 0; at < 100; at++) {
        const codes = await Promise.all(
          Array.from({ length: 100 }, (_, of) =>
            beat(
              of % 2 === 0 ? "serviceName=beaten&ip=10.1.1.1&port=1" : `serviceName=none-${at}&ip=10.9.9.9&port=${of}`,
            ),
          ),
        );
        assert.deepEqual([...new Set(codes)].sort(), [10200, 20404]);
      }
      assert.equal(await seen(), before);
      const list = await fetch(`${target.url}/v1/ns/service/list?pageNo=1&pageSize=500`);
      assert.doesNotMatch(await list.text(), /none-/);
    }));

  test("of fuzzy watchers that claim to hold what does not exist stays within its bounds", () =>
    target.survives(async () => {
      const client = await RegistryClient.connect(target.grpcPort);
      client.acknowledging = false;
      const receivedGroupKeys = Array.from({ length: 100_000 }, (_, at) => `public@@a@@claimed-${at}`);
      for (let at = 0; at < 20; at++) {
        const answer = await client.call("NamingFuzzyWatchRequest", {
          ...service(""),
          groupKeyPattern: "public>>a>>claimed-*",
          receivedGroupKeys,
          watchType: "WATCH",
          initializing: at % 2 === 0,
        });
        assert.ok(answer.body.resultCode === 200 || answer.body.errorCode === 503, answer.text);
      }
      // What is not acknowledged is told again with time: the same message under another id counts once.
      const sent = client.pushes.filter(({ type }) => type === "NamingFuzzyWatchSyncRequest");
      const distinct = new Set(sent.map(({ body }) => JSON.stringify({ ...body, requestId: undefined })));
      // Fifty for a round; rounds that initialize and rounds that compare are told in messages of their own.
      assert.ok(distinct.size <= 2 * 50, `two million claims were answered with ${distinct.size} messages`);
      client.close();
    }));
});
