import { type SetLogLevel, setLogLevel } from "../naming/operations.ts";
import { type Answer, restResult, result, text } from "../transport/http/answers.ts";
import type { Call } from "../transport/http/call.ts";
import { Params } from "../transport/http/params.ts";
import type { Route } from "../transport/http/route.ts";
import { v1, v2, v3 } from "../transport/http/rows.ts";

const LOG = "PUT /v3/admin/core/ops/log";
const IDS = "GET /v3/admin/core/ops/ids";

/** What operators do to a running member. */
export function opsRoutes(apply: SetLogLevel): readonly Route[] {
  const fromBody = (answer: () => Answer) => (params: Params, call: Call) => {
    setLogLevel(call.body.length === 0 ? params : fieldsOf(call), apply);
    return answer();
  };

  return [
    v1("PUT", "/v1/core/ops/log", "admin", LOG, (params) => {
      setLogLevel(params, apply);
      return text("200");
    }),
    v2(
      "PUT",
      "/v2/core/ops/log",
      "admin",
      LOG,
      fromBody(() => restResult(null)),
    ),
    v3(
      "PUT",
      "/v3/admin/core/ops/log",
      fromBody(() => result(null)),
    ),

    // Generators of numbers for database rows: nothing here has any.
    v1("GET", "/v1/core/ops/idInfo", "admin", IDS, () => restResult({})),
    v2("GET", "/v2/core/ops/ids", "admin", IDS, () => restResult([])),
    v3("GET", "/v3/admin/core/ops/ids", () => result([])),
  ];
}

/** The texts of a JSON body, to be read as if they were parameters. */
function fieldsOf(call: Call): Params {
  const body = call.json();
  const fields = Object.entries(typeof body === "object" && body !== null ? body : {});
  const texts = fields.flatMap(([name, value]) => (typeof value === "string" ? [[name, [value]] as const] : []));
  return new Params(new Map(texts), "v3");
}
