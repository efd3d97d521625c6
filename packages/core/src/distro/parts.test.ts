import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ChangedClients } from "./changed-clients.ts";
import { FrameReader, frames } from "./codec.ts";
import { CONTENTS, head, newMember, removal, sync, version } from "./distro.fixture.ts";
import { fill } from "./fill.ts";
import type { Message, Outgoing } from "./messages.ts";
import type { Base, Change } from "./model.ts";

const [orders, stock, users] = ["orders", "stock", "users"].map((name) => ({ namespace: "public", group: "g", name }));
assert.ok(orders && stock && users);

/** Member `a` with the peer `b`, and what it sent last. */
function owner() {
  const a = newMember({ digestMs: 1e9 }).ready("b");
  let now = 0;
  const sent: Outgoing[] = [];
  return {
    a,
    changed(counter: number, services?: readonly (typeof orders & object)[], id = "x"): void {
      now += 30;
      const kind = id.includes("#") ? "address" : "connection";
      const event = { type: "changed", clientId: id, kind, counter, contentHash: 10 * counter, services } as const;
      for (const effect of a.effects(now, event)) if (effect.type === "send") sent.push(effect.message);
    },
    tell(message: Message): void {
      now += 1;
      for (const effect of a.effects(now, { type: "received", from: "b", message }))
        if (effect.type === "send") sent.push(effect.message);
    },
    tick(ms: number): void {
      now += ms;
      for (const effect of a.effects(now, { type: "tick" })) if (effect.type === "send") sent.push(effect.message);
    },
    removed(): void {
      now += 30;
      a.at(now, { type: "removed", clientId: "x", cause: "asked" });
    },
    ack(): void {
      this.tell({ type: "ack", seq: a.state.seq });
    },
    credit(batches: number): void {
      for (const effect of a.effects(now, { type: "credit", peer: "b", batches }))
        if (effect.type === "send") sent.push(effect.message);
    },
    /** What went out since the last call: of each client its counter, and of a part its base and services. */
    said(): string[] {
      const told = sent.splice(0).flatMap((message) => (message.type === "sync" ? message.changes : []));
      return told.map(({ id, version: { counter }, part }) => {
        const names = part?.services.map(({ name }) => name).join("+");
        return part === undefined ? `${id} ${counter}` : `${id} ${counter}: ${names} on ${part.base.counter}`;
      });
    },
  };
}

describe("a change of some services of an own client (D16)", () => {
  test("goes as a part, on the version before it, whether that is acknowledged or in flight", () => {
    const one = owner();
    one.changed(1);
    assert.deepEqual(one.said(), ["x 1"]);
    one.changed(2, [orders]);
    assert.deepEqual(one.said(), ["x 2: orders on 1"]);
    one.ack();
    one.changed(3, [stock]);
    assert.deepEqual(one.said(), ["x 3: stock on 2"]);
  });

  test("is collected while it waits, on the version before the first of them", () => {
    const one = owner();
    one.changed(1);
    one.credit(0);
    one.changed(2, [orders]);
    one.changed(3, [stock]);
    one.changed(4, [orders]);
    one.said();
    one.credit(9);
    assert.deepEqual(one.said(), ["x 4: orders+stock on 1"]);
  });

  test("goes with all of it when something else has changed too, or very much has", () => {
    const one = owner();
    one.changed(1);
    one.changed(1, undefined, "y");
    one.credit(0);
    one.changed(2, [orders]);
    one.changed(3);
    one.changed(4, [stock]);
    const many = Array.from({ length: 1_001 }, (_, at) => ({ ...orders, name: `s${at}` }));
    one.changed(2, many, "y");
    one.said();
    one.credit(9);
    assert.deepEqual(one.said(), ["x 4", "y 2"]);
  });

  test("goes as a whole when it is tried again, and when it is asked for", () => {
    const one = owner();
    one.changed(1);
    one.ack();
    one.changed(2, [orders]);
    assert.deepEqual(one.said(), ["x 1", "x 2: orders on 1"]);
    one.tick(200);
    assert.deepEqual(one.said(), ["x 2"]);
    one.ack();
    one.tell({ type: "fetch", ids: ["x"] });
    one.tick(10);
    assert.deepEqual(one.said(), ["x 2"]);
  });

  test("goes as a whole behind a removal, and when it was another member's before", () => {
    const one = owner();
    one.changed(1);
    one.ack();
    one.removed();
    one.changed(3, [orders]);
    one.tell(sync([head("y#true", version("b", 7))]));
    one.changed(8, [orders], "y#true");
    assert.deepEqual(one.said(), ["x 1", "x 3", "y#true 8"]);
  });

  test("is not tried again while the link takes nothing, however long a huge client is on its way", () => {
    const one = owner();
    one.changed(1);
    one.credit(0);
    one.said();
    one.tick(10_000);
    assert.deepEqual(one.said(), []);
    one.ack();
    one.credit(9);
    assert.deepEqual(one.said(), []);
  });
});

function part(id: string, counter: number, base: Base, of = "b", incarnation = 1): Change {
  return { ...head(id, version(of, counter, incarnation)), contentHash: 10 * counter, contents: CONTENTS, base };
}
function whole(id: string, counter: number): Change {
  return { ...head(id, version("b", counter)), contentHash: 10 * counter, contents: CONTENTS };
}

