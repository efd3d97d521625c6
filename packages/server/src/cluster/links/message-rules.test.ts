import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Change, Message } from "@nacre/core/distro";
import { messageBroken } from "./message-rules.ts";

const INSTANCE: Change["contents"]["publications"][number]["instances"][number] = {
  ip: "10.1.0.1",
  port: 8080,
  weight: 1,
  healthy: true,
  enabled: true,
  cluster: "DEFAULT",
  metadata: {},
  instanceId: undefined,
};
const ORDERS = { namespace: "public", group: "DEFAULT_GROUP", name: "orders" };
const CHANGE: Change = {
  id: "1767268800000_10.1.0.1_50000",
  kind: "connection",
  version: { owner: "member-a", incarnation: 7, counter: 3 },
  contentHash: 1,
  gone: undefined,
  answers: false,
  after: 0,
  ageMs: 10,
  contents: { ip: "10.1.0.1", port: 50_000, app: "", agent: "", createdAt: 1, publications: [] },
};

function sync(change: Change): Message {
  return { type: "sync", seq: 1, changes: [change], removals: [] };
}
function publishing(about: object, service = ORDERS): Message {
  const instances = [INSTANCE, { ...INSTANCE, ...about }];
  return sync({ ...CHANGE, contents: { ...CHANGE.contents, publications: [{ service, instances }] } });
}
function digest(length: number, owner = "member-a"): Message {
  return { type: "digest", loaded: true, owners: Array.from({ length }, () => ({ owner, count: 1, hash: 1 })) };
}

describe("what a member tells of clients", () => {
  const taken: Readonly<Record<string, Message>> = {
    "the extremes of what clients may publish": publishing({ port: 65_535, weight: 10_000, cluster: "zone-1" }),
    "port and weight 0": publishing({ port: 0, weight: 0 }),
    "names that only some members allow": publishing({}, { ...ORDERS, name: "订单 service" }),
    "metadata of any length, which is an option": publishing({ metadata: { key: "x".repeat(100_000) } }),
    "the digest of a large cluster": digest(1_000),
  };
  for (const [what, message] of Object.entries(taken))
    test(`may be ${what}`, () => assert.equal(messageBroken(message), undefined));

  const version = { ...CHANGE.version, counter: 2 ** 52 + 1 };
  const refused: readonly (readonly [string, Message, RegExp])[] = [
    ["a port above 65535", publishing({ port: 65_536 }), /instance of client "1767\S+ has port 65536, above 65535$/],
    ["a weight below 0", publishing({ weight: -1 }), /weight -1, not from 0 to 10000$/],
    ["a weight that is no number", publishing({ weight: Number.NaN }), /weight NaN/],
    ["a weight without end", publishing({ weight: Number.POSITIVE_INFINITY }), /weight Infinity/],
    ["a blank address", publishing({ ip: " " }), /has no address$/],
    ["a cluster that none can be", publishing({ cluster: "a,b" }), /is in "a,b", which is no name of a cluster$/],
    ["a service without a name", publishing({}, { ...ORDERS, name: "" }), /a service without a name$/],
    ["a client port above 65535", sync({ ...CHANGE, contents: { ...CHANGE.contents, port: 65_536 } }), /65535/],
    [
      "a moment that is none",
      sync({ ...CHANGE, contents: { ...CHANGE.contents, createdAt: Number.NaN } }),
      /no moment/,
    ],
    ["a blank client id", sync({ ...CHANGE, id: "" }), /blank id/],
    [
      "a persistent client",
      sync({ ...CHANGE, id: "10.1.0.1:80#false" }),
      /is a persistent one, which members have from/,
    ],
    [
      "a counter at the end of numbers",
      sync({ ...CHANGE, version }),
      /version of client .* is beyond 4503599627370496$/,
    ],
    ["the same of a removal", { type: "sync", seq: 1, changes: [], removals: [{ ...CHANGE, version }] }, /beyond/],
    ["the same in a listing", { type: "marks", mark: "answers", heads: [{ ...CHANGE, version }] }, /beyond/],
    ["an owner that is no id", sync({ ...CHANGE, version: { ...CHANGE.version, owner: "a b" } }), /no member id$/],
    ["a digest of very many owners", digest(1_001), /names 1001 owners, more than 1000$/],
  ];
  for (const [what, message, sentence] of refused)
    test(`is not taken with ${what}`, () => assert.match(messageBroken(message) ?? "", sentence));
});
