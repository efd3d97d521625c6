import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_PUSH_VERSIONS, pushCapable } from "./push-agents.ts";

describe("a UDP push", () => {
  for (const [agent, capable] of [
    ["Nacos-Java-Client:v1.4.2", true],
    ["Nacos-Java-Client:v0.1.0", true],
    ["Nacos-Java-Client:v0.0.9", false],
    ["Nacos-Java-Client:v1.0.0-SNAPSHOT", true],
    ["Nacos-Go-Client:v1.0.1", true],
    ["nacos-go-client:1.0.1", true],
    ["Nacos-DNS:v0.4.3", true],
    ["Nacos-DNS:v0.4.2", false],
    ["Nacos-Python-Client", false],
    ["Nacos-Python-Client:v0.1.6", false],
    ["vipsrvHttp/C:v1.0.12", true],
    ["vipsrvHttp/C:v1.0.9", false],
    ["Nacos-CSharp-Client:v0.9.0", true],
    ["Nacos-CSharp-Client:v0.8.5", false],
    ["Nacos-Server:v3.0.0", false],
    ["curl/8.5.0", false],
    ["Nacos-Java-Client", false],
    ["", false],
    [undefined, false],
  ] as const)
    test(`${capable ? "reaches" : "is not tried with"} ${agent}`, () => {
      assert.equal(pushCapable(agent), capable);
    });

  test("obeys the versions that an operator set", () => {
    assert.equal(pushCapable("Nacos-Java-Client:v1.4.2", { ...DEFAULT_PUSH_VERSIONS, java: "1.4.10" }), false);
  });
});
