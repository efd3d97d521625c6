import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Card } from "./frames.ts";
import { foreign, twin, verdict } from "./verdict.ts";

function card(id: string, about: Partial<Card> = {}): Card {
  return {
    id,
    clusterId: "prod",
    settled: true,
    epoch: 0,
    incarnation: 1,
    beat: 1,
    addresses: [`${id}:8848`],
    protocol: { speaks: 3, oldest: 2 },
    version: "1.2.3",
    fingerprint: "f",
    listHash: "",
    clockAt: 0,
    state: "UP",
    forever: false,
    pausedMs: 0,
    ...about,
  };
}

/** The sentence must be the same whoever makes it (M3). */
function both(judge: typeof verdict, one: Card, other: Card): string | undefined {
  const sentence = judge(one, other)?.sentence;
  assert.equal(judge(other, one)?.sentence, sentence);
  return sentence;
}

describe("two members", () => {
  test("of one cluster speak to each other, also with versions that overlap", () => {
    assert.equal(both(verdict, card("a"), card("b", { protocol: { speaks: 2, oldest: 1 } })), undefined);
  });

  test("with different identity tokens are told to have the same", () => {
    assert.equal(
      both(verdict, card("a"), card("b", { fingerprint: "g" })),
      "a:8848 and b:8848 have different identity tokens: set the same token on all members",
    );
  });

  test("of versions too far apart are told which one to upgrade", () => {
    assert.equal(
      both(verdict, card("b"), card("a", { protocol: { speaks: 1, oldest: 1 } })),
      "a:8848 speaks version 1 of the cluster protocol and b:8848 needs at least version 2: upgrade a:8848",
    );
  });

  test("of different clusters are told both names", () => {
    assert.match(
      both(foreign, card("b", { clusterId: "stage" }), card("a")) ?? "",
      /^a:8848 belongs to cluster 'prod' and b:8848 to cluster 'stage'/,
    );
  });

  test("with one id are told to be copies, by address also where one does not know its own", () => {
    const copy = card("a", { incarnation: 2, addresses: ["b:8848"] });
    assert.equal(
      twin(card("a"), copy).sentence,
      "a:8848 and b:8848 run under one member id (a), so the data folder of one is a copy of the other's: the latter " +
        "came later and is refused; stop it and start it with an empty data folder",
    );
    assert.match(
      twin(card("a"), { ...copy, addresses: [] }).sentence,
      /^a:8848 and one that does not know its address/,
    );
  });
});
