import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestContext } from "../connections/handlers.ts";
import type { Configs } from "./configs.ts";
import { configFeature } from "./rpc.ts";
import type { Asking } from "./service.ts";

type Said = Pick<Asking, "clientId" | "afterNotice">;
const LISTENER = { clientId: "connection-1" };

/** G5: what a query says about a notice that its connection is owed. */
const cases: [what: string, request: object, headers: Record<string, string>, said: Said][] = [
  ["a query after a notice", {}, { notify: "true" }, { ...LISTENER, afterNotice: true }],
  ["the same of the C# client", {}, { notify: "True" }, { ...LISTENER, afterNotice: true }],
  ["a query of the application beside its listener", {}, { notify: "false" }, { ...LISTENER, afterNotice: false }],
  ["a query without the header", {}, {}, { ...LISTENER, afterNotice: false }],
  ["a query for an explicit tag", { tag: "blue" }, { notify: "true" }, {}],
];

for (const [what, request, headers, said] of cases)
  test(`${what} is read as what it says of its connection's notice`, () => {
    let asked: Asking | undefined;
    const configs = {
      state: { options: { checkParams: true } },
      find: (_name: unknown, asking: Asking) => {
        asked = asking;
        return new Promise(() => {});
      },
    } as unknown as Configs;
    const context = {
      connection: { id: "connection-1", labels: {}, clientIp: "10.0.0.9", remoteIp: "10.0.0.9" },
      header: (name: string) => headers[name],
    } as unknown as RequestContext;
    const { handlers } = configFeature(configs);
    handlers.ConfigQueryRequest?.handle(
      { dataId: "a", group: "g", tenant: "", notify: false, ...request } as never,
      context,
    );
    const { clientId, afterNotice } = asked ?? assert.fail();
    assert.deepEqual({ ...(clientId && { clientId }), ...(afterNotice !== undefined && { afterNotice }) }, said);
  });
