import assert from "node:assert/strict";
import { test } from "node:test";
import type { Files } from "./files.ts";
import { writeSnapshot } from "./snapshot.ts";
import type { SnapshotRow } from "./sql/snapshot-rows.ts";

test("a snapshot writes a content of megabytes piece by piece, and in the same bytes as others", async () => {
  const written: string[] = [];
  const files = {
    create: async () => ({ write: async (bytes: Buffer) => void written.push(bytes.toString()), sync, close: sync }),
    rename: async () => {},
    remove: async () => {},
    syncDirectory: async () => {},
  } as unknown as Files;
  const rows: SnapshotRow[] = [
    { kind: "namespace", key: "dev", value: "{}" },
    { kind: "config_info", key: "7", value: [7, "a", null, '{"a": "é😀"}\n'.repeat(200_000)] },
    { kind: "config_info", key: "8", value: [8, "b", null, "short"] },
  ];
  const view = { mark: { index: 9, term: 2, checksum: 1, configuration: "" }, rows: rows.values(), close: () => {} };
  await writeSnapshot(files, "folder", view, () => false);
  const lines = written.join("").split("\n");
  assert.deepEqual(
    lines.slice(1, 4),
    rows.map(({ kind, key, value }) => JSON.stringify([kind, key, value])),
  );
  const longest = Math.max(...written.map((text) => text.length));
  assert.ok(longest < 1_000_000, `${longest} characters at once`);
});

async function sync(): Promise<void> {}
