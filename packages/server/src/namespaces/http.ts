import { namespacesOf } from "@nacre/core/naming";
import { namespaceOf, RegistryError } from "@nacre/protocol";
import type { ConfigService, NamespaceInfo } from "../config/service.ts";
import type { Naming } from "../naming/naming.ts";
import { type Answer, json, restResult, result } from "../transport/http/answers.ts";
import type { Call } from "../transport/http/call.ts";
import type { Params } from "../transport/http/params.ts";
import type { Route } from "../transport/http/route.ts";
import { v1, v2, v3 } from "../transport/http/rows.ts";

export interface NamespaceDeps {
  readonly naming: Pick<Naming, "state">;
  readonly configs: ConfigService;
}

/** Namespaces in every dialect: `public`, those that somebody made, and those that are only used. */
export function namespaceRoutes({ naming, configs }: NamespaceDeps): readonly Route[] {
  const admin = "/v3/admin/core/namespace";
  const console = "/v3/console/core/namespace";

  function all(): readonly NamespaceInfo[] {
    const made = configs.namespaces();
    const known = new Set(made.map(({ id }) => id));
    const { byNamespace, grayOnly } = configs.state.counts;
    const used = new Set([...namespacesOf(naming.state), ...byNamespace.keys(), ...grayOnly.keys()]);
    const unmade = [...used].filter((id) => !known.has(id)).sort();
    return [...made, ...unmade.map(usedInfo)];
  }

  function usedInfo(id: string): NamespaceInfo {
    const { usage, quota } = configs.capacity({ namespace: id });
    return { id, name: id, description: "", configCount: usage, quota, kind: 1 };
  }

  const list = () => all().map(namespaceBody);
  const exists = (id: string): boolean => all().some((namespace) => namespace.id === namespaceOf(id));

  function one(params: Params): Record<string, unknown> {
    const id = namespaceOf(params.bound("namespaceId"));
    const found = all().find((namespace) => namespace.id === id);
    if (found === undefined) throw new RegistryError("namespaceNotFound", `namespaceId [ ${id} ] not exist`);
    return namespaceBody(found);
  }

  async function create(params: Params, id: string): Promise<void> {
    const name = params.required("namespaceName").trim();
    await configs.createNamespace(params.optional(id)?.trim(), name, params.text("namespaceDesc", "").trim());
  }

  async function update(params: Params, id: string, name: string): Promise<void> {
    const description = params.text("namespaceDesc", "").trim();
    await configs.updateNamespace(params.required(id).trim(), params.required(name).trim(), description);
  }

  async function remove(params: Params, call: Call): Promise<void> {
    const by = { user: "", ip: call.sourceIp };
    await configs.deleteNamespace(params.bound("namespaceId").trim(), by, params.boolean("force", false));
  }

  const done = async (work: Promise<void>): Promise<Answer> => {
    await work;
    return result(true);
  };

  return [
    v1("GET", "/v1/console/namespaces", "console", `GET ${console}/list`, (params) => {
      if (params.isTrue("checkNamespaceIdExist")) return json(exists(params.bound("customNamespaceId")));
      return params.text("show", "") === "all" ? json(one(params)) : restResult(list());
    }),
    v1("POST", "/v1/console/namespaces", "console", `POST ${console}`, (params) =>
      whether(create(params, "customNamespaceId")),
    ),
    v1("PUT", "/v1/console/namespaces", "console", `PUT ${console}`, (params) =>
      whether(update(params, "namespace", "namespaceShowName")),
    ),
    v1("DELETE", "/v1/console/namespaces", "console", `DELETE ${console}`, async (params, call) => {
      await remove(params, call);
      return json(true);
    }),

    v2("GET", "/v2/console/namespace/list", "console", `GET ${console}/list`, () => result(list())),
    v2("GET", "/v2/console/namespace", "console", `GET ${console}`, (params) => result(one(params))),
    v2("POST", "/v2/console/namespace", "console", `POST ${console}`, (params) =>
      done(illegal(create(params, "namespaceId"))),
    ),
    v2("PUT", "/v2/console/namespace", "console", `PUT ${console}`, (params) =>
      done(illegal(update(params, "namespaceId", "namespaceName"))),
    ),
    v2("DELETE", "/v2/console/namespace", "console", `DELETE ${console}`, (params, call) => done(remove(params, call))),

    v3("GET", `${admin}/list`, () => result(list())),
    v3("GET", admin, (params) => result(one(params))),
    v3("POST", admin, (params) => done(create(params, "namespaceId"))),
    v3("PUT", admin, (params) => done(update(params, "namespaceId", "namespaceName"))),
    v3("DELETE", admin, (params, call) => done(remove(params, call))),
    v3("GET", `${admin}/check`, (params) => result(exists(params.bound("namespaceId")) ? 1 : 0)),

    v3("GET", `${console}/list`, () => result(list())),
    v3("GET", `${console}/exist`, (params) => result(exists(params.bound("customNamespaceId")))),
    v3("GET", console, (params) => result(one(params))),
    v3("POST", console, (params) => done(create(params, "customNamespaceId"))),
    v3("PUT", console, (params) => done(update(params, "namespaceId", "namespaceName"))),
    v3("DELETE", console, (params, call) => done(remove(params, call))),
  ];
}

/** v1 says no more than whether it was done. */
async function whether(work: Promise<void>): Promise<Answer> {
  try {
    await work;
    return json(true);
  } catch (thrown) {
    if (thrown instanceof RegistryError && SAYS_NO.has(thrown.failure)) return json(false);
    throw thrown;
  }
}

const SAYS_NO: ReadonlySet<string> = new Set([
  "parameterMissing",
  "invalidParameter",
  "namespaceIllegal",
  "namespaceExists",
  "namespaceNotFound",
]);

/** v2 has one code for whatever is wrong with a namespace that is written. */
async function illegal(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (thrown) {
    if (thrown instanceof RegistryError && SAYS_NO.has(thrown.failure) && thrown.failure !== "parameterMissing")
      throw new RegistryError("namespaceIllegal", thrown.message);
    throw thrown;
  }
}

function namespaceBody({ id, name, description, quota, configCount, kind }: NamespaceInfo): Record<string, unknown> {
  return {
    namespace: id,
    namespaceShowName: name,
    namespaceDesc: description === "" ? null : description,
    quota,
    configCount,
    type: kind,
  };
}
