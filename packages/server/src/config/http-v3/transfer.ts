import { namespaceOf } from "@nacre/protocol";
import { type Answer, json, result } from "../../transport/http/answers.ts";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v3 } from "../../transport/http/rows.ts";
import { ARCHIVE_BYTES_MAX, type ConfigHttpDeps } from "../http-common/deps.ts";
import { namespaceIn, operatorIn, V3 } from "../http-common/names.ts";
import { clone, cloneItemsOf, exportAnswer, importFailure, importFile, policyIn } from "../http-common/transfer.ts";
import type { Surface } from "./surface.ts";

const ADMIN_KEYS = { id: "configId", dataId: "targetDataId", group: "targetGroupName" };
const CONSOLE_KEYS = { id: "cfgId", dataId: "dataId", group: "group" };

/** Export, import and clone. */
export function transferRoutes(deps: ConfigHttpDeps, { base, isConsole }: Surface): readonly Route[] {
  const path = `${base}/config`;

  function importZip(params: Params, call: Call): Promise<Answer> {
    return transferred(async () => {
      const by = operatorIn(params, call, V3.user);
      const to = { namespace: namespaceIn(params, V3), policy: policyIn(params), by } as const;
      return importFile(deps, call, { ...to, missing: "namespaceNotFound", accept: "described" });
    });
  }

  function cloneAll(params: Params, call: Call): Promise<Answer> {
    return transferred(async () => {
      const namespace = namespaceOf(params.bound(isConsole ? "targetNamespaceId" : "namespaceId"));
      const by = operatorIn(params, call, V3.user);
      const wanted = cloneItemsOf(call.json(), isConsole ? CONSOLE_KEYS : ADMIN_KEYS);
      const to = { namespace, policy: policyIn(params), by, missing: "namespaceNotFound" } as const;
      return clone(deps.configs, wanted, to);
    });
  }

  return [
    {
      ...v3("GET", isConsole ? `${path}/export2` : `${path}/export`, (params) => exportAnswer(deps, params, V3, "new")),
      checked: false,
    },
    { ...v3("POST", `${path}/import`, importZip), bodyBytesMax: ARCHIVE_BYTES_MAX },
    v3("POST", `${path}/clone`, cloneAll),
  ];
}

async function transferred(transfer: () => Promise<unknown>): Promise<Answer> {
  try {
    return result(await transfer());
  } catch (thrown) {
    return json({ ...importFailure(thrown), data: { succCount: 0 } });
  }
}
