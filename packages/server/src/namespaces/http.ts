import { namespacesOf } from "@nacre/core/naming";
import { DEFAULT_NAMESPACE, namespaceOf, RegistryError } from "@nacre/protocol";
import type { Naming } from "../naming/naming.ts";
import { json, restResult, result } from "../transport/http/answers.ts";
import type { Route } from "../transport/http/route.ts";
import { v1, v2, v3 } from "../transport/http/rows.ts";

const QUOTA = 200;
const LIST = "GET /v3/console/core/namespace/list";

/** The namespaces that there are without anybody having made them: `public`, and every one with a listed service. */
export function namespaceRoutes(naming: Naming): readonly Route[] {
  const ids = (): string[] => [
    DEFAULT_NAMESPACE,
    ...namespacesOf(naming.state)
      .filter((id) => id !== DEFAULT_NAMESPACE)
      .sort(),
  ];
  const list = () => ids().map(namespaceBody);
  return [
    v1("GET", "/v1/console/namespaces", "console", LIST, (params) => {
      if (params.isTrue("checkNamespaceIdExist")) return json(ids().includes(params.bound("customNamespaceId")));
      if (params.text("show", "") !== "all") return restResult(list());
      const id = namespaceOf(params.bound("namespaceId"));
      if (!ids().includes(id)) throw new RegistryError("namespaceNotFound", `namespace [ ${id} ] not exist`);
      return json(namespaceBody(id));
    }),
    v2("GET", "/v2/console/namespace/list", "console", LIST, () => result(list())),
    v3("GET", "/v3/admin/core/namespace/list", () => result(list())),
    v3("GET", "/v3/console/core/namespace/list", () => result(list())),
  ];
}

function namespaceBody(id: string): Record<string, unknown> {
  return {
    namespace: id,
    namespaceShowName: id,
    namespaceDesc: null,
    quota: QUOTA,
    configCount: 0,
    type: id === DEFAULT_NAMESPACE ? 0 : 1,
  };
}
