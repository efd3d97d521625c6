import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connectGrpc } from "@nacre/grpc";
import { message } from "../../packages/grpc/src/http2/wire.fixture.ts";
import { MEBIBYTE, provoke } from "./lib/engine/attack.ts";
import { watchers } from "./lib/engine/connections.ts";
import { Engine } from "./lib/engine/engine.ts";
import { openHeads } from "./lib/engine/headers.ts";
import { begin, ends, hoard, STALLS, unread } from "./lib/engine/memory.ts";

/** Strangers who make the server hold what they do not take or do not finish. Limits are low, so that little is much. */

const HELD_MAX_OF_ALL = 64 * MEBIBYTE;
/** What is held, what it leaves behind for the garbage collector, and what the allocator keeps. */
const BOUNDS = { rssGrowthMaxBytes: 5 * HELD_MAX_OF_ALL };
const MOST = /^GOAWAY ENHANCE_YOUR_CALM: all connections together .*; open$/;

let engine: Engine;
before(async () => {
  const limits = { heldBytesMaxOfAll: HELD_MAX_OF_ALL, queuedBytesMax: 16 * MEBIBYTE, partialBytesMax: 16 * MEBIBYTE };
  engine = await Engine.start({ limits });
});
after(() => engine?.stop());

describe("a client", () => {
  for (const [what, attack] of Object.entries(STALLS)) {
    test(what, (t) => engine.survives(t, () => provoke(attack, engine), BOUNDS));
  }
});

describe("when all together hold too much, those go that hold the most", () => {
  test("answers that no window is opened for", (t) =>
    engine.survives(t, async () => assert.match(await hoard(engine, 20, 15, MEBIBYTE), MOST), BOUNDS));

  test("answers that TCP does not take", (t) =>
    engine.survives(
      t,
      async () => assert.match(await unread(engine, 20, 15, MEBIBYTE), /(closed|all connections together).*; open$/),
      BOUNDS,
    ));

  test("metadata of open calls", (t) =>
    engine.survives(t, async () => assert.match(await openHeads(engine, 2, 5000), /all connections together/), BOUNDS));

  test("parts of messages; a large message of somebody else passes", (t) =>
    engine.survives(
      t,
      async () => {
        const attackers = await begin(engine, 10, 14);
        const honest = await connectGrpc({ host: "127.0.0.1", port: engine.port });
        const large = Buffer.alloc(4 * MEBIBYTE - 1, "x");
        assert.ok((await honest.unary("/t.T/Echo", large)).equals(large));
        honest.destroy();
        assert.match(ends(attackers), MOST);
      },
      BOUNDS,
    ));

  test("what watchers do not read", (t) =>
    engine.survives(
      t,
      async () => {
        const answer = await watchers(engine, { count: 100, messages: 40, bytes: 100_000 });
        assert.equal(answer, "all are kept", "one message, one memory");
      },
      BOUNDS,
    ));
});

test("announced is not held: a message of 4 GiB ends its call, ten thousand of 4 MiB cost little", (t) =>
  engine.survives(t, async () => {
    const client = await connectGrpc({ host: "127.0.0.1", port: engine.port });
    await assert.rejects(client.unary("/t.T/Echo", Buffer.alloc(4 * MEBIBYTE + 1)), /larger than the/);
    client.destroy();
    const before = await engine.state();
    const attackers = await begin(engine, 1, 100, message("").subarray(0, 0));
    const { usedBytes } = await engine.settled();
    assert.ok(usedBytes - before.usedBytes < 8 * MEBIBYTE);
    assert.equal(ends(attackers), "open");
  }));
