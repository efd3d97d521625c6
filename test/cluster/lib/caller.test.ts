import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { callerOf } from "./caller.ts";

describe("a loopback connection", () => {
  test("is known by the process that opened it", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const caller = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const [accepted] = (await once(server, "connection")) as [Socket];
    try {
      assert.equal(await callerOf(accepted, [1, process.pid]), process.pid);
      assert.equal(await callerOf(accepted, []), undefined);
    } finally {
      caller.destroy();
      accepted.destroy();
      server.close();
    }
  });
});
