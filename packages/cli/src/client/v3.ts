import { CliError } from "../failure.ts";
import { addressText } from "../show/address.ts";
import {
  betaOf,
  configDetailOf,
  configRowOf,
  DEFAULT_NAMESPACE,
  grayOf,
  graysOfBeta,
  historyOf,
  importResultOf,
  instanceOf,
  numberIn,
  pageOf,
  textIn,
} from "./bodies.ts";
import { type Answer, type Call, type Fields, fieldOf, type Http } from "./http.ts";
import type {
  ConfigName,
  ConfigQuery,
  GrayDetail,
  InstanceEdit,
  Page,
  PageOf,
  Publish,
  Remote,
  ServiceName,
} from "./model.ts";

const CS = "/v3/admin/cs";
const NS = "/v3/admin/ns";
const NAMESPACE = "/v3/admin/core/namespace";
/** What is stored is another version than was expected. */
export const CONFLICT = 20005;

/** The admin API of Nacre and of Nacos 3. */
export function remoteV3(http: Http): Remote {
  const ask = (method: string, path: string, what: string, call?: Call) => asked(http, method, path, what, call);
  const found = async (path: string, what: string, query: Fields): Promise<unknown> => {
    const answer = await http.call("GET", path, { query });
    return isMissing(answer) ? undefined : dataOf(http, answer, what);
  };
  // Of the servers of this dialect Nacre alone has it; the others are asked once.
  let listsGrays = true;
  return {
    dialect: "v3",
    base: http.base,

    async namespaces() {
      const what = "the list of namespaces";
      return listOf(http, await ask("GET", `${NAMESPACE}/list`, what), what).map(namespaceRowOf);
    },
    async createNamespace({ id, name, description }) {
      const form = { namespaceId: id, customNamespaceId: id, namespaceName: name, namespaceDesc: description };
      await ask("POST", NAMESPACE, `the namespace ${id}`, { form });
    },
    async updateNamespace({ id, name, description }) {
      const form = { namespaceId: id, namespaceName: name, namespaceDesc: description };
      await ask("PUT", NAMESPACE, `the namespace ${id}`, { form });
    },
    async removeNamespace(id, force) {
      const query = { namespaceId: id, force: force || undefined };
      await ask("DELETE", NAMESPACE, `the removal of the namespace ${id}`, { query });
    },

    async configs(query, page) {
      const what = "the list of configurations";
      const data = await ask("GET", `${CS}/config/list`, what, {
        query: { ...configQuery(query), search: "blur", ...pageQuery(page) },
      });
      listOf(http, fieldOf(data, "pageItems"), what);
      return pageOf(data, (item) => configRowOf(item, query.namespace));
    },
    async config(name) {
      const data = await found(`${CS}/config`, shown(name), nameFields(name));
      if (data === undefined || data === null) return undefined;
      if (typeof fieldOf(data, "content") !== "string") throw unlike(http, shown(name), "a content");
      return configDetailOf(data, name.namespace);
    },
    async beta(name) {
      const data = await found(`${CS}/config/beta`, `the gray version of ${name.dataId}`, nameFields(name));
      return data === undefined || data === null ? undefined : betaOf(data);
    },
    async grays(name) {
      if (!listsGrays) return graysOfBeta(await this.beta(name));
      const what = `the gray versions of ${name.dataId}`;
      const answer = await http.call("GET", `${CS}/config/gray`, { query: nameFields(name) });
      if (answer.status >= 400 && answer.status < 500 && answer.status !== 401 && answer.status !== 403) {
        listsGrays = false;
        return this.grays(name);
      }
      const rows = dataOf(http, answer, what);
      const versions: GrayDetail[] = [];
      for (const row of Array.isArray(rows) ? rows : []) {
        const query = { ...nameFields(name), grayName: textIn(row, "grayName") };
        const data = await found(`${CS}/config/gray`, what, query);
        if (data !== undefined && data !== null) versions.push(grayOf(data));
      }
      return { all: true, versions };
    },
    async stored(name) {
      const data = await found("/v3/client/cs/config", shown(name), nameFields(name));
      const content = fieldOf(data, "content");
      return typeof content === "string" ? { content, encryptedDataKey: textIn(data, "encryptedDataKey") } : undefined;
    },
    async publish(publish) {
      const answer = await http.call("POST", `${CS}/config`, publishCall(publish));
      const isConditional = publish.ifMd5 !== undefined || publish.insertOnly === true;
      if (isConditional && fieldOf(answer.json, "code") === CONFLICT) throw new Conflict(http, publish);
      dataOf(http, answer, shown(publish));
    },
    async remove(name, tag) {
      await ask("DELETE", `${CS}/config`, shown(name), { query: { ...nameFields(name), tag } });
    },
    async removeBeta(name) {
      await ask("DELETE", `${CS}/config/beta`, `the gray version of ${name.dataId}`, { query: nameFields(name) });
    },
    async history(name, page) {
      const query = { ...nameFields(name), ...pageQuery(page) };
      return pageOf(await ask("GET", `${CS}/history/list`, `the history of ${name.dataId}`, { query }), (item) =>
        historyOf(item, name),
      );
    },
    async historyRow(name, nid) {
      const data = await found(`${CS}/history`, `the history row ${nid}`, { ...nameFields(name), nid });
      return data === undefined || data === null ? undefined : historyOf(data, name);
    },
    async exported(query) {
      const { dataId, groupName, namespaceId, appName } = configQuery(query);
      const call = { query: { ids: "", dataId, groupName, namespaceId, appName } };
      return zipOf(http, await http.open("GET", `${CS}/config/export`, call));
    },
    async imported(namespace, policy, file) {
      const body = new FormData();
      body.append("file", file, "configs.zip");
      const query = { namespaceId: namespace, policy: policy.toUpperCase() };
      return importResultOf(await ask("POST", `${CS}/config/import`, "the import", { query, body }));
    },

    async services({ namespace, group, service }, page) {
      const query = { namespaceId: namespace, groupNameParam: group, serviceNameParam: service, ...pageQuery(page) };
      return pageOf(await ask("GET", `${NS}/service/list`, "the list of services", { query }), serviceRowOf);
    },
    service: (name) => ask("GET", `${NS}/service`, `the service ${name.service}`, { query: serviceFields(name) }),
    async instances(name) {
      const query = serviceFields(name);
      const service = await ask("GET", `${NS}/service`, `the service ${name.service}`, { query });
      const clusters = Object.keys((fieldOf(service, "clusterMap") as object | undefined) ?? {});
      const lists = clusters.map(async (clusterName) => {
        const call = { query: { ...query, clusterName } };
        const what = `the instances of ${name.service}`;
        return listOf(http, await ask("GET", `${NS}/instance/list`, what, call), what);
      });
      return (await Promise.all(lists)).flat().map(instanceOf);
    },
    async register(instance) {
      await ask("POST", `${NS}/instance`, shownInstance(instance), { form: instanceFields(instance) });
    },
    async deregister(instance) {
      await ask("DELETE", `${NS}/instance`, shownInstance(instance), { query: instanceFields(instance) });
    },
    async update(instance) {
      await ask("PUT", `${NS}/instance/partial`, shownInstance(instance), { form: instanceFields(instance) });
    },
  };
}

