import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { systemClock } from "../../clock.ts";
import { newResolve } from "./resolve.ts";

type Done = (error: Error | null, found: readonly { address: string; family: number }[]) => void;

/** A name service that answers when it is told to. */
function newNames() {
  const clock = new FakeClock();
  const asked: string[] = [];
  const open = new Map<string, Done>();
  const resolve = newResolve(clock, (host, done) => {
    asked.push(host);
    open.set(host, done);
  });
  const answer = (host: string, ...ips: string[]) =>
    open.get(host)?.(
      null,
      ips.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  const fail = (host: string, code: string) => open.get(host)?.(Object.assign(new Error(code), { code }), []);
  return { clock, asked, resolve, answer, fail };
}

describe("a host name", () => {
  test("resolves to each of its addresses once, in the order of the system", async () => {
    const { resolve, answer, clock } = newNames();
    const found = resolve("a.example");
    answer("a.example", "10.0.0.2", "fd00::2", "10.0.0.1", "10.0.0.2");
    assert.deepEqual(await found, { ips: ["10.0.0.2", "fd00::2", "10.0.0.1"] });
    assert.equal(clock.waiting, 0);
  });

  test("that does not resolve is answered with words and the system's code", async () => {
    const { resolve, answer, fail } = newNames();
    for (const [code, error] of [
      ["ENOTFOUND", "there is no such name, ENOTFOUND"],
      ["EAI_AGAIN", "the name service does not answer, EAI_AGAIN"],
      ["EMFILE", "EMFILE"],
    ] as const) {
      const found = resolve("b.example");
      fail("b.example", code);
      assert.deepEqual(await found, { ips: [], error });
    }
    const empty = resolve("c.example");
    answer("c.example");
    assert.deepEqual(await empty, { ips: [], error: "it has no address" });
  });

  test("is answered within 3 s whatever the system does, and is not asked for twice meanwhile", async () => {
    const { clock, resolve, answer, asked } = newNames();
    const first = resolve("slow.example");
    clock.advance(3000);
    assert.deepEqual(await first, { ips: [], error: "no answer within 3 s" });
    const second = resolve("slow.example");
    assert.deepEqual(asked, ["slow.example"]);
    answer("slow.example", "10.0.0.1");
    assert.deepEqual(await second, { ips: ["10.0.0.1"] });
  });

  test("waits while two others are looked up, and is looked up when one of them is done", async () => {
    const { clock, resolve, answer, asked, fail } = newNames();
    const [a, b, c] = [resolve("a"), resolve("b"), resolve("c")];
    assert.deepEqual(asked, ["a", "b"]);
    clock.advance(3000);
    assert.deepEqual(
      (await Promise.all([a, b, c])).map(({ error }) => error),
      Array(3).fill("no answer within 3 s"),
    );
    const again = resolve("c");
    fail("a", "ENOTFOUND");
    assert.deepEqual(asked, ["a", "b", "c"]);
    answer("c", "10.0.0.3");
    assert.deepEqual(await again, { ips: ["10.0.0.3"] });
  });

  test("of which the system throws is answered as well", async () => {
    const resolve = newResolve(new FakeClock(), () => {
      throw new TypeError("no name");
    });
    assert.deepEqual(await resolve("\0"), { ips: [], error: "no name" });
  });

  test("is looked up by the system", async () => {
    assert.deepEqual(await newResolve(systemClock)("127.0.0.1"), { ips: ["127.0.0.1"] });
  });
});
