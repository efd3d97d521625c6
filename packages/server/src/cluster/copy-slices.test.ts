import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Contents } from "@nacre/core/distro";
import { serviceKey } from "@nacre/protocol";
import { copiesOf } from "./copy-slices.ts";

function contents(services: number, instances: number): Contents {
  const publications = Array.from({ length: services }, (_, at) => ({
    service: { namespace: "public", group: "DEFAULT_GROUP", name: `s${at}` },
    instances: Array.from({ length: instances }, (_, port) => ({
      ip: "10.0.0.1",
      port,
      weight: 1,
      healthy: true,
      enabled: true,
      cluster: "DEFAULT",
      metadata: {},
      instanceId: undefined,
    })),
  }));
  return { ip: "10.0.0.1", port: 1, app: "", agent: "", createdAt: 0, publications };
}

function copies(of: Contents, base?: { counter: number; contentHash: number }) {
  const version = { owner: "b", incarnation: 1, counter: 2 };
  const apply = { type: "apply", clientId: "c", kind: "connection", version, contentHash: 7, from: "b" } as const;
  return [...copiesOf({ ...apply, contents: of, ...(base && { base }) })];
}

describe("what naming is told of another member's client", () => {
  test("is one copy when it is small, or a part", () => {
    assert.deepEqual(
      copies(contents(10, 20)).map(({ slice }) => slice),
      [undefined],
    );
    const base = { counter: 1, contentHash: 5 };
    const [part, ...more] = copies(contents(100, 20), base);
    assert.deepEqual([part?.part, part?.slice, more], [{ base, contentHash: 7 }, undefined, []]);
  });

  test("is all of it in slices when it is large, of which the last one names every service", () => {
    const whole = contents(1_000, 3);
    const slices = copies(whole);
    assert.ok(slices.every(({ contents: { publications } }) => publications.length * 4 <= 250));
    assert.deepEqual(
      slices.flatMap((slice) => slice.contents.publications),
      whole.publications,
    );
    assert.ok(slices.slice(0, -1).every(({ slice }) => slice === "more"));
    const services = new Set(whole.publications.map(({ service }) => serviceKey(service)));
    assert.deepEqual(slices.at(-1)?.slice, { services });
  });

  test("cuts no service", () => {
    assert.deepEqual(
      copies(contents(2, 5_000)).map((slice) => slice.contents.publications.length),
      [1, 1],
    );
  });
});
