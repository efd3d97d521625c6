import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import { throwIfStillRefused } from "./refused.ts";

describe("what a member refuses before it goes into the log", () => {
  const refusal = { failure: "configConflict", message: "another content stands there" } as const;

  test("is refused by what everybody acknowledged, and not by a state that is behind", async () => {
    let isBehind = true;
    const log = {
      async readIndex() {
        isBehind = false;
        return 7;
      },
    };
    await throwIfStillRefused(() => (isBehind ? refusal : undefined), log);
    assert.equal(isBehind, false);
  });

  test("is refused for good when the newest state refuses it too", async () => {
    const refused = throwIfStillRefused(() => refusal, { readIndex: async () => 7 });
    await assert.rejects(refused, new RegistryError("configConflict", refusal.message));
  });

  test("is not refused by a state of which nobody knows whether it is the newest", async () => {
    const unsure = new RegistryError("unavailable", "no leader");
    const refused = throwIfStillRefused(() => refusal, { readIndex: () => Promise.reject(unsure) });
    await assert.rejects(refused, unsure);
  });
});
