import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ConnectionListener, Connections, Push } from "../connections/connections.ts";
import type { ConfigsSetup } from "./configs.ts";
import { BY, IN_MEMORY, Member, named } from "./member.fixture.ts";
import { contentOf } from "./sealing.ts";

const md5 = (text: string) => contentOf(text).md5;

/** Connections that hand every push to the test. */
function pushing(pushed: (push: Push, listener: ConnectionListener) => void): Pick<ConfigsSetup, "connections"> {
  let told: ConnectionListener = {};
  const connections = {
    listen: (listener: ConnectionListener) => {
      told = listener;
    },
    push: (push: Push) => pushed(push, told),
  };
  return { connections: connections as unknown as Connections };
}

describe("a notice", () => {
  for (const contentCacheBytes of [0, 1024 * 1024])
    test(`is about what can be read by then, also of an import that is still being saved, with ${contentCacheBytes} bytes of cache (G5)`, async () => {
      const reads: Promise<void>[] = [];
      let expected = "";
      let member: Member | undefined;
      const connections = pushing(({ body, to, requestId }, { pushSettled }) => {
        for (const connectionId of to) pushSettled?.({ connectionId, requestId, outcome: "acked" });
        const { dataId: told } = JSON.parse(Buffer.from(body).toString()) as { dataId: string };
        const read = async (dataId: string): Promise<void> => {
          const found = await (member as Member).configs.read(named(dataId), { labels: {} });
          assert.ok(found.found, dataId);
          assert.deepEqual([found.content, found.version.md5], [`${expected} ${dataId}`, md5(`${expected} ${dataId}`)]);
        };
        // The last of an import is saved last, and can be read as soon as anything of it is told.
        reads.push(read(told), read("a999"));
      });
      member = await Member.open({ ...connections, contentCacheBytes });
      try {
        const names = Array.from({ length: 1000 }, (_, at) => `a${at}`);
        for (const clientId of ["one", "two"])
          member.configs.listen({
            clientId,
            labels: {},
            contexts: names.map((dataId) => ({ name: named(dataId), form: "given", md5: "" })),
          });
        const items = (text: string) =>
          names.map((dataId) => ({ name: named(dataId), content: `${text} ${dataId}`, fields: {} }));
        for (expected of ["first", "second"]) {
          await member.import(items(expected), "OVERWRITE");
          member.clock.advance(1000);
          assert.ok(reads.length >= names.length, `${reads.length} were told`);
          await Promise.all(reads.splice(0));
        }
        expected = "published";
        await member.publish("a999", "published a999");
        assert.equal(reads.length, 2);
        await Promise.all(reads);
      } finally {
        await member.close();
      }
    });

  test("is not lost by a publish between a query and the listen call behind it", async () => {
    const member = await Member.open();
    try {
      for (let round = 0; round < 200; round++) {
        await member.publish("a", `${round}`);
        const read = await member.configs.read(named("a"), { labels: {}, clientId: "one" });
        assert.ok(read.found);
        // Not waited for: it is applied before the listen call, behind it, or while its content is saved.
        const publish = member.publish("a", `${round} changed`);
        for (let turns = 0; turns < round % 5; turns++) await Promise.resolve();
        if (round % 2 === 0) await publish;
        const context = { name: named("a"), form: "given", md5: read.version.md5 } as const;
        const differing = member.configs.listen({ clientId: "one", labels: {}, contexts: [context] });
        const before = member.configs.state.notifications.sent;
        await publish;
        const told = member.configs.state.notifications.sent - before;
        assert.ok(differing.length + told > 0, `round ${round}`);
        member.configs.submit({ type: "disconnected", clientId: "one" });
      }
    } finally {
      await member.close();
    }
  });
});

test("what listens, polls, watches, publishes and leaves again leaves nothing behind", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const unanswered = new Map<string, (() => void)[]>();
  let pushes = 0;
  const member = await Member.open(
    pushing(({ to, requestId }, { pushSettled }) => {
      for (const connectionId of to) {
        const settle = (outcome: "acked" | "timeout" | "gone") => pushSettled?.({ connectionId, requestId, outcome });
        // One in three never answers, which its connections know when it is gone.
        if (pushes++ % 3 > 0) settle(pushes % 2 === 0 ? "acked" : "timeout");
        else unanswered.set(connectionId, [...(unanswered.get(connectionId) ?? []), () => settle("gone")]);
      }
    }),
    IN_MEMORY,
  );
  const { configs, clock } = member;

  function leave(clientId: string): void {
    for (const settle of unanswered.get(clientId) ?? []) settle();
    unanswered.delete(clientId);
    configs.submit({ type: "disconnected", clientId });
  }

  async function cycles(count: number, from: number): Promise<number> {
    for (let at = from; at < from + count; at++) {
      const clientId = `connection ${at}`;
      const contexts = ["hot", `own-${at}`].map((dataId) => ({ name: named(dataId), form: "given", md5: "" }) as const);
      configs.listen({ clientId, labels: { ClientIp: `10.0.0.${at % 250}` }, contexts });
      configs.submit({
        type: "watch",
        clientId,
        pattern: `public>>g>>own-${at % 7}*`,
        received: [],
        initializing: true,
      });
      const gone = new AbortController();
      const polled = [{ name: named(`poll-${at}`), form: "given", md5: "" }] as const;
      void configs.poll({ ip: "10.0.0.1", labels: {}, contexts: polled, holdMs: 29_500 }, gone.signal);
      if (at % 10 === 0) await member.publish(at % 20 === 0 ? "hot" : `own-${at}`, `text ${at}`);
      if (at % 4 === 0) configs.submit({ type: "unlisten", clientId, names: [named("hot")] });
      if (at % 10 === 0) await configs.remove(named(at % 20 === 0 ? "hot" : `own-${at}`), BY);
      if (at % 5 > 0) gone.abort();
      // A few stay connected for a while.
      if (at >= 3) leave(`connection ${at - 3}`);
      if (at % 50 === 0) clock.advance(100);
    }
    for (let at = from + count - 3; at < from + count; at++) leave(`connection ${at}`);
    clock.advance(200_000);
    const { state } = configs;
    for (const held of ["items", "clients", "polls", "notices", "unnoted", "unsent", "answerable"] as const)
      assert.equal(state[held].size, 0, held);
    assert.deepEqual([state.listenerCount, state.pollLineCount, state.fuzzy.sent.size], [0, 0, 0]);
    assert.equal(state.tasks.nextAt(), undefined);
    collect();
    return process.memoryUsage().heapUsed;
  }
  try {
    await cycles(10_000, 0);
    const before = await cycles(10_000, 10_000);
    const after = await cycles(80_000, 20_000);
    assert.ok(after < before + 4 * 1024 * 1024, `the heap grew from ${before} to ${after} bytes`);
  } finally {
    await member.close();
  }
});
