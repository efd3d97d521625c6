import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CONTENTS, head, removal, version } from "./distro.fixture.ts";
import { fill } from "./fill.ts";
import type { Message, Outgoing } from "./messages.ts";
import type { Contents, Head } from "./model.ts";
import { bucketOf } from "./wide-map.ts";

const INSTANCE = {
  ip: "10.0.0.1",
  port: 80,
  weight: 1,
  healthy: true,
  enabled: true,
  cluster: "DEFAULT",
  metadata: { zone: "x".repeat(432) },
  instanceId: undefined,
};
/** Two of these are one more than fits, where 1,500 bytes do. */
const LARGE: Contents = {
  ...CONTENTS,
  publications: [{ service: { namespace: "", group: "g", name: "s" }, instances: [INSTANCE, INSTANCE] }],
};

/** As a load goes through them. */
const heads: Head[] = ["a", "b", "c", "d", "e"]
  .map((id) => head(id, version("m", 1)))
  .sort((one, other) => bucketOf(one.id) - bucketOf(other.id) || (one.id < other.id ? -1 : 1));
const ids = heads.map(({ id }) => id);
const first = { bucket: 0, after: "" };

function filled(message: Outgoing, contentsOf: (id: string) => Contents | undefined = () => LARGE): Message[] {
  return fill(message, contentsOf, 1500);
}

function idsOf(message: Message | undefined): string[] {
  assert.ok(message?.type === "sync" || message?.type === "loadChunk");
  return [...message.changes, ...message.removals].map(({ id }) => id);
}

describe("a batch whose clients publish much", () => {
  const removals = [removal("gone", version("m", 2))];
  const messages = filled({ type: "sync", seq: 7, changes: heads, removals });

  test("is told in several messages, removals last", () => {
    assert.deepEqual(messages.map(idsOf), [ids.slice(0, 2), ids.slice(2, 4), [...ids.slice(4), "gone"]]);
  });

  test("is acknowledged with the last of them", () => {
    assert.deepEqual(
      messages.map((message) => message.type === "sync" && message.seq),
      [0, 0, 7],
    );
  });

  test("is one message when its clients publish little, or are not held any more", () => {
    const sync: Outgoing = { type: "sync", seq: 7, changes: heads, removals };
    assert.deepEqual(filled(sync, () => CONTENTS).map(idsOf), [[...ids, "gone"]]);
    assert.deepEqual(filled(sync, () => undefined).map(idsOf), [["gone"]]);
  });
});

describe("a chunk of a load whose clients publish much", () => {
  test("ends early, and the receiver asks on behind the last client that is in it", () => {
    const [chunk, ...more] = filled({
      type: "loadChunk",
      cursor: first,
      changes: heads,
      removals: [],
      next: undefined,
    });
    assert.deepEqual([idsOf(chunk), more], [ids.slice(0, 2), []]);
    const after = ids[1] ?? "";
    assert.deepEqual(chunk?.type === "loadChunk" && chunk.next, { bucket: bucketOf(after), after });
  });

  test("has the removals up to there, and no further ones", () => {
    const changes = heads.filter((_, at) => at !== 1 && at !== 4);
    const removals = [1, 4].map((at) => removal(ids[at] ?? "", version("m", 2)));
    const [chunk] = filled({ type: "loadChunk", cursor: first, changes, removals, next: undefined });
    assert.deepEqual(idsOf(chunk), [ids[0], ids[2], ids[1]]);
  });

  test("is whole when it fits, however large the last client is", () => {
    const next = { bucket: 200, after: "z" };
    const changes = heads.slice(0, 2);
    const [chunk] = filled({ type: "loadChunk", cursor: first, changes, removals: [], next });
    assert.deepEqual([idsOf(chunk), chunk?.type === "loadChunk" && chunk.next], [ids.slice(0, 2), next]);
  });
});
