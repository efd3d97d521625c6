import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConfigName, ConfigRow, Remote } from "../client/model.ts";
import { CliError } from "../failure.ts";
import { Held } from "./held.ts";

const row = (dataId: string, md5: string): ConfigRow => ({
  ...{ namespace: "public", group: "g", dataId, md5 },
  ...{ type: "text", app: "", modifiedAt: undefined, grayCount: undefined },
});

const PART = { namespace: "public", count: 10 };

/** A target whose list shows these, and that answers for one what it holds now. */
function targetOf(listed: readonly ConfigRow[], now: Record<string, string> = {}) {
  const asked: string[] = [];
  const pages: number[] = [];
  const target = {
    configs: async (_: unknown, { page, size }: { page: number; size: number }) => {
      pages.push(page);
      return { total: listed.length, page, pages: 1, items: listed.slice((page - 1) * size, page * size) };
    },
    config: async ({ dataId }: ConfigName) => {
      asked.push(dataId);
      return now[dataId] === undefined ? undefined : { md5: now[dataId] };
    },
  } as unknown as Remote;
  return { target, asked, pages };
}

describe("what the target holds", () => {
  test("is what its list shows, where that may be trusted", async () => {
    const { target, asked } = targetOf([row("equal", "1"), row("other", "1")]);
    const held = await Held.of(target, PART, true);
    assert.deepEqual(
      [await held.md5(row("equal", "1")), await held.md5(row("other", "2")), await held.md5(row("absent", "1"))],
      ["1", "1", undefined],
    );
    assert.deepEqual(asked, []);
  });

  test("is asked for where it is not equal, when lists may be old", async () => {
    const { target, asked } = targetOf([row("equal", "1"), row("other", "1")], { other: "2", late: "1" });
    const held = await Held.of(target, PART, false);
    assert.deepEqual(
      [await held.md5(row("equal", "1")), await held.md5(row("other", "2")), await held.md5(row("late", "1"))],
      ["1", "2", "1"],
    );
    assert.deepEqual(asked, ["other", "late"]);
  });

  test("is asked for where the list leaves the MD5 out, and beyond what fits into memory", async () => {
    const listed = [row("blank", ""), ...Array.from({ length: 1000 }, (_, at) => row(`d${at}`, "1"))];
    const { target, asked } = targetOf(listed, { blank: "2", d999: "3" });
    const held = await Held.of(target, PART, true, 600);
    assert.equal(await held.md5(row("blank", "1")), "2");
    assert.equal(await held.md5(row("d0", "1")), "1");
    assert.equal(await held.md5(row("d999", "1")), "3");
    assert.deepEqual(asked, ["blank", "d999"]);
  });

  test("is asked for one by one where its list has more pages than there is to compare", async () => {
    const listed = Array.from({ length: 1001 }, (_, at) => row(`d${at}`, "1"));
    const { target, asked, pages } = targetOf(listed, { d0: "1" });
    const held = await Held.of(target, { namespace: "public", count: 2 }, true);
    assert.deepEqual([await held.md5(row("d0", "1")), await held.md5(row("none", "1"))], ["1", undefined]);
    assert.deepEqual([asked, pages], [["d0", "none"], [1]]);
  });

  test("is nothing in a namespace that the target does not know, and not known when it refuses", async () => {
    const refusing = (outcome: "notFound" | "failed") =>
      ({
        configs: () => Promise.reject(new CliError(outcome, "no")),
        config: async () => undefined,
      }) as unknown as Remote;
    const held = await Held.of(refusing("notFound"), PART, true);
    assert.equal(await held.md5(row("a", "1")), undefined);
    await assert.rejects(Held.of(refusing("failed"), PART, true), CliError);
  });
});
