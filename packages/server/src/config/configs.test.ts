import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { betaTarget, type GrayTarget, tagTarget } from "@nacre/core/config";
import { type FailureName, RegistryError } from "@nacre/protocol";
import { NO_PEERS } from "../cluster/peer-calls.ts";
import type { ConfigStore } from "../storage/config-store.ts";
import { turn } from "../storage/turn.ts";
import type { ConfigsSetup } from "./configs.ts";
import { BY, Member, named } from "./member.fixture.ts";
import { contentOf } from "./sealing.ts";
import type { ImportItem } from "./service.ts";

const DAY_MS = 86_400_000;
const md5 = (text: string) => contentOf(text).md5;
const failsAs = (failure: FailureName) => (thrown: unknown) =>
  thrown instanceof RegistryError && thrown.failure === failure;

const members: Member[] = [];
async function open(
  some?: Partial<ConfigsSetup>,
  over?: (store: ConfigStore) => Partial<ConfigStore>,
): Promise<Member> {
  const member = await Member.open(some, undefined, over);
  members.push(member);
  return member;
}
afterEach(async () => {
  for (const member of members.splice(0)) await member.close();
});

describe("a read", () => {
  test("fits its md5 whatever is written meanwhile, with room in memory and without (G2)", async () => {
    for (const contentCacheBytes of [1, 1024 * 1024]) {
      const member = await open({ contentCacheBytes });
      await member.publish("a", "0");
      const writes = (async () => {
        for (let at = 1; at <= 100; at++) await member.publish("a", String(at));
      })();
      let writing = true;
      void writes.then(() => {
        writing = false;
      });
      let last = 0;
      while (writing) {
        const read = await member.configs.read(named("a"), { labels: {} });
        assert.ok(read.found);
        assert.equal(md5(read.content), read.version.md5);
        assert.ok(Number(read.content) >= last, "versions are read in their order");
        last = Number(read.content);
        await turn();
      }
      assert.equal(await member.text("a"), "100");
    }
  });

  test("that found a newer version when the store had answered asks again (G2)", async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const member = await open({ contentCacheBytes: 1 }, (store) => ({
      content: async (name) => {
        const text = await store.content(name);
        ask();
        await released;
        return text;
      },
    }));
    await member.publish("a", "old");
    const reading = member.configs.read(named("a"), { labels: {} });
    await asked;
    await member.publish("a", "new");
    release();
    const read = await reading;
    assert.ok(read.found);
    assert.deepEqual([read.content, read.version.md5], ["new", md5("new")]);
  });

  test("encodes one version once for all its readers", async () => {
    const member = await open();
    await member.publish("a", "text");
    let encodings = 0;
    for (let reader = 0; reader < 1000; reader++) {
      const found = await member.configs.find(named("a"), { labels: {} });
      assert.ok(found.version);
      member.configs.reader.encoded(found, () => {
        encodings++;
        return new Uint8Array(4);
      });
    }
    assert.equal(encodings, 1);
  });

  test("says whether only the version of a tag is missing", async () => {
    const member = await open();
    await member.publish("a", "formal");
    const missing = (dataId: string) => member.configs.read(named(dataId), { labels: {}, tag: "blue" });
    assert.deepEqual(await missing("a"), { found: false, tagMissing: true });
    assert.deepEqual(await missing("b"), { found: false, tagMissing: false });
  });
});

describe("a publish", () => {
  test("that is to be validated is refused with what is wrong, and writes nothing", async () => {
    const member = await open();
    const publish = { name: named("a"), content: "{", fields: { type: "json" }, terms: {}, by: BY } as const;
    await assert.rejects(member.configs.publish({ ...publish, validate: true }), /json: line 1, column 2/);
    assert.equal(await member.text("a"), undefined);
    await member.configs.publish(publish);
    assert.equal(await member.text("a"), "{");
  });

  test("is decided in the order of the log: of two with one expected md5, one is told that it lost (G3)", async () => {
    const member = await open();
    await member.publish("a", "0");
    const attempts = ["1", "2"].map((content) =>
      member.configs.publish({
        name: named("a"),
        content,
        fields: {},
        terms: { expectedMd5: md5("0") },
        by: BY,
      }),
    );
    const [first, second] = await Promise.allSettled(attempts);
    assert.equal(first?.status, "fulfilled");
    assert.ok(second?.status === "rejected" && failsAs("configConflict")(second.reason));
    assert.equal(await member.text("a"), "1");
  });
});

