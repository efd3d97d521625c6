import assert from "node:assert/strict";
import { test } from "node:test";
import type { Context } from "@nacre/core/config";
import { RegistryError } from "@nacre/protocol";
import type { RequestContext } from "../connections/handlers.ts";
import type { Configs } from "./configs.ts";
import { configFeature } from "./rpc.ts";

const CONTEXTS = 5_000;

/** A listen call of thousands of configurations; `gone` after so many slices. */
async function listen(goneAfter: number) {
  const slices: number[] = [];
  const configs = {
    state: { options: { checkParams: true } },
    connected: () => slices.length < goneAfter,
    listen: ({ contexts }: { contexts: readonly Context[] }) => {
      slices.push(contexts.length);
      return contexts.slice(0, 1);
    },
  } as unknown as Configs;
  const context = {
    connection: { id: "connection-1", labels: {}, clientIp: "10.0.0.9", remoteIp: "10.0.0.9" },
    header: () => undefined,
  } as unknown as RequestContext;
  const configListenContexts = Array.from({ length: CONTEXTS }, (_, n) => ({
    dataId: `a-${n}`,
    group: "g",
    tenant: "",
    md5: "",
  }));
  const { handlers } = configFeature(configs);
  const handled = handlers.ConfigBatchListenRequest?.handle({ listen: true, configListenContexts } as never, context);
  return { slices, answer: handled as Promise<{ changedConfigs: { dataId: string }[] }> };
}

test("a listen call of thousands is registered in slices, and answered as one", async () => {
  const { slices, answer } = await listen(Number.POSITIVE_INFINITY);
  const { changedConfigs } = await answer;
  assert.deepEqual(slices, [2_000, 2_000, 1_000]);
  assert.deepEqual(
    changedConfigs.map(({ dataId }) => dataId),
    ["a-0", "a-2000", "a-4000"],
  );
});

test("nothing is registered for a connection that has gone between two slices", async () => {
  const { slices, answer } = await listen(1);
  await assert.rejects(answer, (thrown) => thrown instanceof RegistryError && thrown.failure === "disconnected");
  assert.deepEqual(slices, [2_000]);
});
