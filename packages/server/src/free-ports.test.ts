import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, test } from "node:test";
import { onFreePorts } from "./free-ports.ts";

describe("ports that were found free", () => {
  test("are looked for again when one was taken meanwhile, but not one that was chosen, and not for ever", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    let opened = 0;
    const open = async (failing: number): Promise<string> => {
      if (++opened > failing) return "open";
      await once(createServer().listen(port, "127.0.0.1"), "listening");
      return "unexpected";
    };
    try {
      assert.equal(await onFreePorts(() => open(2), []), "open");
      assert.equal(opened, 3);
      opened = 0;
      await assert.rejects(
        onFreePorts(() => open(1), [port]),
        { code: "EADDRINUSE" },
      );
      assert.equal(opened, 1);
      await assert.rejects(
        onFreePorts(() => open(99), []),
        { code: "EADDRINUSE" },
      );
    } finally {
      other.close();
      await once(other, "close");
    }
  });
});
