import { RegistryError } from "@nacre/protocol";
import { result } from "../transport/http/answers.ts";
import type { Call } from "../transport/http/call.ts";
import type { Route } from "../transport/http/route.ts";
import { v3 } from "../transport/http/rows.ts";
import type { Orders } from "./orders.ts";

const PATH = "/v3/admin/core/cluster";

/** What operators tell one member to do. What would hand over or end this process is taken from its own machine alone. */
export function orderRoutes(orders: Orders): readonly Route[] {
  return [
    v3("GET", `${PATH}/matrix`, () => result(orders.matrix())),
    v3("GET", `${PATH}/converge`, async () => result(await orders.converge())),
    v3("POST", `${PATH}/join`, async (params, call) => {
      const address = params.bound("address");
      ownMachineOnly(call);
      return result(await orders.join(address));
    }),
    v3("DELETE", `${PATH}/join`, (_, call) => {
      ownMachineOnly(call);
      return result(orders.cancelJoin());
    }),
    v3("POST", `${PATH}/leave`, async (params, call) => {
      const forever = params.boolean("forever", false);
      ownMachineOnly(call);
      await orders.stop(forever);
      return result(true);
    }),
    v3("POST", `${PATH}/forget`, async (params) => {
      const who = params.optional(["id", "address"])?.trim() ?? "";
      if (who === "") throw new RegistryError("parameterMissing", "Param 'id' or 'address' must name a member.");
      return result(await orders.forget(who));
    }),
  ];
}

const FORWARDED = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1)$/;

/**
 * There are no logins yet, so such an order counts only from the machine itself: over loopback, not through a proxy,
 * which would pass on what others say, and not from a page in a browser, which names its origin.
 *
 * @throws RegistryError `accessDenied`.
 */
export function ownMachineOnly({ sourceIp, header }: Pick<Call, "sourceIp" | "header">): void {
  const isForwarded = FORWARDED.some((name) => header(name) !== undefined);
  if (LOOPBACK.test(sourceIp) && !isForwarded && header("origin") === undefined) return;
  throw new RegistryError(
    "accessDenied",
    "this order is taken from the member's own machine only: run it there, with --server http://127.0.0.1:<port>, or send its process a TERM to stop it",
  );
}
