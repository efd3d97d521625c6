import { RegistryError } from "@nacre/protocol";
import type { Params } from "../../transport/http/params.ts";

export interface PageWanted {
  readonly pageNo: number;
  readonly pageSize: number;
}

/** The page a v3 list is asked for. @throws RegistryError `invalidParameter` for a page or a size below 1 or a size above the most. */
export function pageIn(params: Params, sizeMax = Number.MAX_SAFE_INTEGER): PageWanted {
  const pageNo = params.integer("pageNo", 1);
  const pageSize = params.integer("pageSize", 100);
  if (pageNo < 1) throw new RegistryError("invalidParameter", "Param 'pageNo' should be positive integer.");
  if (pageSize < 1) throw new RegistryError("invalidParameter", "Param 'pageSize' should be positive integer.");
  if (pageSize > sizeMax) throw new RegistryError("invalidParameter", `Param 'pageSize' must be ${sizeMax} at most.`);
  return { pageNo, pageSize };
}
