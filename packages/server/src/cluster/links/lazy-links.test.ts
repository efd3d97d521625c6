import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, test } from "node:test";
import { TestMember } from "./links.fixture.ts";

describe("links of a member that nobody is linked with", () => {
  test("have nothing to tell and take nothing", async () => {
    const { links, told } = new TestMember();
    assert.deepEqual(links.facts(), { links: [], opened: 0, connectFailures: 0, malformed: 0, strangers: 0 });
    assert.equal(links.sendMessage(1, [new Uint8Array(1)]), false);
    assert.equal(links.sendRaft(1, new Uint8Array(1)), false);
    await assert.rejects(links.call(1, "x", null, 1000), { failure: "peerUnreachable" });
    await links.close(0);
    assert.deepEqual(told, []);
  });

  test("call nobody when they are closed while they are loaded", async (t) => {
    let came = 0;
    const server = createServer(() => came++).listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const { links } = new TestMember();
    links.connect(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    await links.close(0);
    await import("./links.ts");
    await new Promise(setImmediate);
    assert.equal(links.facts().opened + links.facts().connectFailures, 0);
    assert.equal(came, 0);
  });
});
