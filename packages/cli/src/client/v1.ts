import { createHash } from "node:crypto";
import {
  betaOf,
  configDetailOf,
  configRowOf,
  DEFAULT_NAMESPACE,
  givenIn,
  graysOfBeta,
  historyOf,
  importResultOf,
  instanceOf,
  listIn,
  numberIn,
  pageOf,
  textIn,
} from "./bodies.ts";
import { type Answer, type Call, type Fields, fieldOf, type Http } from "./http.ts";
import type {
  ConfigDetail,
  ConfigName,
  InstanceEdit,
  InstanceRow,
  Page,
  PageOf,
  Publish,
  Remote,
  ServiceName,
} from "./model.ts";
import { CONFLICT, Conflict, namespaceRowOf, serviceRowOf, shown, shownInstance, zipOf } from "./v3.ts";

const CS = "/v1/cs";
const NS = "/v1/ns";
const NAMESPACES = "/v1/console/namespaces";
const CATALOG_PAGE = 500;

/**
 * Nacos 1 and 2, and servers that speak the same, such as r-nacos.
 *
 * @param publicTenant  how the default namespace is spelled: blank; or `public`, which up to 2.x is another tenant.
 */
export function remoteV1(http: Http, publicTenant: "" | "public" = ""): Remote {
  const tenantOf = (namespace: string): string => (namespace === DEFAULT_NAMESPACE ? publicTenant : namespace);
  const nameFields = ({ namespace, group, dataId }: ConfigName): Fields => ({
    dataId,
    group,
    tenant: tenantOf(namespace),
  });
  const ask = async (method: string, path: string, what: string, call?: Call): Promise<Answer> => {
    const answer = await http.call(method, path, call);
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw http.refused(answer, what);
  };
  const change = async (method: string, path: string, what: string, call: Call): Promise<void> => {
    const answer = await ask(method, path, what, call);
    // These writes answer 200 also when nothing was written.
    if (/^\s*false\s*$/.test(answer.text)) throw http.refused({ ...answer, status: 400 }, what);
  };

  async function plain(name: ConfigName): Promise<ConfigDetail | undefined> {
    const answer = await http.call("GET", `${CS}/configs`, { query: nameFields(name) });
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw http.refused(answer, shown(name));
    const { headers, text } = answer;
    const detail = configDetailOf(
      {
        ...name,
        content: text,
        md5: headers.get("Content-MD5") ?? md5Of(text),
        type: headers.get("Config-Type") ?? typeOfMedia(headers.get("Content-Type")),
        encryptedDataKey: headers.get("Encrypted-Data-Key"),
      },
      name.namespace,
    );
    return { ...detail, complete: false };
  }

  async function catalogInstances(name: ServiceName, cluster: string): Promise<InstanceRow[]> {
    const query = { ...serviceFields(name), clusterName: cluster, pageSize: CATALOG_PAGE };
    const rows: InstanceRow[] = [];
    for (let pageNo = 1; ; pageNo++) {
      const call = { query: { ...query, pageNo } };
      const { json } = await ask("GET", `${NS}/catalog/instances`, `the instances of ${name.service}`, call);
      rows.push(...listIn(json, "list").map(instanceOf));
      if (pageNo * CATALOG_PAGE >= numberIn(json, "count")) return rows;
    }
  }

  return {
    dialect: "v1",
    base: http.base,

    async namespaces() {
      const { json } = await ask("GET", NAMESPACES, "the list of namespaces");
      return listIn(json, "data").map(namespaceRowOf);
    },
    createNamespace: ({ id, name, description }) =>
      change("POST", NAMESPACES, `the namespace ${id}`, {
        form: { customNamespaceId: id, namespaceName: name, namespaceDesc: description },
      }),
    updateNamespace: ({ id, name, description }) =>
      change("PUT", NAMESPACES, `the namespace ${id}`, {
        form: { namespace: id, namespaceShowName: name, namespaceDesc: description },
      }),
    removeNamespace: (id) =>
      change("DELETE", NAMESPACES, `the removal of the namespace ${id}`, { query: { namespaceId: id } }),

    async configs(query, { page, size }) {
      const { namespace, dataId = "", group = "", content, type, tags, app } = query;
      const fields = { dataId, group, tenant: tenantOf(namespace), appName: app, config_tags: tags };
      const paged = { ...fields, pageNo: page, pageSize: size };
      const wild = `${dataId}${group}${app ?? ""}`.includes("*") || type !== undefined;
      const one = async (search: string, path: string, extra: Fields = {}): Promise<Page<ReturnType<typeof rowOf>>> => {
        const { json } = await ask("GET", path, "the list of configurations", {
          query: { ...paged, ...extra, search },
        });
        return pageOf(json, rowOf);
      };
      const rowOf = (item: unknown) => ({
        ...configRowOf(item, textIn(item, "tenant") || DEFAULT_NAMESPACE),
        // Some servers list no MD5, but the content that it is made of.
        md5: givenIn(item, "md5") ?? md5Of(textIn(item, "content")),
      });
      if (content !== undefined) return one("blur", "/v2/cs/config/searchDetail", { config_detail: content });
      if (wild) return one("blur", `${CS}/configs`, { types: type });
      const exact = await one("accurate", `${CS}/configs`);
      if (exact.total > 0 || (dataId !== "" && group !== "")) return exact;
      // A blank name may mean "named blank" to an exact search. Others read the namespace of a search with wildcards
      // as a pattern, so what belongs to another namespace is left out.
      const blur = await one("blur", `${CS}/configs`);
      return { ...blur, items: blur.items.filter((row) => row.namespace === namespace) };
    },
    async config(name) {
      const answer = await http.call("GET", `${CS}/configs`, { query: { ...nameFields(name), show: "all" } });
      // Servers without this form of the call answer it like the plain one, or refuse it.
      const isDetail = fieldOf(answer.json, "dataId") === name.dataId && fieldOf(answer.json, "group") === name.group;
      if (answer.status === 200 && isDetail) return configDetailOf(answer.json, name.namespace);
      if (answer.status === 200 && answer.text === "") return undefined;
      return plain(name);
    },
    async beta(name) {
      const answer = await http.call("GET", `${CS}/configs`, { query: { ...nameFields(name), beta: true } });
      const data = fieldOf(answer.json, "data");
      return answer.status === 200 && textIn(data, "betaIps") !== "" ? betaOf(data) : undefined;
    },
    async grays(name) {
      return graysOfBeta(await this.beta(name));
    },
    stored: async () => undefined,
    async publish(publish) {
      const answer = await http.call("POST", `${CS}/configs`, publishCall(publish, nameFields(publish)));
      if (answer.status === 200 && answer.text.trim() === "true") return;
      if (publish.ifMd5 !== undefined && isConflict(answer)) throw new Conflict(http, publish);
      throw http.refused(answer, shown(publish));
    },
    remove: (name, tag) => change("DELETE", `${CS}/configs`, shown(name), { query: { ...nameFields(name), tag } }),
    async removeBeta(name) {
      const query = { ...nameFields(name), beta: true };
      await ask("DELETE", `${CS}/configs`, `the gray version of ${name.dataId}`, { query });
    },
    async history(name, { page, size }: PageOf) {
      const query = { ...nameFields(name), search: "accurate", pageNo: page, pageSize: size };
      const { json } = await ask("GET", `${CS}/history`, `the history of ${name.dataId}`, { query });
      return pageOf(json, (item) => historyOf(item, name));
    },
    async historyRow(name, nid) {
      const answer = await http.call("GET", `${CS}/history`, { query: { ...nameFields(name), nid } });
      if (answer.status === 404 || answer.status === 500) return undefined;
      if (answer.status !== 200) throw http.refused(answer, `the history row ${nid}`);
      return historyOf(answer.json, name);
    },
    async exported({ namespace, dataId, group, app }) {
      const query = { exportV2: true, ids: "", dataId, group, tenant: tenantOf(namespace), appName: app };
      return zipOf(http, await http.open("GET", `${CS}/configs`, { query }));
    },
    async imported(namespace, policy, file) {
      const body = new FormData();
      body.append("file", file, "configs.zip");
      const query = { import: true, namespace: tenantOf(namespace), policy: policy.toUpperCase() };
      const answer = await ask("POST", `${CS}/configs`, "the import", { query, body });
      if (fieldOf(answer.json, "code") !== 200) throw http.refused(answer, "the import");
      return importResultOf(fieldOf(answer.json, "data"));
    },

    async services({ namespace, group, service }, { page, size }) {
      const query = {
        namespaceId: namespace,
        groupNameParam: group,
        serviceNameParam: service,
        pageNo: page,
        pageSize: size,
      };
      const { json } = await ask("GET", `${NS}/catalog/services`, "the list of services", { query });
      const total = numberIn(json, "count");
      return { total, page, pages: Math.ceil(total / size), items: listIn(json, "serviceList").map(serviceRowOf) };
    },
    async service(name) {
      const call = { query: serviceFields(name) };
      return (await ask("GET", `${NS}/service`, `the service ${name.service}`, call)).json;
    },
    async instances(name) {
      const catalog = await http.call("GET", `${NS}/catalog/service`, { query: serviceFields(name) });
      const clusters = listIn(catalog.json, "clusters").map((cluster) => textIn(cluster, "name"));
      if (catalog.status === 200 && clusters.length > 0) {
        return (await Promise.all(clusters.map((cluster) => catalogInstances(name, cluster)))).flat();
      }
      const call = { query: serviceFields(name) };
      const { json } = await ask("GET", `${NS}/instance/list`, `the instances of ${name.service}`, call);
      return listIn(json, "hosts").map(instanceOf);
    },
    async register(instance) {
      await ask("POST", `${NS}/instance`, shownInstance(instance), { form: instanceFields(instance) });
    },
    async deregister(instance) {
      await ask("DELETE", `${NS}/instance`, shownInstance(instance), { query: instanceFields(instance) });
    },
    async update(instance) {
      await ask("PUT", `${NS}/instance`, shownInstance(instance), { form: instanceFields(instance) });
    },
  };
}

