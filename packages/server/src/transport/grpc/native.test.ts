import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { BrokenInvariant } from "@nacre/core/assert";
import { GrpcClient } from "@nacre/testkit/grpc-client";
import { transportSuite } from "@nacre/testkit/transport-suite";
import { Witness } from "@nacre/testkit/witness";
import { systemClock } from "../../clock.ts";
import { NativeTransport } from "./native.ts";

transportSuite("native", (options, handlers, clock) => new NativeTransport(options, handlers, clock));

/** The first error that reaches the process. */
function firstUncaught(t: TestContext): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const later = globalThis.setImmediate;
  t.mock.method(globalThis, "setImmediate", (run: (...given: unknown[]) => void, ...given: unknown[]) =>
    later(() => {
      try {
        run(...given);
      } catch (error) {
        resolve(error);
      }
    }),
  );
  return promise;
}

describe("native: a fault of the server", { timeout: 20_000 }, () => {
  async function served(t: TestContext, witness: Witness): Promise<GrpcClient> {
    const limits = { messageBytesMax: 1e6, queuedBytesMax: 1e6, connectionsMax: 10 };
    const transport = new NativeTransport({ host: "127.0.0.1", port: 0, ...limits }, witness, systemClock);
    const client = new GrpcClient(await transport.listen());
    t.after(async () => {
      client.close();
      await transport.close(0);
    });
    return client;
  }

  test("over a message on the stream reaches the process, since nobody else would hear of it", async (t) => {
    const fault = new Error("a fault");
    class Faulty extends Witness {
      override streamMessage(): void {
        throw fault;
      }
    }
    const reached = firstUncaught(t);
    (await served(t, new Faulty())).stream().write("a message");
    assert.equal(await reached, fault);
  });

  test("over a call reaches the process when it is a broken invariant", async (t) => {
    const fault = new BrokenInvariant("two is one");
    const witness = new Witness();
    witness.answers = () => Promise.reject(fault);
    const reached = firstUncaught(t);
    await assert.rejects((await served(t, witness)).unary("a call"));
    assert.equal(await reached, fault);
  });
});