/** The `data` of a `Result`. @throws CliError when the server refuses. */
export async function asked(http: Http, method: string, path: string, what: string, call?: Call): Promise<unknown> {
  return dataOf(http, await http.call(method, path, call), what);
}

export function dataOf(http: Http, answer: Answer, what: string): unknown {
  if (answer.status >= 200 && answer.status < 300 && fieldOf(answer.json, "code") === 0) {
    return fieldOf(answer.json, "data");
  }
  throw http.refused(answer, what);
}

/** @throws CliError for anything else: taken for an empty list, an import would report that it is done. */
function listOf(http: Http, data: unknown, what: string): readonly unknown[] {
  if (Array.isArray(data)) return data;
  throw unlike(http, what, "a list");
}

function unlike(http: Http, what: string, wanted: string): CliError {
  return new CliError("failed", `${http.base} answers ${what} without ${wanted}: it is no server of this kind.`);
}

function isMissing(answer: Answer): boolean {
  return answer.status === 404 && fieldOf(answer.json, "code") === 20004;
}

export function publishCall(publish: Publish): { form: Fields; headers: Record<string, string> } {
  const headers: Record<string, string> = {};
  if (publish.ifMd5 !== undefined) headers.casMd5 = publish.ifMd5;
  if (publish.betaIps !== undefined) headers.betaIps = publish.betaIps;
  const { content, tag, gray, use, effect, schema, encryptedDataKey } = publish;
  const form = {
    ...nameFields(publish),
    content,
    tag,
    ...(gray !== undefined && {
      grayName: gray.name,
      grayType: gray.rule.type,
      grayRuleExp: gray.rule.expr,
      grayPriority: gray.rule.priority,
    }),
    appName: publish.app,
    srcUser: publish.user,
    configTags: publish.tags,
    desc: publish.description,
    use,
    effect,
    type: publish.type,
    schema,
    encryptedDataKey,
    validate: publish.validate || undefined,
    insertOnly: publish.insertOnly || undefined,
  };
  return { form, headers };
}