/** A lost compare-and-set: said by a word, a code or a sentence, one release after the other. */
function isConflict({ text, json }: Answer): boolean {
  return text.trim() === "false" || fieldOf(json, "code") === CONFLICT || text.includes("Cas publish fail");
}

export function md5Of(content: string): string {
  return createHash("md5").update(content).digest("hex");
}

function publishCall(publish: Publish, name: Fields): { form: Fields; headers: Record<string, string> } {
  const { content, tag, use, effect, schema, encryptedDataKey } = publish;
  const headers: Record<string, string> = {};
  if (publish.ifMd5 !== undefined) headers.casMd5 = publish.ifMd5;
  if (publish.betaIps !== undefined) headers.betaIps = publish.betaIps;
  const form = {
    ...name,
    content,
    tag,
    appName: publish.app,
    src_user: publish.user,
    config_tags: publish.tags,
    desc: publish.description,
    use,
    effect,
    type: publish.type,
    schema,
    encryptedDataKey,
  };
  return { form, headers };
}

function serviceFields({ namespace, group, service }: ServiceName): Fields {
  return { namespaceId: namespace, groupName: group, serviceName: service };
}

function instanceFields(instance: InstanceEdit): Fields {
  const { ip, port, cluster, weight, enabled, ephemeral, metadata } = instance;
  return { ...serviceFields(instance), ip, port, clusterName: cluster, weight, enabled, ephemeral, metadata };
}

/** Up to 2.x, and elsewhere, the type shows in the media type alone. */
function typeOfMedia(media: string | null): string {
  const kind = /^(?:application|text)\/(?:x-)?(json|xml|html|yaml|toml|properties)\b/.exec(media ?? "")?.[1];
  return kind ?? "text";
}