describe("a part that a peer sends (D16)", () => {
  const holding = () => {
    const a = newMember().ready("b", "c");
    a.tell(1, "b", { type: "sync", seq: 0, changes: [whole("x", 5)], removals: [] });
    return a;
  };
  const told = (change: Change, from = "b"): string[] =>
    holding().tell(2, from, { type: "sync", seq: 7, changes: [change], removals: [] });

  test("is taken on exactly what it builds on", () => {
    const a = holding();
    const message: Message = {
      type: "sync",
      seq: 7,
      changes: [part("x", 6, { counter: 5, contentHash: 50 })],
      removals: [],
    };
    const effects = a.effects(2, { type: "received", from: "b", message });
    assert.deepEqual(
      effects.map((effect) => (effect.type === "apply" ? [effect.version.counter, effect.base?.counter] : effect.type)),
      [[6, 5], "send"],
    );
    assert.deepEqual(a.tell(3, "b", message), ["ack to b"], "twice");
  });

  for (const [what, change] of [
    ["an older version", part("x", 6, { counter: 4, contentHash: 40 })],
    ["an older version of equal contents", part("x", 6, { counter: 4, contentHash: 50 })],
    ["a newer version", part("x", 8, { counter: 7, contentHash: 70 })],
    ["other contents of the version", part("x", 6, { counter: 5, contentHash: 51 })],
    ["another life of its owner", part("x", 6, { counter: 5, contentHash: 50 }, "b", 2)],
    ["a client that is not here", part("y", 6, { counter: 5, contentHash: 50 })],
  ] as const)
    test(`is fetched as a whole, before it is acknowledged, when it builds on ${what}`, () => {
      assert.deepEqual(told(change), [`fetch ${change.id} to b`, "ack to b"]);
    });

  test("is nothing when something newer is here", () => {
    const a = holding();
    a.tell(2, "b", { type: "sync", seq: 0, changes: [], removals: [removal("x", version("b", 9))] });
    const message: Message = {
      type: "sync",
      seq: 7,
      changes: [part("x", 6, { counter: 5, contentHash: 50 })],
      removals: [],
    };
    assert.deepEqual(a.tell(3, "b", message), ["ack to b"]);
  });

  test("is fetched as a whole when naming finds that it did not lead to what its owner has", () => {
    const a = holding();
    a.tell(2, "b", { type: "sync", seq: 0, changes: [part("x", 6, { counter: 5, contentHash: 50 })], removals: [] });
    assert.deepEqual(a.at(3, { type: "applied", clientId: "x", contentHash: 61, part: true }), ["fetch x to b"]);
    assert.deepEqual(a.tell(4, "b", { type: "sync", seq: 0, changes: [whole("x", 6)], removals: [] }), [
      "apply x b/1/6",
    ]);
    assert.deepEqual(a.at(5, { type: "applied", clientId: "x", contentHash: 62 }), [], "a bound keeps it out");
  });

  test("leaves a load waiting for the whole that it asked for", () => {
    const a = newMember();
    a.at(0, { type: "start", journal: [] });
    a.peer(0, "b", "up");
    a.at(0, { type: "credit", peer: "b", batches: 9 });
    a.at(0, { type: "membersKnown" });
    a.tell(0, "b", { type: "loadOffer", loaded: true, clients: 1 });
    a.tell(0, "b", {
      type: "loadChunk",
      cursor: { bucket: 0, after: "" },
      changes: [],
      removals: [],
      next: { bucket: 9, after: "" },
    });
    a.peer(1, "c", "up");
    a.tell(1, "c", { type: "loadOffer", loaded: true, clients: 1 });
    a.tell(2, "b", { type: "loadChunk", cursor: { bucket: 9, after: "" }, changes: [], removals: [], next: undefined });
    a.tell(3, "c", { type: "digest", loaded: true, owners: [{ owner: "c", count: 1, hash: 1 }] });
    a.tell(4, "c", { type: "listing", owner: "c", buckets: [0], heads: [head("y", version("c", 5))], next: undefined });
    const late = {
      type: "sync",
      seq: 0,
      changes: [part("y", 6, { counter: 5, contentHash: 50 }, "c")],
      removals: [],
    } as const;
    assert.deepEqual(a.tell(5, "c", late), ["fetch y to c"]);
    assert.equal(a.state.readyHow, undefined);
    a.tell(6, "c", sync([head("y", version("c", 6))]));
    assert.equal(a.state.readyHow, "loaded");
  });
});

describe("a part in a message", () => {
  const outgoing: Outgoing = {
    type: "sync",
    seq: 1,
    changes: [{ ...head("x", version("a", 6)), part: { base: { counter: 5, contentHash: 50 }, services: [orders] } }],
    removals: [],
  };
  const publications = [{ service: orders, instances: [] }];

  test("is filled with what its services are now, and comes as it went", () => {
    const asked: unknown[] = [];
    const [message = assert.fail()] = fill(outgoing, (id, services) => {
      asked.push([id, services]);
      return { ...CONTENTS, publications };
    });
    assert.deepEqual(asked, [["x", [orders]]]);
    const [change] = message.type === "sync" ? message.changes : [];
    assert.deepEqual([change?.base, change?.contents.publications], [{ counter: 5, contentHash: 50 }, publications]);
    const reader = new FrameReader();
    assert.deepEqual(
      frames(message, 64)
        .map((frame) => reader.push(frame))
        .at(-1),
      message,
    );
  });
});

describe("clients that wait", () => {
  test("are bounded in services over all of them: beyond, those that come are wholes", () => {
    const all = new ChangedClients<number>();
    const services = (from: number) =>
      Array.from({ length: 60_000 }, (_, at) => ({ ...orders, name: `s${from + at}` }));
    all.add("x", services(0), 1);
    all.add("y", services(0), 1);
    assert.equal(all.take("y")?.services, undefined);
    assert.equal(all.take("x")?.services?.size, 60_000);
    all.add("z", services(0), 1);
    all.add("z", [users], 2);
    assert.deepEqual([all.get("z")?.base, all.take("z")?.services?.size], [1, 60_001]);
    assert.deepEqual([all.size, all.take("z")], [0, undefined]);
  });
});
