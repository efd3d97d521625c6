import { FAILURES, RegistryError } from "@nacre/protocol";
import { type Answer, errorObject, json, restResult, text } from "../../transport/http/answers.ts";
import type { Call } from "../../transport/http/call.ts";
import type { Gate, Method, Route } from "../../transport/http/route.ts";
import { v1 } from "../../transport/http/rows.ts";

/** A row whose failures are still to be given the words of v1 configuration. */
export type ConfigRow = Route & { readonly failsWith?: "false" };

type Handle = Route["handle"];

export function configV1(
  method: Method,
  path: string,
  gate: Gate,
  instead: string,
  handle: Handle,
  more: Partial<Pick<ConfigRow, "marker" | "checked" | "bodyBytesMax" | "failsWith">> = {},
): ConfigRow {
  return { ...v1(method, path, gate, instead, handle), ...more };
}

/**
 * Rows with the failures of v1 configuration, which differ from those of v1 naming: what is missing is an error object,
 * what is illegal has `caused:` in front of it, and a publish that the server refuses answers `false`.
 */
export function withFailures(rows: readonly ConfigRow[], wall: () => number): readonly Route[] {
  return rows.map(({ failsWith, handle, ...row }) => ({
    ...row,
    async handle(params, call) {
      try {
        return await handle(params, call);
      } catch (thrown) {
        const answer = thrown instanceof RegistryError ? failureOf(thrown, call, failsWith, wall) : undefined;
        if (answer === undefined) throw thrown;
        return answer;
      }
    },
  }));
}

function failureOf(
  { failure, message }: RegistryError,
  call: Call,
  failsWith: ConfigRow["failsWith"],
  wall: () => number,
): Answer | undefined {
  const { http, api, retry } = FAILURES[failure];
  if (failure === "parameterMissing") return errorObject(http, message, call.uri, wall());
  if (failure === "invalidParameter") return text(`caused: ${message};`, http);
  // What was decided. Of anything else `false` would be untrue, or hide from operators what to mend.
  const isDecided = http === 500 && retry === "never" && failure !== "outcomeUnknown";
  if (failsWith === "false" && isDecided) return json(false, http);
  if (http === 200) return restResult(null, message, api);
  return undefined;
}
