import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { connectGrpc, type GrpcConnection } from "@nacre/grpc";
import { newAuthority } from "@nacre/testkit/certificates";
import { type Attacks, ids, MEBIBYTE, provoke } from "./lib/engine/attack.ts";
import { connectionsMax, killed, SLOW, silent, storm, TLS } from "./lib/engine/connections.ts";
import { Engine } from "./lib/engine/engine.ts";

/** Strangers who play with TCP and TLS, and what calls and connections leave behind. */

function each(attacks: Attacks, engine: () => Engine): void {
  for (const [what, attack] of Object.entries(attacks)) {
    test(what, (t) => engine().survives(t, () => provoke(attack, engine())));
  }
}

describe("a connection", () => {
  let engine: Engine;
  before(async () => {
    engine = await Engine.start({ firstCallMs: 700 });
  });
  after(() => engine?.stop());
  each(SLOW, () => engine);
});

describe("TLS: a flood", () => {
  let engine: Engine;
  before(async () => {
    const authority = newAuthority();
    engine = await Engine.start({ tls: authority.issue("server"), firstCallMs: 2000 }, authority.cert);
  });
  after(() => engine?.stop());
  each(TLS, () => engine);
});

describe("a server", () => {
  let engine: Engine;
  before(async () => {
    engine = await Engine.start();
  });
  after(() => engine?.stop());

  test("serves others beside ten thousand connections that say nothing", (t) =>
    engine.survives(t, async () => {
      const count = connectionsMax(10_000);
      const all = await silent(engine, count);
      await engine.reaches("all connections", ({ connections }) => connections === count + 1);
      for (const connection of all) connection.destroy();
    }));

  test("serves others while clients are killed in the middle of their calls", (t) =>
    engine.survives(t, () => killed(engine, 3)));

  const leavesNothing = (t: TestContext, run: () => Promise<unknown>): Promise<void> =>
    engine.survives(t, run, { leftMaxBytes: 4 * MEBIBYTE });

  const connected = (): Promise<GrpcConnection> => connectGrpc({ host: "127.0.0.1", port: engine.port });

  test("keeps nothing of ten thousand connections that came and went", (t) =>
    leavesNothing(t, () => storm(engine, 10_000)));

  test("keeps nothing of a hundred thousand calls", (t) =>
    leavesNothing(t, async () => {
      const client = await connected();
      for (let at = 0; at < 100; at++) {
        await Promise.all(ids(1000).map((id) => client.unary("/t.T/Echo", Buffer.from(`call ${at} ${id}`))));
      }
      client.destroy();
    }));

  test("keeps nothing of ten thousand calls that were cancelled", (t) =>
    leavesNothing(t, async () => {
      const { cancelled } = await engine.state();
      for (let at = 0; at < 20; at++) {
        const client = await connected();
        const calls = ids(500).map(() => client.call("/t.T/Hold", { message() {}, closed() {} }));
        await engine.reaches("500 calls", ({ held }) => held === 500);
        for (const call of calls) call.cancel();
        await engine.reaches("no calls", ({ held }) => held === 0);
        client.destroy();
      }
      assert.equal((await engine.state()).cancelled - cancelled, 10_000);
    }));
});