describe("a data id that asks for a cipher", () => {
  const rot = {
    algorithm: "rot",
    encrypt: (text: string) => ({ content: [...text].reverse().join(""), encryptedDataKey: "key" }),
    decrypt: (text: string) => [...text].reverse().join(""),
  };

  test("is encrypted unless its key came with it, and read as it is stored", async () => {
    const member = await open({ ciphers: [rot] });
    await member.publish("cipher-rot-a", "abc");
    await member.publish("cipher-rot-b", "abc", { key: "of the client" });
    await member.publish("cipher-other-c", "abc");
    assert.deepEqual(
      await Promise.all(["cipher-rot-a", "cipher-rot-b", "cipher-other-c"].map((id) => member.text(id))),
      ["cba", "abc", "abc"],
    );
    const read = await member.configs.read(named("cipher-rot-a"), { labels: {} });
    assert.ok(read.found);
    assert.deepEqual([read.version.md5, read.version.encryptedDataKey], [md5("cba"), "key"]);
    assert.equal(await member.configs.decrypted(named("cipher-rot-a"), read.content, "key"), "abc");
  });

  test("is encrypted by an import, and not encrypted again by a rollback", async () => {
    const member = await open({ ciphers: [rot] });
    await member.import([{ name: named("cipher-rot-a"), content: "abc", fields: {} }]);
    await member.publish("cipher-rot-a", "def");
    const [newest] = await member.history("cipher-rot-a");
    assert.ok(newest);
    await member.configs.rollback(newest.nid, BY);
    assert.equal(await member.text("cipher-rot-a"), "cba");
  });
});

describe("a rollback", () => {
  test("makes the state before a change true again, with type and description, and has a row of its own (G9)", async () => {
    const member = await open();
    await member.publish("a", "{}", { fields: { type: "json", description: "first" } });
    await member.publish("a", "a: 1", { fields: { type: "yaml", description: "second" } });
    const [update, insert] = await member.history("a");
    assert.ok(update && insert);
    assert.equal(await member.configs.rollback(update.nid, BY), "published");
    const stored = await member.configs.store.config(named("a"));
    assert.deepEqual([stored?.content, stored?.fields.type, stored?.fields.description], ["{}", "json", "first"]);
    assert.equal((await member.history("a")).length, 3);

    assert.equal(await member.configs.rollback(insert.nid, BY), "removed");
    assert.equal(await member.text("a"), undefined);
    const [removal] = await member.history("a");
    assert.ok(removal);
    assert.equal(await member.configs.rollback(removal.nid, BY), "published");
    assert.equal(await member.text("a"), "{}");
  });

  test("of a gray version leaves the formal one alone", async () => {
    const member = await open();
    await member.publish("a", "formal");
    await member.publish("a", "beta 1", { gray: betaTarget("10.0.0.1") });
    await member.publish("a", "beta 2", { gray: betaTarget("10.0.0.2") });
    const [update] = await member.history("a");
    assert.ok(update);
    await member.configs.rollback(update.nid, BY);
    assert.equal(await member.text("a", { ClientIp: "10.0.0.1" }), "beta 1");
    assert.equal(await member.text("a", { ClientIp: "10.0.0.2" }), "formal");
  });

  test("of a gray version undoes what made it, and brings back what was removed, with its rule", async () => {
    const member = await open();
    await member.publish("a", "formal");
    await member.publish("a", "gray", { gray: tagTarget("blue") });
    const [insert] = await member.history("a");
    assert.ok(insert);
    assert.equal(await member.configs.rollback(insert.nid, BY), "removed");
    const blue = { "Vipserver-Tag": "blue" };
    assert.equal(await member.text("a", blue), "formal");
    const [removal] = await member.history("a");
    assert.ok(removal);
    await member.configs.remove(named("a"), BY);
    assert.equal(await member.configs.rollback(removal.nid, BY), "published");
    assert.equal(await member.text("a", blue), "gray");
    assert.equal(await member.text("a"), undefined, "the formal version stays removed");
    assert.deepEqual(
      (await member.history("a")).map(({ op, gray }) => `${op} ${gray ?? ""}`),
      ["I tag_blue", "D ", "D tag_blue", "I tag_blue", "I "],
    );
  });

  test("is refused when something else is there than its caller saw, and for an entry that is not there", async () => {
    const member = await open();
    await member.publish("a", "1");
    await member.publish("a", "2");
    const [update] = await member.history("a");
    assert.ok(update);
    await assert.rejects(member.configs.rollback(update.nid, BY, md5("1")), failsAs("configConflict"));
    await assert.rejects(member.configs.rollback(1, BY), failsAs("notFound"));
    assert.equal(await member.text("a"), "2");
  });
});

