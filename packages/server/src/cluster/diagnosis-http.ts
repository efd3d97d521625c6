import { RegistryError } from "@nacre/protocol";
import { result } from "../transport/http/answers.ts";
import type { Route } from "../transport/http/route.ts";
import { v3 } from "../transport/http/rows.ts";
import type { LazyDiagnosis } from "./lazy-diagnosis.ts";

/** `scope=self`: what the asked member says of itself. Else what all members say. */
export function diagnosisRoutes(diagnosis: Pick<LazyDiagnosis, "report" | "cluster">): readonly Route[] {
  return [
    v3("GET", "/v3/admin/core/cluster/diagnosis", async (params) => {
      const scope = params.text("scope", "cluster");
      if (scope !== "self" && scope !== "cluster")
        throw new RegistryError("invalidParameter", "Param 'scope' must be self or cluster.");
      return result(await (scope === "self" ? diagnosis.report() : diagnosis.cluster()));
    }),
  ];
}
