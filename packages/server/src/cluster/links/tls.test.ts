import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { newAuthority } from "@nacre/testkit/certificates";
import { ack, member, probeFor } from "./links.fixture.ts";
import type { LinkTls } from "./types.ts";

const authority = newAuthority();

function mutual(name: string, of = authority): LinkTls {
  const own = of.issue(name);
  return {
    server: { ...own, ca: authority.cert, clientCertificates: "required" },
    client: { ...own, ca: authority.cert },
  };
}

describe("links with client certificates", () => {
  test("work as others do", async (t) => {
    const a = await member(t, { tls: mutual("a") });
    const b = await member(t, { tls: mutual("b"), calls: { echo: (payload) => payload } });
    a.links.connect(b.address);
    await a.heard("credit 1");
    a.links.sendFrame(1, probeFor("x"));
    a.links.sendMessage(1, ack(1));
    await b.heard("frame 1");
    await b.heard("message 1");
    assert.equal(await a.links.call(1, "echo", "é", 1_000), "é");
    assert.equal(a.links.facts().links[0]?.encrypted, true);
    assert.equal(b.links.facts().links[0]?.encrypted, true);
  });

  test("refuse a member without one, and one whose certificate nobody of ours has signed", async (t) => {
    const b = await member(t, { tls: mutual("b") });
    const { client } = mutual("a");
    const bare = await member(t, { tls: { server: mutual("a").server, client: { ca: authority.cert } } });
    const stranger = await member(t, {
      tls: { ...mutual("a"), client: { ...newAuthority().issue("a"), ca: authority.cert } },
    });
    const plain = await member(t);
    assert.ok(client.cert);
    for (const each of [bare, stranger, plain]) {
      each.links.connect(b.address);
      assert.match(await each.heard("connectFailed"), /^connectFailed: (?!cannot connect)/);
    }
    assert.deepEqual(b.told, []);
  });

  test("take new certificates for links that come from now on", async (t) => {
    const a = await member(t, { tls: mutual("a") });
    const b = await member(t, { tls: mutual("b") });
    a.links.connect(b.address);
    await a.heard("opened 1");
    const other = newAuthority();
    const own = other.issue("b");
    b.links.renewTls({
      server: { ...own, ca: other.cert, clientCertificates: "required" },
      client: { ...own, ca: other.cert },
    });
    a.links.connect(b.address);
    await a.heard("connectFailed");
    const renewed = other.issue("a");
    a.links.renewTls({ server: { ...renewed }, client: { ...renewed, ca: other.cert } });
    a.links.connect(b.address);
    await a.heard("opened 2");
    assert.equal(a.links.facts().links.length, 2, "the link that stood stands");
  });
});