describe("an import", () => {
  const items = (count: number): ImportItem[] =>
    Array.from({ length: count }, (_, at) => ({ name: named(`i${at}`), content: `text ${at}`, fields: {} }));

  test("of more than one batch becomes visible at once, each with its content", async () => {
    const member = await open();
    assert.deepEqual(await member.import(items(600)), { succeeded: 600, failed: [], skipped: [] });
    assert.deepEqual([await member.text("i0"), await member.text("i599")], ["text 0", "text 599"]);
    assert.equal(member.configs.state.staged.size, 0);
  });

  test("of nothing does nothing", async () => {
    assert.deepEqual(await (await open()).import([]), { succeeded: 0, failed: [], skipped: [] });
  });

  test("that fails on its way leaves nothing behind, neither visible nor staged (G7)", async () => {
    const member = await open();
    async function* breaking() {
      yield* items(300);
      throw new Error("the archive ends here");
    }
    await assert.rejects(member.import(breaking()), /the archive ends here/);
    assert.equal(member.configs.state.staged.size, 0);
    assert.equal(await member.text("i0"), undefined);
  });

  test("with something that may not be stored names it, and leaves nothing behind", async () => {
    const member = await open();
    const bad = { name: named("not this one"), content: "x", fields: {} };
    await assert.rejects(member.import([...items(300), bad]), /'not this one' in group 'g'/);
    assert.deepEqual([member.configs.state.staged.size, member.configs.state.counts.total], [0, 0]);
  });

  test("that its process did not commit is dropped at the next start", async () => {
    const directory = await mkdtemp(join(tmpdir(), "nacre-configs-"));
    try {
      const dying = await Member.open({}, directory);
      const content = contentOf("x");
      const staged = [{ name: named("a"), content, fields: {} }];
      await dying.configs.propose({ type: "stageConfigs", importId: "m/i", items: staged }, "done");
      await dying.publish("b", "kept");
      await dying.close();

      const next = await Member.open({}, directory);
      assert.equal(await next.text("b"), "kept");
      // Behind the entry that drops them, because the log is in order.
      await next.publish("c", "x");
      assert.equal(next.configs.state.staged.size, 0);
      await next.close();
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

test("configurations are removed by their ids, in batches, and unknown ids are left out", async () => {
  const member = await open();
  const ids: number[] = [];
  for (let at = 0; at < 40; at++) ids.push((await member.publish(`a${at}`, "x")).id);
  const removed = await member.configs.removeByIds([...ids, 12345], BY);
  assert.deepEqual([removed.length, member.configs.state.counts.total], [40, 0]);
});

test("a configuration that is made anew while it is looked up by its id is not removed", async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: looked, resolve: look } = Promise.withResolvers<void>();
  const member = await open({}, (store) => ({
    byIds: async (ids) => {
      const found = await store.byIds(ids);
      look();
      await released;
      return found;
    },
  }));
  const { id } = await member.publish("a", "old");
  const removal = member.configs.removeByIds([id], BY);
  await looked;
  await member.configs.remove(named("a"), BY);
  await member.publish("a", "new");
  release();
  assert.deepEqual(await removal, []);
  assert.equal(await member.text("a"), "new");
});

describe("a dry run", () => {
  test("counts who would get another content, and changes nothing", async () => {
    const member = await open();
    await member.publish("a", "formal");
    const listen = (clientId: string, labels: Record<string, string>) =>
      member.configs.listen({
        clientId,
        labels,
        contexts: [{ name: named("a"), form: "given", md5: md5("formal") }],
      });
    listen("one", { ClientIp: "10.0.0.1" });
    listen("two", { ClientIp: "10.0.0.2" });
    const gone = new AbortController();
    const poll = member.configs.poll(
      {
        ip: "10.0.0.3",
        labels: { ClientIp: "10.0.0.3" },
        contexts: [{ name: named("a"), form: "given", md5: md5("formal") }],
        holdMs: 30_000,
      },
      gone.signal,
    );
    const dryRun = (content: string, gray?: GrayTarget) =>
      member.configs.dryRun(
        {
          name: named("a"),
          content,
          fields: {},
          ...(gray === undefined ? {} : { gray }),
          terms: {},
          by: BY,
        },
        NO_PEERS,
      );
    assert.deepEqual(await dryRun("new"), {
      valid: true,
      problem: undefined,
      changes: true,
      listeners: 3,
      byVersion: { unknown: 2, HTTP: 1 },
      unanswered: [],
    });
    assert.equal((await dryRun("new", betaTarget("10.0.0.2"))).listeners, 1);
    assert.equal((await dryRun("new", tagTarget("blue"))).listeners, 0);
    const same = await dryRun("formal");
    assert.deepEqual([same.changes, same.listeners], [false, 0]);
    const broken = await dryRun("{");
    assert.deepEqual([broken.valid, broken.problem], [false, "text: line 1, column 2: it ends too early"]);
    assert.equal(await member.text("a"), "formal");
    gone.abort();
    assert.deepEqual(await poll, []);
    assert.equal(member.configs.state.polls.size, 0);
  });
});

test("a page of history is whole, ordered and without repetitions while history is cleaned and written", async () => {
  const member = await open({ retentionDays: 1 });
  for (let at = 0; at < 1200; at++) await member.publish("a", String(at));
  member.clock.advance(DAY_MS + 1);
  let cleaning = true;
  const cleaned = (async () => {
    await member.configs.propose({ type: "pruneHistory", before: member.clock.wall() - DAY_MS }, "done");
    await member.publish("a", "last");
    cleaning = false;
  })();
  for (let pages = 0; cleaning || pages < 3; pages++) {
    const page = { page: 1 + (pages % 3), size: 400 };
    const { total, items } = await member.configs.store.history({ name: named("a") }, page);
    assert.ok(items.length <= total);
    const nids = items.map(({ nid }) => nid);
    assert.deepEqual(
      nids,
      [...new Set(nids)].sort((a, b) => b - a),
    );
    for (const { content } of items) assert.match(content, /^\d+$/);
  }
  await cleaned;
  assert.equal((await member.configs.store.history({ name: named("a") }, { page: 1, size: 1 })).total, 201);
});

test("history goes once it is older than it may get, ten minutes after at the latest", async () => {
  const member = await open({ retentionDays: 1 });
  await member.publish("a", "1");
  await member.publish("a", "2");
  member.clock.advance(DAY_MS - 60_000);
  await member.publish("a", "3");
  assert.equal((await member.history("a")).length, 3);
  member.clock.advance(600_000);
  while ((await member.history("a")).length > 1) await turn();
  assert.equal(await member.text("a"), "3");
});

describe("a namespace", () => {
  test("is removed only when it holds nothing, or with what it holds when told so (G10)", async () => {
    let services = 2;
    const member = await open({ services: { count: () => services, remove: async () => {} } });
    const { configs } = member;
    assert.equal(await configs.createNamespace("team-a", "Team A", ""), "team-a");
    await assert.rejects(configs.deleteNamespace("team-a", BY, false), /holds 2 services/);
    services = 0;
    const publish = { content: "x", fields: {}, terms: {}, by: BY };
    await configs.publish({ ...publish, name: named("a", "team-a") });
    await configs.publish({ ...publish, name: named("b", "team-a"), gray: betaTarget("10.0.0.1") });
    await assert.rejects(configs.deleteNamespace("team-a", BY, false), failsAs("namespaceNotEmpty"));
    await configs.deleteNamespace("team-a", BY, true);
    assert.deepEqual(
      configs.namespaces().map(({ id }) => id),
      ["public"],
    );
    assert.equal(configs.state.items.size, 0);
  });

  test("that may not be removed keeps what it holds, also when it is told to remove that first", async () => {
    const removed: string[] = [];
    const services = { count: () => 1, remove: async (namespace: string) => void removed.push(namespace) };
    const { configs } = await open({ services });
    const publish = { content: "x", fields: {}, terms: {}, by: BY };
    for (const [id, failure] of [
      ["public", "namespaceIllegal"],
      // Used by whoever names it, and made by nobody.
      ["used", "namespaceNotFound"],
    ] as const) {
      await configs.publish({ ...publish, name: named("a", id) });
      await configs.publish({ ...publish, name: named("a", id), gray: betaTarget("10.0.0.1") });
      await assert.rejects(configs.deleteNamespace(id, BY, true), failsAs(failure));
      const read = await configs.read(named("a", id), { labels: { ClientIp: "10.0.0.1" } });
      assert.ok(read.found && read.gray !== undefined, id);
    }
    assert.equal(configs.state.counts.total, 2);
    assert.deepEqual(removed, []);
  });

  test("without an id gets one", async () => {
    const { configs } = await open();
    const id = await configs.createNamespace(undefined, "Team A", "");
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.deepEqual(configs.namespaces().find((namespace) => namespace.id === id)?.name, "Team A");
  });
});
