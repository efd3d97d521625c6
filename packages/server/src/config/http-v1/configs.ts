import { BETA_GRAY, TAG_GRAY_PREFIX, TAG_LABEL } from "@nacre/protocol";
import { type Answer, json, restResult, text, uncached, withHeaders } from "../../transport/http/answers.ts";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import { advancedInfo, configAllInfo, configInfo } from "../http-common/bodies.ts";
import { opened, readable } from "../http-common/contents.ts";
import { ARCHIVE_BYTES_MAX, type ConfigHttpDeps, publishBytesMax } from "../http-common/deps.ts";
import { largeJson } from "../http-common/large-answers.ts";
import { CONTENTS_PAGE_SIZE_MAX, pageIn, queryIn, searchPage } from "../http-common/lists.ts";
import { askingIn, idsIn, nameIn, namespaceIn, operatorIn, V1 } from "../http-common/names.ts";
import { publishIn, removeIn } from "../http-common/publish.ts";
import { clone, cloneItemsOf, exportAnswer, importFailure, importFile, policyIn } from "../http-common/transfer.ts";
import type { Read } from "../service.ts";
import { type ConfigRow, configV1 } from "./rows.ts";

const IDS_MAX = 10_000;

/** `/v1/cs/configs`: one path whose meaning depends on marker parameters. */
export function configRows(deps: ConfigHttpDeps): readonly ConfigRow[] {
  const { configs } = deps;
  const path = "/v1/cs/configs";
  const admin = "/v3/admin/cs/config";

  async function get(params: Params, call: Call): Promise<Answer> {
    const name = nameIn(params, V1);
    const asking = askingIn(params, call);
    const read = await configs.read(name, asking);
    if (read.found) {
      const { content, version } = read;
      const shown = await readable(configs, { name, content, encryptedDataKey: version.encryptedDataKey });
      return uncached(withHeaders(text(shown), readHeaders(read)));
    }
    const tag = asking.tag === undefined ? {} : { [TAG_LABEL]: encodeURIComponent(asking.tag) };
    return withHeaders(text("config data not exist\n", 404), tag);
  }

  async function publish(params: Params, call: Call): Promise<Answer> {
    await configs.publish(publishIn(params, call, V1));
    return json(true);
  }

  async function remove(params: Params, call: Call): Promise<Answer> {
    await removeIn(configs, params, call, V1);
    return json(true);
  }

  async function search(params: Params, wildcards: boolean): Promise<Answer> {
    // Both must be there, and may be blank.
    for (const param of ["dataId", "group"]) if (!params.has(param)) params.required(param);
    const page = pageIn(params, undefined, CONTENTS_PAGE_SIZE_MAX);
    const query = queryIn(params, { spelling: V1, wildcards, types: "types" });
    return json(await searchPage(configs, query, page, configInfo));
  }

  async function stored(params: Params) {
    const found = await configs.stored.config(nameIn(params, V1));
    return found && (await opened(configs, found));
  }

  async function beta(params: Params): Promise<Answer> {
    const found = await configs.stored.gray(nameIn(params, V1), BETA_GRAY);
    if (found === undefined) return restResult(null, "query beta ok");
    return restResult({ ...configInfo(await opened(configs, found)), betaIps: found.rule.expr }, "query beta ok");
  }

  async function importZip(params: Params, call: Call): Promise<Answer> {
    return restTransfer(async () => {
      const namespace = namespaceIn(params, { ...V1, namespace: "namespace" });
      const by = operatorIn(params, call, V1.user);
      const to = { namespace, policy: policyIn(params), by, missing: "importNamespaceMissing" } as const;
      return importFile(deps, call, { ...to, accept: "any" });
    }, "Imported Completed Successfully");
  }

  async function cloneAll(params: Params, call: Call): Promise<Answer> {
    return restTransfer(async () => {
      const namespace = namespaceIn(params, V1);
      const by = operatorIn(params, call, V1.user);
      const wanted = cloneItemsOf(call.json(), { id: "cfgId", dataId: "dataId", group: "group" });
      return clone(configs, wanted, { namespace, policy: policyIn(params), by, missing: "importNamespaceMissing" });
    }, "Clone Completed Successfully");
  }

  return [
    configV1("GET", path, "console", `GET ${admin}/list`, (params) => search(params, false), {
      marker: "search=accurate",
      checked: false,
    }),
    configV1("GET", path, "console", `GET ${admin}/list`, (params) => search(params, true), {
      marker: "search=blur",
      checked: false,
    }),
    configV1(
      "GET",
      path,
      "console",
      `GET ${admin}`,
      async (params) => {
        const found = await stored(params);
        return found === undefined ? text("") : largeJson(configAllInfo(found));
      },
      { marker: "show=all" },
    ),
    configV1("GET", path, "console", `GET ${admin}/beta`, beta, { marker: "beta=true" }),
    configV1("GET", path, "console", `GET ${admin}/export`, (params) => exportAnswer(deps, params, V1, "old"), {
      marker: "export=true",
      checked: false,
    }),
    configV1("GET", path, "console", `GET ${admin}/export`, (params) => exportAnswer(deps, params, V1, "new"), {
      marker: "exportV2=true",
      checked: false,
    }),
    configV1("GET", path, "open", "", get),
    configV1("GET", `${path}/catalog`, "admin", `GET ${admin}`, async (params) => {
      const found = await stored(params);
      return restResult(found === undefined ? null : advancedInfo(found));
    }),

    configV1("POST", path, "console", `POST ${admin}/import`, importZip, {
      marker: "import=true",
      bodyBytesMax: ARCHIVE_BYTES_MAX,
    }),
    configV1("POST", path, "console", `POST ${admin}/clone`, cloneAll, { marker: "clone=true" }),
    configV1("POST", path, "open", "", publish, { bodyBytesMax: publishBytesMax(deps), failsWith: "false" }),

    configV1(
      "DELETE",
      path,
      "console",
      `DELETE ${admin}/beta`,
      async (params, call) => {
        await configs.remove(nameIn(params, V1), operatorIn(params, call, V1.user), BETA_GRAY);
        return restResult(true, "stop beta ok");
      },
      { marker: "beta=true" },
    ),
    configV1(
      "DELETE",
      path,
      "console",
      `DELETE ${admin}/batch`,
      async (params, call) => {
        params.bound("ids");
        await configs.removeByIds(idsIn(params, "ids", IDS_MAX), operatorIn(params, call, V1.user));
        return restResult(true);
      },
      { marker: "delType=ids" },
    ),
    configV1("DELETE", path, "open", "", remove),
  ];
}

async function restTransfer(transfer: () => Promise<unknown>, message: string): Promise<Answer> {
  try {
    return restResult(await transfer(), message);
  } catch (thrown) {
    const { code, message } = importFailure(thrown);
    return restResult({ succCount: 0 }, message, code);
  }
}

/** What v1 and v2 say about a content besides itself. */
export function readHeaders({ version, gray }: Extract<Read, { found: true }>): Record<string, string> {
  const { md5, type, modifiedAt, encryptedDataKey } = version;
  const headers: Record<string, string> = {
    "Config-Type": type,
    "Content-MD5": md5,
    "Last-Modified": new Date(modifiedAt).toUTCString(),
  };
  if (encryptedDataKey !== "") headers["Encrypted-Data-Key"] = encryptedDataKey;
  if (gray?.name === BETA_GRAY) headers.isBeta = "true";
  else if (gray?.name.startsWith(TAG_GRAY_PREFIX) === true)
    headers.tag = encodeURIComponent(gray.name.slice(TAG_GRAY_PREFIX.length));
  return headers;
}
