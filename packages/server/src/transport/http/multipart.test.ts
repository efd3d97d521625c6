import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { partsOf } from "./multipart.ts";

const TYPE = "multipart/form-data; boundary=b";
const part = (head: string, body: Uint8Array | string): Buffer =>
  Buffer.concat([
    Buffer.from(`--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n`),
    Buffer.from(body as Uint8Array),
    Buffer.from("\r\n"),
  ]);
const END = Buffer.from("--b--\r\n");

describe("a multipart body", () => {
  test("of megabytes leaves the event loop free while it is read, and its file is whole", async () => {
    const file = Buffer.alloc(4 * 1024 * 1024, "\r\n--a\r\n-b");
    const body = Buffer.concat([part('name="policy"', "SKIP"), part('name="file"; filename="a.zip"', file), END]);
    let turns = 0;
    let reading = true;
    const count = (): void => {
      turns++;
      if (reading) setImmediate(count);
    };
    setImmediate(count);
    const { fields, files } = await partsOf(body, TYPE);
    reading = false;
    assert.deepEqual(fields, [["policy", "SKIP"]]);
    assert.ok(file.equals(files.get("file") ?? Buffer.alloc(0)));
    assert.ok(turns >= 32, `${turns} turns`);
  });
  test("may have a boundary at any place between two slices", async () => {
    for (let size = 128 * 1024 - 120; size < 128 * 1024 + 8; size++) {
      const body = Buffer.concat([
        part('name="file"; filename="a"', Buffer.alloc(size, "x")),
        part('name="k"', "v"),
        END,
      ]);
      const { fields, files } = await partsOf(body, TYPE);
      assert.deepEqual([files.get("file")?.length, fields], [size, [["k", "v"]]]);
    }
  });
  test("that ends in the middle, has no boundary or too many parts is refused", async () => {
    const cases: [Uint8Array, string, RegExp][] = [
      [part('name="k"', "v"), TYPE, /Unexpected end/],
      [part('name="k"', "v"), "multipart/form-data", /Boundary not found/],
      [Buffer.concat([...Array.from({ length: 101 }, (_, at) => part(`name="k${at}"`, "v")), END]), TYPE, /100 parts/],
    ];
    for (const [body, type, why] of cases) await assert.rejects(partsOf(body, type), why);
  });
});
