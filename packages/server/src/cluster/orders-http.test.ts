import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import { Params } from "../transport/http/params.ts";
import { orderRoutes, ownMachineOnly } from "./orders-http.ts";

const from = (sourceIp: string, headers: Record<string, string> = {}) => ({
  sourceIp,
  header: (name: string) => headers[name],
});

describe("an order that would end or hand over this process", () => {
  for (const ip of ["127.0.0.1", "127.8.0.1", "::1"])
    test(`is taken from ${ip}`, () => assert.doesNotThrow(() => ownMachineOnly(from(ip))));

  const refused: readonly [what: string, ip: string, headers?: Record<string, string>][] = [
    ["another machine", "10.0.0.9"],
    ["a name that looks like this machine", "127.0.0.1.evil"],
    ["whoever a proxy speaks for", "127.0.0.1", { "x-forwarded-for": "127.0.0.1" }],
    ["whoever another proxy speaks for", "127.0.0.1", { "x-real-ip": "127.0.0.1" }],
    ["a page in a browser on this machine", "127.0.0.1", { origin: "http://evil.example" }],
  ];
  for (const [what, ip, headers] of refused)
    test(`is not taken from ${what}`, () =>
      assert.throws(() => ownMachineOnly(from(ip, headers)), { failure: "accessDenied" }));

  test("reaches the member with whether it is for ever", async () => {
    const told: unknown[] = [];
    const unused = (): never => assert.fail();
    const orders = {
      matrix: unused,
      converge: unused,
      switchLookup: unused,
      join: unused,
      cancelJoin: unused,
      forget: unused,
    };
    const routes = orderRoutes({ ...orders, stop: async (forever) => void told.push(forever) });
    const leave = routes.find(({ path }) => path.endsWith("/leave"));
    await leave?.handle(Params.read("", "", "v3"), from("127.0.0.1") as never);
    await leave?.handle(Params.read("forever=true", "", "v3"), from("::1") as never);
    await assert.rejects(
      async () => leave?.handle(Params.read("", "", "v3"), from("10.0.0.9") as never),
      RegistryError,
    );
    assert.deepEqual(told, [false, true]);
  });
});
