import { json, jsonText, pageBody } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import { configInfo, historyInfo } from "../http-common/bodies.ts";
import type { ConfigHttpDeps } from "../http-common/deps.ts";
import { previousIn, rowIn } from "../http-common/history.ts";
import { largeJson } from "../http-common/large-answers.ts";
import { historyPageIn } from "../http-common/lists.ts";
import { nameIn, namespaceIn, V1 } from "../http-common/names.ts";
import { configsText } from "../http-common/namespace-configs.ts";
import { type ConfigRow, configV1 } from "./rows.ts";

/** `/v1/cs/history`. */
export function historyRows({ configs }: ConfigHttpDeps): readonly ConfigRow[] {
  const path = "/v1/cs/history";
  const admin = "GET /v3/admin/cs/history";

  async function list(params: Params) {
    const name = nameIn(params, V1);
    const page = historyPageIn(params);
    const appName = params.optional("appName");
    const { total, items } = await configs.store.history({ name, ...(appName !== undefined && { appName }) }, page);
    return json(
      pageBody(
        total,
        page.page,
        page.size,
        items.map((row) => historyInfo(row, null)),
      ),
    );
  }

  return [
    configV1("GET", path, "console", `${admin}/list`, list, { marker: "search=accurate" }),
    configV1("GET", path, "console", admin, async (params) => {
      const row = await rowIn(configs, params, nameIn(params, V1));
      return largeJson(historyInfo(row, row.content));
    }),
    configV1("GET", `${path}/previous`, "console", `${admin}/previous`, async (params) => {
      const row = await previousIn(configs, params, nameIn(params, V1));
      return largeJson(historyInfo(row, row.content));
    }),
    configV1("GET", `${path}/configs`, "console", `${admin}/configs`, async (params) => {
      if (!params.has(V1.namespace)) params.required(V1.namespace);
      return jsonText(await configsText(configs, namespaceIn(params, V1), configInfo));
    }),
  ];
}
