import { RegistryError } from "@nacre/protocol";
import { type Answer, withHeaders } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import { methodsOf, type Route } from "../../transport/http/route.ts";
import { KEEPS_NOTHING, type OwnGroup } from "./own-group.ts";

/** The last entry of the log that an answer is not older than. */
export const INDEX_HEADER = "Nacre-Index";
/** What the log decides: configurations, services, persistent instances. */
const DURABLE = /\/(?:cs|ns)\//;

/** `consistency=linearizable` or `local`; undefined when nothing is asked for. @throws RegistryError. */
export function isLinearizable(params: Params): boolean | undefined {
  const asked = params.optional("consistency")?.trim();
  if (asked === undefined) return undefined;
  if (asked === "linearizable") return true;
  if (asked === "local") return false;
  throw new RegistryError(
    "invalidParameter",
    `Param 'consistency' must be linearizable or local, not '${asked.slice(0, 128)}'.`,
  );
}

/**
 * Reads of configurations and instances that may ask for more than what this member has applied: with
 * `consistency=linearizable` they wait until it holds everything that was acknowledged before, anywhere. Without the
 * parameter nothing is waited for, and nothing is added.
 */
export function consistentReads(
  routes: readonly Route[],
  group: () => Pick<OwnGroup, "readIndex" | "status"> | undefined,
): readonly Route[] {
  return routes.map((route) => {
    if (!methodsOf(route).includes("GET") || !DURABLE.test(route.path)) return route;
    const { handle } = route;
    return {
      ...route,
      handle(params, call) {
        const asked = isLinearizable(params);
        return asked === undefined || call.method !== "GET" ? handle(params, call) : marked(asked, params, call);
      },
    };

    async function marked(asked: boolean, ...given: Parameters<Route["handle"]>): Promise<Answer> {
      const log = group();
      if (log === undefined && asked) throw new RegistryError("illegalState", KEEPS_NOTHING);
      // What is read afterwards may be newer, never older.
      const index = log === undefined ? undefined : asked ? await log.readIndex() : log.status().appliedIndex;
      const answer = await handle(...given);
      return index === undefined ? answer : withHeaders(answer, { [INDEX_HEADER]: String(index) });
    }
  });
}
