import { findItem } from "@nacre/core/config";
import { BETA_GRAY, RegistryError } from "@nacre/protocol";
import type { StoredConfig } from "../../storage/config-store.ts";
import { type Answer, result } from "../../transport/http/answers.ts";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v3 } from "../../transport/http/rows.ts";
import { basicInfo, detailInfo, grayInfo } from "../http-common/bodies.ts";
import { opened } from "../http-common/contents.ts";
import { type ConfigHttpDeps, publishBytesMax } from "../http-common/deps.ts";
import { largeResult } from "../http-common/large-answers.ts";
import { PAGE_SIZE_MAX, pageIn, queryIn, searchPage, wildcardsIn } from "../http-common/lists.ts";
import { idsIn, nameIn, operatorIn, V3 } from "../http-common/names.ts";
import { publishIn, removeIn } from "../http-common/publish.ts";
import type { Surface } from "./surface.ts";

const IDS_MAX = 10_000;

/** Single configurations, their gray versions, and lists. */
export function configRoutes(deps: ConfigHttpDeps, { base, isConsole }: Surface): readonly Route[] {
  const { configs } = deps;
  const path = `${base}/config`;

  async function get(params: Params): Promise<Answer> {
    const found = await configs.stored.config(nameIn(params, V3));
    if (found !== undefined) return largeResult(detailInfo(await opened(configs, found)));
    if (isConsole) return result(null);
    throw new RegistryError("configNotFound", "Config not exist, please publish Config first.");
  }

  async function publish(params: Params, call: Call): Promise<Answer> {
    const publish = publishIn(params, call, V3);
    if (params.boolean("dryRun", false)) return result(await configs.dryRun(publish, deps.peers));
    await configs.publish(publish);
    return result(true);
  }

  async function list(params: Params, wildcards: boolean, content: boolean): Promise<Answer> {
    const page = pageIn(params, { page: 1, size: 100 }, PAGE_SIZE_MAX);
    const words = { spelling: V3, wildcards, types: "type", ...(content && { content: "configDetail" }) };
    const shown = (config: StoredConfig) => ({
      ...basicInfo(config),
      grayCount: findItem(configs.state, config.name)?.grays.length ?? 0,
    });
    return result(await searchPage(configs, { ...queryIn(params, words), headsOnly: true }, page, shown));
  }

  async function grayOf(params: Params, gray: string, missing: string): Promise<Answer> {
    const found = await configs.stored.gray(nameIn(params, V3), gray);
    if (found === undefined) throw new RegistryError("configNotFound", missing);
    return largeResult(grayInfo(await opened(configs, found)));
  }

  async function removeGray(params: Params, call: Call, gray: string): Promise<Answer> {
    await configs.remove(nameIn(params, V3), operatorIn(params, call, V3.user), gray);
    return result(true);
  }

  const unchecked = (route: Route): Route => ({ ...route, checked: false });
  return [
    v3("GET", path, get),
    { ...v3("POST", path, publish), bodyBytesMax: publishBytesMax(deps) },
    v3("DELETE", path, async (params, call) => {
      await removeIn(configs, params, call, V3);
      return result(true);
    }),
    v3("DELETE", isConsole ? `${path}/batchDelete` : `${path}/batch`, async (params, call) => {
      params.bound("ids");
      await configs.removeByIds(idsIn(params, "ids", IDS_MAX), operatorIn(params, call, V3.user));
      return result(true);
    }),

    unchecked(v3("GET", `${path}/list`, (params) => list(params, isConsole || wildcardsIn(params), !isConsole))),
    ...(isConsole
      ? [unchecked(v3("GET", `${path}/searchDetail`, (params) => list(params, wildcardsIn(params), true)))]
      : []),

    v3("GET", `${path}/beta`, (params) => grayOf(params, BETA_GRAY, "Config is not in beta.")),
    v3("DELETE", `${path}/beta`, (params, call) => removeGray(params, call, BETA_GRAY)),
    v3("GET", `${path}/gray`, (params) => {
      const gray = params.optional("grayName")?.trim();
      if (gray !== undefined) return grayOf(params, gray, `there is no gray version '${gray}'`);
      const held = findItem(configs.state, nameIn(params, V3))?.grays ?? [];
      // In the order in which they are tried. Contents are left out: each may have megabytes.
      return result(
        held.map(({ name, rule, md5, type, encryptedDataKey, modifiedAt }) => ({
          grayName: name,
          grayRule: JSON.stringify(rule),
          md5,
          type,
          encryptedDataKey,
          modifyTime: modifiedAt,
        })),
      );
    }),
    v3("DELETE", `${path}/gray`, (params, call) => removeGray(params, call, params.required("grayName").trim())),
  ];
}
