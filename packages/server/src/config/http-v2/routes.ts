import { RegistryError } from "@nacre/protocol";
import { json, pageBody, result, resultText, withHeaders } from "../../transport/http/answers.ts";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v2 } from "../../transport/http/rows.ts";
import { configInfo, extInfo, historyInfo, iso, publishType } from "../http-common/bodies.ts";
import { readable } from "../http-common/contents.ts";
import { type ConfigHttpDeps, publishBytesMax } from "../http-common/deps.ts";
import { changeOf, previousIn, rowIn, type Side } from "../http-common/history.ts";
import { largeResult } from "../http-common/large-answers.ts";
import {
  CONTENTS_PAGE_SIZE_MAX,
  historyPageIn,
  pageIn,
  queryIn,
  searchPage,
  wildcardsIn,
} from "../http-common/lists.ts";
import { askingIn, nameIn, namespaceIn, V1, V2 } from "../http-common/names.ts";
import { configsText } from "../http-common/namespace-configs.ts";
import { publishIn, removeIn } from "../http-common/publish.ts";
import { readHeaders } from "../http-v1/configs.ts";

/** `/v2/cs`. */
export function configV2Routes(deps: ConfigHttpDeps): readonly Route[] {
  const { configs } = deps;
  const path = "/v2/cs/config";
  const history = "/v2/cs/history";
  const admin = "/v3/admin/cs";

  async function get(params: Params, call: Call) {
    const name = nameIn(params, V2);
    const read = await configs.read(name, askingIn(params, call));
    if (!read.found) throw new RegistryError("configNotFound", "config data not exist");
    const { encryptedDataKey } = read.version;
    const shown = await readable(configs, { name, content: read.content, encryptedDataKey });
    return withHeaders(result(shown), readHeaders(read));
  }

  async function historyList(params: Params) {
    const page = historyPageIn(params);
    const { total, items } = await configs.store.history({ name: nameIn(params, V2) }, page);
    return result(
      pageBody(
        total,
        page.page,
        page.size,
        items.map((row) => historyInfo(row, null)),
      ),
    );
  }

  async function searchDetail(params: Params) {
    for (const param of ["dataId", "group", "config_detail"]) if (!params.has(param)) params.required(param);
    const page = pageIn(params, undefined, CONTENTS_PAGE_SIZE_MAX);
    const query = queryIn(params, { spelling: V1, wildcards: wildcardsIn(params), content: "config_detail" });
    return json(await searchPage(configs, query, page, configInfo));
  }

  async function historyDetail(params: Params) {
    const row = await rowIn(configs, params, nameIn(params, V2));
    const { before, after } = await changeOf(configs, row);
    const { nid, name, op, gray, fields, by, contentAt, at } = row;
    return largeResult({
      id: String(nid),
      dataId: name.dataId,
      group: name.group,
      tenant: name.namespace,
      opType: op,
      publishType: publishType(row),
      grayName: gray ?? null,
      appName: fields.appName,
      srcIp: by.ip,
      srcUser: by.user,
      originalMd5: before?.md5 ?? null,
      originalContent: before?.content ?? null,
      originalEncryptedDataKey: before?.encryptedDataKey ?? null,
      originalExtInfo: extInfoOf(before),
      updatedMd5: after?.md5 ?? null,
      updatedContent: after?.content ?? null,
      updatedEncryptedDataKey: after?.encryptedDataKey ?? null,
      updateExtInfo: extInfoOf(after),
      createdTime: iso(contentAt),
      lastModifiedTime: iso(at),
    });
  }

  return [
    v2("GET", path, "admin", "GET /v3/client/cs/config", get),
    {
      ...v2("POST", path, "admin", `POST ${admin}/config`, async (params, call) => {
        await configs.publish(publishIn(params, call, V2));
        return result(true);
      }),
      bodyBytesMax: publishBytesMax(deps),
    },
    v2("DELETE", path, "admin", `DELETE ${admin}/config`, async (params, call) => {
      await removeIn(configs, params, call, V2);
      return result(true);
    }),
    { ...v2("GET", `${path}/searchDetail`, "console", `GET ${admin}/config/list`, searchDetail), checked: false },

    v2("GET", `${history}/list`, "admin", `GET ${admin}/history/list`, historyList),
    v2("GET", history, "admin", `GET ${admin}/history`, async (params) => {
      const row = await rowIn(configs, params, nameIn(params, V2));
      return largeResult(historyInfo(row, row.content));
    }),
    v2("GET", `${history}/detail`, "none", "", historyDetail),
    v2("GET", `${history}/previous`, "admin", `GET ${admin}/history/previous`, async (params) => {
      const row = await previousIn(configs, params, nameIn(params, V2));
      return largeResult(historyInfo(row, row.content));
    }),
    v2("GET", `${history}/configs`, "admin", `GET ${admin}/history/configs`, async (params) => {
      if (!params.has(V2.namespace)) params.required(V2.namespace);
      const show = (config: Parameters<typeof configInfo>[0]) => ({
        ...configInfo(config),
        lastModified: config.modifiedAt,
      });
      return resultText(await configsText(configs, namespaceIn(params, V2), show));
    }),
  ];
}

function extInfoOf(side: Side): string | null {
  return side === undefined ? null : extInfo(side);
}
