import assert from "node:assert/strict";
import { appendFile, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { betaTarget, tagTarget } from "@nacre/core/config";
import { RegistryError } from "@nacre/protocol";
import { assertVersionInvariants, durable } from "@nacre/testkit/config-log";
import { Random } from "@nacre/testkit/random";
import { encodeBatch, scanSegment } from "../storage/records.ts";
import { turn } from "../storage/turn.ts";
import type { ConfigsSetup } from "./configs.ts";
import { BY, Member, named } from "./member.fixture.ts";
import { contentOf } from "./sealing.ts";
import type { Publish } from "./service.ts";

const md5 = (text: string) => contentOf(text).md5;
const CONTENDERS = 100;

/** What became of attempts that were made in one moment. */
async function outcomes(attempts: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const settled of await Promise.allSettled(attempts)) {
    const { reason } = settled as { reason?: unknown };
    const outcome = settled.status === "fulfilled" ? "done" : reason instanceof RegistryError ? reason.failure : reason;
    counts[String(outcome)] = (counts[String(outcome)] ?? 0) + 1;
  }
  return counts;
}

async function withMember(some: Partial<ConfigsSetup>, use: (member: Member) => Promise<void>): Promise<void> {
  const member = await Member.open(some);
  try {
    await use(member);
    assertVersionInvariants(member.configs.state);
  } finally {
    await member.close();
  }
}

describe("a hundred who write at the same moment (G3)", () => {
  const attempts = (member: Member, more: (at: number) => Partial<Publish>) =>
    Array.from({ length: CONTENDERS }, (_, at) =>
      member.configs.publish({
        name: named("a"),
        content: `text ${at}`,
        fields: {},
        terms: {},
        by: BY,
        ...more(at),
      }),
    );

  const cases: Record<string, (member: Member) => Partial<Publish>> = {
    "that replace the same version": () => ({ terms: { expectedMd5: md5("before") } }),
    "that replace the same gray version": () => ({
      gray: betaTarget("10.0.0.1"),
      terms: { expectedMd5: md5("beta before") },
    }),
    "that expect nothing": () => ({ name: named("new"), terms: { expectedMd5: "" } }),
    "that only insert": () => ({ name: named("new"), terms: { insertOnly: true } }),
    "that only insert a gray version": () => ({ gray: tagTarget("blue"), terms: { insertOnly: true } }),
  };
  for (const [which, more] of Object.entries(cases))
    test(`${which} have one winner, with one row of history`, () =>
      withMember({}, async (member) => {
        await member.publish("a", "before");
        await member.publish("a", "beta before", { gray: betaTarget("10.0.0.1") });
        const counts = await outcomes(attempts(member, () => more(member)));
        const lost = which.includes("insert") ? "configExists" : "configConflict";
        assert.deepEqual(counts, { done: 1, [lost]: CONTENDERS - 1 });
        const rows = [...(await member.history("a")), ...(await member.history("new"))];
        assert.equal(rows.length, 3);
      }));

  test("that remove the same version have one winner", () =>
    withMember({}, async (member) => {
      await member.publish("a", "before");
      const removals = Array.from({ length: CONTENDERS }, () =>
        member.configs.remove(named("a"), BY, undefined, md5("before")),
      );
      assert.deepEqual(await outcomes(removals), { done: 1, configConflict: CONTENDERS - 1 });
    }));

  test("fill a quota exactly, whether one by one or by imports", () =>
    withMember({ options: { enforceCapacity: true, namespaceQuota: 10 } }, async (member) => {
      const imports = Array.from({ length: 4 }, (_, which) =>
        member
          .import(
            Array.from({ length: 4 }, (_, at) => ({ name: named(`import ${which}.${at}`), content: "x", fields: {} })),
          )
          .then(
            () => "imported",
            () => "refused",
          ),
      );
      const counts = await outcomes(attempts(member, (at) => ({ name: named(`b${at}`) })));
      const imported = (await Promise.all(imports)).filter((outcome) => outcome === "imported").length;
      assert.equal(Number(counts.done) + imported * 4, member.configs.state.counts.total);
      assert.equal(member.configs.state.counts.total, 10);
      assert.equal(member.configs.state.staged.size, 0);
    }));

  test("by rolling back and publishing replace what they have seen, or lose", () =>
    withMember({}, async (member) => {
      await member.publish("a", "1");
      await member.publish("a", "2");
      const [update] = await member.history("a");
      assert.ok(update);
      const rollbacks = Array.from({ length: 10 }, () => member.configs.rollback(update.nid, BY, md5("2")));
      const publishes = attempts(member, () => ({ terms: { expectedMd5: md5("2") } }));
      const counts = await outcomes([...rollbacks, ...publishes]);
      assert.deepEqual(counts, { done: 1, configConflict: CONTENDERS + 9 });
      assert.equal((await member.history("a")).length, 3);
    }));
});

