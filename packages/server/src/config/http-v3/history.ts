import { RegistryError } from "@nacre/protocol";
import { pageBody, result, resultText } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v3 } from "../../transport/http/rows.ts";
import { basicInfo, historyBasicInfo, historyDetailInfo, iso } from "../http-common/bodies.ts";
import type { ConfigHttpDeps } from "../http-common/deps.ts";
import { changeOf, currentOf, previousIn, rowIn, unifiedDiff } from "../http-common/history.ts";
import { largeResult } from "../http-common/large-answers.ts";
import { historyPageIn } from "../http-common/lists.ts";
import { idIn, nameIn, namespaceIn, operatorIn, V3 } from "../http-common/names.ts";
import { configsText } from "../http-common/namespace-configs.ts";
import { casMd5Of } from "../http-common/publish.ts";
import type { Surface } from "./surface.ts";

/** What became of configurations, and the way back. */
export function historyRoutes({ configs }: ConfigHttpDeps, { base }: Surface): readonly Route[] {
  const path = `${base}/history`;

  async function list(params: Params) {
    const page = historyPageIn(params);
    const { total, items } = await configs.store.history({ name: nameIn(params, V3) }, page);
    return result(pageBody(total, page.page, page.size, items.map(historyBasicInfo)));
  }

  /** The change that a row tells of, or with `against=current` what has become of its content since. */
  async function diff(params: Params) {
    const row = await rowIn(configs, params, nameIn(params, V3));
    const against = params.text("against", "next").trim();
    if (against !== "next" && against !== "current")
      throw new RegistryError("invalidParameter", "Param 'against' is illegal, it should be next or current.");
    const sides =
      against === "next" ? await changeOf(configs, row) : { before: row, after: await currentOf(configs, row) };
    const { before, after } = sides;
    const shownAt = against === "next" ? iso(row.at) : "current";
    return result({
      nid: String(row.nid),
      against,
      beforeMd5: before?.md5 ?? null,
      afterMd5: after?.md5 ?? null,
      diff: await unifiedDiff(row, before?.content ?? "", after?.content ?? "", shownAt),
    });
  }

  return [
    v3("GET", `${path}/list`, list),
    v3("GET", path, async (params) => {
      const row = await rowIn(configs, params, nameIn(params, V3));
      return largeResult(historyDetailInfo(row, row.content));
    }),
    v3("GET", `${path}/previous`, async (params) => {
      const row = await previousIn(configs, params, nameIn(params, V3));
      return largeResult(historyDetailInfo(row, row.content));
    }),
    v3("GET", `${path}/configs`, async (params) => {
      if (!params.has(V3.namespace)) params.required(V3.namespace);
      return resultText(await configsText(configs, namespaceIn(params, V3), basicInfo));
    }),
    v3("GET", `${path}/diff`, diff),
    v3("POST", `${path}/rollback`, async (params, call) => {
      const expected = params.optional("casMd5")?.trim().toLowerCase() ?? casMd5Of(call);
      const by = operatorIn(params, call, V3.user);
      return result(await configs.rollback(idIn(params, "nid"), by, expected));
    }),
  ];
}
