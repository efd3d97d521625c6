import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import type { AddressEvent } from "./forwarding.ts";
import { pair } from "./links/links.fixture.ts";
import { askingPeers, everyPage, served } from "./peer-calls.ts";

const beat: AddressEvent = {
  type: "beat",
  service: { namespace: "public", group: "DEFAULT_GROUP", name: "orders" },
  caller: { ip: "10.0.0.9", app: "", agent: "" },
  ip: "10.1.1.1",
  port: 8080,
  instance: undefined,
};

describe("questions that members ask each other", () => {
  test("are read on both sides", async (t) => {
    const asked: unknown[] = [];
    const calls = served({
      "naming.write": (write, from) => {
        asked.push(from, write);
        return { beat: { known: true, intervalMs: 5_000 } };
      },
    });
    const [a] = await pair(t, {}, { calls });
    const peers = askingPeers(
      (_, name, payload, timeoutMs) => a.links.call(1, name, payload, timeoutMs),
      () => ["b"],
    );
    assert.deepEqual(await peers.ask("b", "naming.write", beat, 1_000), { beat: { known: true, intervalMs: 5_000 } });
    assert.deepEqual(asked, ["peer", beat]);
    await assert.rejects(a.links.call(1, "naming.write", { type: "drop" }, 1_000), { failure: "invalidParameter" });
  });

  test("with an answer of another shape fail as a fault of the server, not of the one who asks", async () => {
    const peers = askingPeers(
      async () => ({ beat: "often" }),
      () => [],
    );
    await assert.rejects(peers.ask("b", "naming.write", beat, 1_000), {
      failure: "serverError",
      message: "member b answered call 'naming.write' in another shape",
    });
  });

  test("that go to all bring what each said, or why it did not", async () => {
    const why = new RegistryError("peerUnreachable", "no link");
    const peers = askingPeers(
      async (to) => (to === "c" ? Promise.reject(why) : { address: "10.0.0.2:8848", connections: { all: 3, sdk: 2 } }),
      () => ["b", "c"],
    );
    const load = { address: "10.0.0.2:8848", ready: false, connections: { all: 3, sdk: 2 }, load: 0, cpu: 0 };
    assert.deepEqual(await peers.askAll("loader.load", null, 1_000), [
      { memberId: "b", answer: load, failure: undefined },
      { memberId: "c", answer: undefined, failure: why },
    ]);
  });

  test("that nobody here answers are refused by name", async (t) => {
    const [a] = await pair(t, {}, { calls: served({}) });
    await assert.rejects(a.links.call(1, "naming.write", beat, 1_000), { failure: "noHandler" });
  });
});

describe("a long answer", () => {
  const pages = [["a", "b"], ["c"], ["d"]];
  const ask = async (from: string | undefined) => {
    const at = Number(from ?? 0);
    return { items: pages[at] ?? [], next: at + 1 < pages.length ? String(at + 1) : undefined };
  };

  test("comes in pages, up to a bound", async () => {
    assert.deepEqual(await everyPage(ask, 100), { items: ["a", "b", "c", "d"], complete: true });
    assert.deepEqual(await everyPage(ask, 3), { items: ["a", "b", "c"], complete: false });
  });

  test("is given up when it does not get on", async () => {
    assert.deepEqual(await everyPage(async () => ({ items: ["a"], next: "1" }), 100), {
      items: ["a", "a"],
      complete: false,
    });
  });
});