describe("what is read while everything is written (G2)", () => {
  for (const contentCacheBytes of [0, 60, 1024 * 1024])
    test(`fits its md5, and is never older than what was acknowledged, with ${contentCacheBytes} bytes of cache`, () =>
      withMember({ contentCacheBytes }, async (member) => {
        const { configs } = member;
        const random = new Random(7);
        const labels = [{}, { ClientIp: "10.0.0.1" }, { "Vipserver-Tag": "blue" }];
        const grays = [undefined, betaTarget("10.0.0.1"), tagTarget("blue")];
        const names = ["a", "b", "c"];
        let writing = 4;
        let stamp = 0;
        const write = async (): Promise<void> => {
          for (let change = 0; change < 150; change++) {
            const dataId = random.pick(names);
            const gray = random.pick(grays);
            const kind = random.next();
            stamp += 1;
            const text = `${String(stamp).padStart(6, "0")} ${"x".repeat(random.below(40))}`;
            if (kind < 0.5) {
              const { revision } = await member.publish(dataId, text, gray === undefined ? {} : { gray });
              const read = await configs.read(named(dataId), { labels: {} });
              // Not by its text: a rollback of another writer brings an older one back.
              if (gray === undefined && read.found) assert.ok(read.version.revision >= revision, "newer");
            } else if (kind < 0.7) await configs.remove(named(dataId), BY, gray?.name);
            else if (kind < 0.85)
              await member.import(
                names.map((name) => ({ name: named(name), content: text, fields: {} })),
                "OVERWRITE",
              );
            else {
              const [newest] = await member.history(dataId);
              if (newest !== undefined) await outcomes([configs.rollback(newest.nid, BY)]);
            }
          }
          writing -= 1;
        };
        const writers = Array.from({ length: writing }, write);
        let reads = 0;
        const read = async (): Promise<void> => {
          while (writing > 0) {
            const tag = random.chance(0.2) ? { tag: "blue" } : {};
            const found = await configs.read(named(random.pick(names)), { labels: random.pick(labels), ...tag });
            if (found.found) {
              assert.deepEqual([md5(found.content), found.content.length], [found.version.md5, found.version.bytes]);
              reads += 1;
            }
            if (random.chance(0.1)) await turn();
          }
        };
        await Promise.all([...writers, read(), read(), read(), read()]);
        assert.ok(reads > 1000, `${reads} reads`);
        assert.ok(configs.contents.bytes <= contentCacheBytes, `${configs.contents.bytes} bytes stay`);
        for (const name of names)
          for (const seen of labels) {
            const found = await configs.read(named(name), { labels: seen });
            if (found.found) assert.equal(md5(found.content), found.version.md5);
          }
      }));
});

describe("a state", () => {
  test("is the one that wrote it, loaded from the store, from snapshot and log, and behind a torn end (G13)", async () => {
    const directory = await mkdtemp(join(tmpdir(), "nacre-configs-"));
    const limits = { segmentBytes: 4 * 1024, snapshotLogBytes: 16 * 1024 };
    const random = new Random(11);
    let boot = 0;
    try {
      let expected: unknown;
      let history: unknown;
      for (let round = 0; round < 12; round++) {
        // From the store; then from snapshot and log, because the boot is another one.
        for (const name of ["here", `another ${++boot}`, "here"]) {
          const member = await Member.open({}, directory, undefined, { limits, boot: name });
          try {
            if (expected !== undefined) assert.deepEqual(durable(member.configs.state), expected, `round ${round}`);
            if (history !== undefined) assert.deepEqual(await member.history("a"), history, `round ${round}`);
          } finally {
            await member.close();
          }
        }
        const member = await Member.open({}, directory, undefined, { limits, boot: "here" });
        const { configs } = member;
        const stageOnly = { type: "stageConfigs", importId: "left" } as const;
        for (let change = 0; change < 60; change++) {
          const dataId = random.pick(["a", "b", "\u{1f9ea}\u0000", "d"]);
          const gray = random.pick([undefined, betaTarget("10.0.0.1"), tagTarget("blue")]);
          const text = `${round}.${change} \u0000 \u{1f9ea} ${"y".repeat(random.below(500))}`;
          const kind = random.next();
          const attempt =
            kind < 0.5
              ? member.publish(dataId, text, {
                  ...(gray && { gray }),
                  fields: random.chance(0.5) ? { type: random.pick(["json", "yaml"]), tags: ["t", "u"] } : {},
                })
              : kind < 0.7
                ? configs.remove(named(dataId), BY, gray?.name)
                : kind < 0.8
                  ? member.import(
                      ["a", "b", "a"].map((name) => ({ name: named(name), content: text, fields: {} })),
                      random.pick(["ABORT", "SKIP", "OVERWRITE"]),
                    )
                  : kind < 0.9
                    ? random.chance(0.5)
                      ? configs.createNamespace(random.pick(["n1", "n2"]), text.slice(0, 3), "")
                      : configs.deleteNamespace(random.pick(["n1", "n2"]), BY, random.chance(0.5))
                    : configs.setCapacity(random.pick([{ namespace: "n1" }, { group: "g" }]), {
                        quota: random.below(9),
                      });
          await outcomes([attempt]);
        }
        // Left behind by a process that died: the start drops it, and is the same state then.
        await configs.propose(
          { ...stageOnly, items: [{ name: named("e"), content: contentOf("e"), fields: {} }] },
          "done",
        );
        await configs.propose({ type: "dropStaged", importId: "left" }, "done");
        expected = durable(configs.state);
        history = await member.history("a");
        await member.close();
        const segments = (await readdir(join(directory, "log"))).sort();
        const last = segments.at(-1);
        assert.ok(last !== undefined);
        if (round % 2 === 1) await tear(join(directory, "log", last), Number.parseInt(last, 10), random);
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

/** The beginning of a write that a killed process did not end. */
async function tear(path: string, firstIndex: number, random: Random): Promise<void> {
  const { lastIndex } = scanSegment(await readFile(path), firstIndex, () => {});
  const record = { term: 0, kind: "command", at: 1, payload: Buffer.alloc(300, 7) } as const;
  await appendFile(path, encodeBatch(lastIndex + 1, [record]).bytes.subarray(0, 1 + random.below(200)));
}