/** What is stored is not what a publish was to replace. */
export class Conflict extends CliError {
  constructor(http: Http, { dataId, ifMd5 }: Pick<Publish, "dataId" | "ifMd5">) {
    const other =
      ifMd5 === undefined ? `holds a ${dataId} already` : `holds another version of ${dataId} than ${ifMd5}`;
    super("failed", `${http.base} ${other}: read it again and repeat the change.`);
  }
}

/** The body of an export. @throws CliError for anything but a zip. */
export async function zipOf(http: Http, response: Response): Promise<AsyncIterable<Uint8Array>> {
  if (response.status === 200 && response.body !== null) return response.body;
  const text = await response.text();
  throw http.refused({ status: response.status, headers: response.headers, text, json: undefined }, "the export");
}

export function shown({ dataId, group, namespace }: ConfigName): string {
  return `${dataId} (group ${group}, namespace ${namespace})`;
}

export function shownInstance({ ip, port, service }: InstanceEdit): string {
  return `the instance ${addressText(ip, port)} of ${service}`;
}

function nameFields({ namespace, group, dataId }: ConfigName): Fields {
  return { namespaceId: namespace, groupName: group, dataId };
}

function serviceFields({ namespace, group, service }: ServiceName): Fields {
  return { namespaceId: namespace, groupName: group, serviceName: service };
}

function instanceFields(instance: InstanceEdit): Fields {
  const { ip, port, cluster, weight, enabled, ephemeral, metadata } = instance;
  return { ...serviceFields(instance), ip, port, clusterName: cluster, weight, enabled, ephemeral, metadata };
}

function configQuery(query: ConfigQuery) {
  return {
    namespaceId: query.namespace,
    dataId: query.dataId ?? "",
    groupName: query.group ?? "",
    appName: query.app,
    configTags: query.tags,
    type: query.type,
    configDetail: query.content,
  };
}

function pageQuery({ page, size }: PageOf): { pageNo: number; pageSize: number } {
  return { pageNo: page, pageSize: size };
}

export function namespaceRowOf(body: unknown) {
  const id = textIn(body, "namespace") || DEFAULT_NAMESPACE;
  return {
    id,
    name: textIn(body, "namespaceShowName") || id,
    description: textIn(body, "namespaceDesc"),
    configCount: numberIn(body, "configCount"),
    quota: numberIn(body, "quota"),
  };
}

export function serviceRowOf(body: unknown) {
  return {
    name: textIn(body, "name"),
    group: textIn(body, "groupName"),
    clusters: numberIn(body, "clusterCount"),
    instances: numberIn(body, "ipCount"),
    healthy: numberIn(body, "healthyInstanceCount"),
  };
}

/** All pages, one after the other; the caller decides how much of it it holds. */
export async function* pagesOf<T>(read: (page: PageOf) => Promise<Page<T>>, size: number): AsyncGenerator<Page<T>> {
  for (let page = 1; ; page++) {
    const one = await read({ page, size });
    if (one.items.length > 0 || page === 1) yield one;
    if (one.items.length === 0 || page * size >= one.total) return;
  }
}
