import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { closedPort, listening, never } from "./targets.fixture.ts";
import { newTcpCheck } from "./tcp.ts";

const patient = { connectMs: 10_000 };
const order = (ip: string, port: number) => ({ ip, port, checker: { type: "TCP" } }) as const;

describe("a TCP check", () => {
  test("is ok when the target takes the connection", async (t) => {
    const port = await listening(t, createServer());
    const result = await newTcpCheck(patient)(order("127.0.0.1", port), never);
    assert.equal(result.outcome, "ok", result.reason);
    assert.ok(result.rtMs >= 0 && result.rtMs < 10_000);
  });

  test("leaves no doubt when the connection is refused", async () => {
    const result = await newTcpCheck(patient)(order("127.0.0.1", await closedPort()), never);
    assert.deepEqual([result.outcome, result.reason], ["failNow", "the connection was refused"]);
  });

  test("is a counted failure when nothing answers in time", async () => {
    // On loopback the kernel answers every connect; a name that never resolves keeps the socket waiting just as well.
    const check = newTcpCheck({ connectMs: 20 }, () => {});
    const result = await check(order("silent.invalid", 80), never);
    assert.deepEqual([result.outcome, result.reason], ["fail", "no connection within 20 ms"]);
    assert.ok(result.rtMs >= 19);
  });

  test("ends at once when it is cancelled, before or on the way", async () => {
    const check = newTcpCheck(patient, () => {});
    const abort = new AbortController();
    const pending = check(order("silent.invalid", 80), abort.signal);
    abort.abort();
    assert.equal((await pending).reason, "the check was cancelled");
    assert.equal((await check(order("silent.invalid", 80), abort.signal)).reason, "the check was cancelled");
  });

  test("names a target that cannot be asked at all", async () => {
    const result = await newTcpCheck(patient)(order("127.0.0.1", 70_000), never);
    assert.equal(result.outcome, "failNow");
    assert.match(result.reason, /^cannot be checked: .*port/i);
  });
});
