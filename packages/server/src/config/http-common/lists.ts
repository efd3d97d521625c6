import { type ConfigType, configTypeOf, namespaceOf, RegistryError, refuseBroken, ruleBroken } from "@nacre/protocol";
import type { ConfigQuery, PageOf, StoredConfig } from "../../storage/config-store.ts";
import { pageBody } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import type { ConfigService } from "../service.ts";
import { opened } from "./contents.ts";
import type { Spelling } from "./names.ts";

/** Rows of one page: a page is in memory as a whole. */
export const PAGE_SIZE_MAX = 10_000;
/** Rows of one page with their contents. */
export const CONTENTS_PAGE_SIZE_MAX = 1_000;
/** Rows of a page of history; more is cut to it, as the reference does. */
const HISTORY_PAGE_SIZE_MAX = 500;

/** @throws RegistryError `invalidParameter`. */
export function pageIn(params: Params, defaults: PageOf | undefined, sizeMax: number): PageOf {
  const read = (name: string, otherwise: number | undefined): number =>
    otherwise === undefined ? params.boundInteger(name) : params.integer(name, otherwise);
  const page = read("pageNo", defaults?.page);
  const size = read("pageSize", defaults?.size);
  if (page < 1) throw new RegistryError("invalidParameter", "Param 'pageNo' should be positive integer.");
  if (size < 1) throw new RegistryError("invalidParameter", "Param 'pageSize' should be positive integer.");
  if (size > sizeMax) throw new RegistryError("invalidParameter", `Param 'pageSize' must be ${sizeMax} at most.`);
  return { page, size };
}

export function historyPageIn(params: Params): PageOf {
  const page = pageIn(params, { page: 1, size: 100 }, Number.MAX_SAFE_INTEGER);
  return { ...page, size: Math.min(page.size, HISTORY_PAGE_SIZE_MAX) };
}

export interface QueryWords {
  readonly spelling: Spelling;
  readonly wildcards: boolean;
  /** The parameter with a part of the content; undefined where contents are not searched. */
  readonly content?: string;
  /** The parameter with a list of types. */
  readonly types?: string;
}

/** Names may hold `*` here, so only the namespace is held against the rules. */
export function queryIn(params: Params, { spelling, wildcards, content, types }: QueryWords): ConfigQuery {
  const namespace = params.optional(spelling.namespace);
  refuseBroken(ruleBroken("namespace", namespace));
  const part = (name: string | undefined) => (name === undefined ? undefined : params.optional(name));
  const dataId = part("dataId")?.trim();
  const group = part(spelling.group)?.trim();
  const appName = part("appName")?.trim();
  const text = part(content);
  const tags = params.list(spelling.tags);
  const wanted = types === undefined ? [] : typesIn(params, types);
  return {
    namespace: namespaceOf(namespace),
    wildcards,
    ...(dataId !== undefined && { dataId }),
    ...(group !== undefined && { group }),
    ...(appName !== undefined && { appName }),
    ...(text !== undefined && { content: text }),
    ...(tags.length > 0 && { tags }),
    ...(wanted.length > 0 && { types: wanted }),
  };
}

function typesIn(params: Params, name: string): readonly ConfigType[] {
  return params.list(name).map((text) => {
    const type = configTypeOf(text);
    if (type !== undefined) return type;
    throw new RegistryError("invalidParameter", `Param '${name}' is illegal, '${text.slice(0, 64)}' is no type.`);
  });
}

/** `blur` unless the request says `accurate`. @throws RegistryError for a third word. */
export function wildcardsIn(params: Params): boolean {
  const search = params.text("search", "blur").trim();
  if (search !== "blur" && search !== "accurate")
    throw new RegistryError("invalidParameter", "Param 'search' is illegal, it should be blur or accurate.");
  return search === "blur";
}

/** One page of what matches. `show` sees readable contents, unless only heads are asked for. */
export async function searchPage(
  configs: ConfigService,
  query: ConfigQuery,
  page: PageOf,
  show: (config: StoredConfig) => unknown,
) {
  const { total, items } = await configs.store.search(query, page);
  const shown: unknown[] = [];
  for (const item of items) shown.push(show(query.headsOnly === true ? item : await opened(configs, item)));
  return pageBody(total, page.page, page.size, shown);
}
