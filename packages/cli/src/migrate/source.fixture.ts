import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import { md5Of } from "../client/v1.ts";
import { listening } from "./listening.fixture.ts";

/** Whose answers a stand-in gives: the shapes of their public APIs, with what each of them lacks. */
export type Kind = "nacos1" | "nacos2" | "nacos3" | "r-nacos";

export interface Item {
  /** As the server stores it: up to 2.x the default namespace is blank, and `public` is another one. */
  readonly tenant: string;
  readonly group: string;
  readonly dataId: string;
  content: string;
  readonly type?: string;
  readonly desc?: string;
  readonly tags?: string;
  readonly app?: string;
  readonly user?: string;
  readonly encryptedDataKey?: string;
  /** What consoles show of an encrypted content. */
  readonly decrypted?: string;
  readonly beta?: { readonly ips: string; readonly content: string };
}

interface Setup {
  readonly kind: Kind;
  readonly items: readonly Item[];
  readonly namespaces?: readonly { readonly id: string; readonly name: string; readonly description: string }[];
  readonly login?: { readonly username: string; readonly password: string };
  /** Looks at each call first; a number is answered as that status. */
  readonly before?: (path: string, query: URLSearchParams) => number | undefined;
}

export interface StandIn {
  /** Without a context path. */
  readonly url: string;
  /** Paths asked for, in order. */
  readonly asked: string[];
}

const TOKEN = "token-1";
const MODIFIED_AT = 1_735_689_600_000;

export async function standIn(context: TestContext, setup: Setup): Promise<StandIn> {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "", "http://x");
    const path = url.pathname.replace(/^\/nacos/, "");
    for (const [name, value] of new URLSearchParams(await bodyOf(request))) url.searchParams.append(name, value);
    asked.push(path);
    const status = setup.before?.(path, url.searchParams);
    if (status !== undefined) return send(response, status, "busy");
    if (!url.pathname.startsWith("/nacos/")) return send(response, 404, "no page");
    answer(setup, path, url.searchParams, request, response);
  });
  return { url: await listening(context, server), asked };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

function send(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body));
}

function answer(
  setup: Setup,
  path: string,
  query: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { kind, login } = setup;
  if (path === "/v3/admin/core/state/liveness" && kind === "nacos3") {
    return send(response, 200, { code: 0, message: "success", data: "ok" });
  }
  if (path === "/v1/auth/login" || (path === "/v3/auth/user/login" && kind === "nacos3")) {
    const known = query.get("username") === login?.username && query.get("password") === login?.password;
    return known ? send(response, 200, { accessToken: TOKEN, tokenTtl: 18000 }) : send(response, 403, "unknown user!");
  }
  const token = request.headers.authorization ?? `Bearer ${query.get("accessToken")}`;
  if (login !== undefined && token !== `Bearer ${TOKEN}`) return send(response, 403, "authorization failed!");
  if (kind === "nacos3") return answerV3(setup, path, query, response);
  return answerV1(setup, path, query, response);
}

function answerV1(setup: Setup, path: string, query: URLSearchParams, response: ServerResponse): void {
  const { kind, namespaces = [] } = setup;
  if (path === "/v1/console/namespaces") {
    const rows = [{ id: "", name: "public", description: "" }, ...namespaces];
    return send(response, 200, { code: 200, message: null, data: rows.map(namespaceBody) });
  }
  if (path === "/v1/cs/history" && kind !== "r-nacos") {
    const item = find(setup, query, "group", "tenant");
    const rows = item === undefined ? [] : [{ id: "7", opType: "U         ", srcUser: "history-user" }];
    return send(response, 200, { totalCount: rows.length, pageNumber: 1, pagesAvailable: 1, pageItems: rows });
  }
  if (path !== "/v1/cs/configs") return send(response, 404, { status: 404, error: "Not Found", path });
  const item = find(setup, query, "group", "tenant");
  if (query.has("search")) return send(response, 200, listV1(setup, query));
  if (kind !== "r-nacos" && query.get("show") === "all") {
    return item === undefined
      ? send(response, 200, "")
      : send(response, 200, { ...infoV1(item, kind), ...allOf(item) });
  }
  if (kind !== "r-nacos" && query.get("beta") === "true") {
    const data = item?.beta && { ...infoV1(item, kind), ...betaOf(item.beta), betaIps: item.beta.ips };
    return send(response, 200, { code: 200, message: "query beta ok", data: data ?? null });
  }
  if (item === undefined) return send(response, 404, "config data not exist");
  const media = item.type === "json" ? "application/json" : `text/${item.type ?? "plain"}`;
  send(response, 200, item.content, { "Content-MD5": md5Of(item.content), "Content-Type": `${media}; charset=utf-8` });
}

function listV1(setup: Setup, query: URLSearchParams) {
  const { kind } = setup;
  const isExact = kind === "r-nacos" && query.get("search") === "accurate";
  const tenant = tenantIn(kind, query, "tenant");
  const found = setup.items.filter((item) => item.tenant === tenant && !isExact);
  return pageOf(found, query, (item) => infoV1(item, kind));
}

function answerV3(setup: Setup, path: string, query: URLSearchParams, response: ServerResponse): void {
  const ok = (data: unknown): void => send(response, 200, { code: 0, message: "success", data });
  const none = (why: string): void => send(response, 404, { code: 20004, message: "resource not found", data: why });
  const item = find(setup, query, "groupName", "namespaceId");
  switch (path) {
    case "/v3/admin/core/namespace/list":
      return ok([{ id: "public", name: "public", description: "" }, ...(setup.namespaces ?? [])].map(namespaceBody));
    case "/v3/admin/cs/config/list": {
      const tenant = tenantIn("nacos3", query, "namespaceId");
      const found = setup.items.filter((one) => one.tenant === tenant);
      return ok(pageOf(found, query, (one) => ({ ...nameV3(one), md5: md5Of(one.content), modifyTime: 0 })));
    }
    case "/v3/admin/cs/config":
      if (item === undefined) return none("Config not exist, please publish Config first.");
      return ok({
        ...nameV3(item),
        ...allOf(item),
        content: item.decrypted ?? item.content,
        md5: md5Of(item.content),
        encryptedDataKey: item.encryptedDataKey ?? "",
      });
    case "/v3/admin/cs/config/beta": {
      if (item?.beta === undefined) return none("Config is not in beta.");
      const grayRule = JSON.stringify({ type: "beta", version: "1.0.0", expr: item.beta.ips, priority: 2147483647 });
      return ok({ ...nameV3(item), ...betaOf(item.beta), grayName: "beta", grayRule });
    }
    case "/v3/client/cs/config":
      if (item === undefined) return send(response, 200, { code: 20004, message: "resource not found", data: null });
      return ok({ content: item.content, encryptedDataKey: item.encryptedDataKey ?? null, md5: md5Of(item.content) });
    case "/v3/admin/cs/history/list":
      return ok({ totalCount: 0, pageNumber: 1, pagesAvailable: 0, pageItems: [] });
    default:
      return path.startsWith("/v1/") ? send(response, 410, { status: 410 }) : none(path);
  }
}

function tenantIn(kind: Kind, query: URLSearchParams, name: string): string {
  const tenant = query.get(name) ?? "";
  if (kind === "nacos3") return tenant || "public";
  return kind === "r-nacos" && tenant === "public" ? "" : tenant;
}

function find({ kind, items }: Setup, query: URLSearchParams, group: string, tenant: string): Item | undefined {
  const asked = tenantIn(kind, query, tenant);
  return items.find(
    (item) => item.tenant === asked && item.group === query.get(group) && item.dataId === query.get("dataId"),
  );
}

function pageOf<T>(found: readonly T[], query: URLSearchParams, body: (item: T) => unknown) {
  const page = Number(query.get("pageNo"));
  const size = Number(query.get("pageSize"));
  const pageItems = found.slice((page - 1) * size, page * size).map(body);
  return { totalCount: found.length, pageNumber: page, pagesAvailable: Math.ceil(found.length / size), pageItems };
}

function namespaceBody({ id, name, description }: { id: string; name: string; description: string }) {
  const type = id === "" || id === "public" ? 0 : 2;
  return { namespace: id, namespaceShowName: name, namespaceDesc: description, quota: 200, configCount: 0, type };
}

function infoV1(item: Item, kind: Kind) {
  const { tenant, group, dataId, content, type, app, encryptedDataKey } = item;
  const named = { id: "1", dataId, group, tenant, content: item.decrypted ?? content, md5: md5Of(content) };
  if (kind === "r-nacos") return { ...named, appName: null, type: null, encryptedDataKey: null };
  return { ...named, appName: app ?? "", type, ...(kind === "nacos2" && { encryptedDataKey: encryptedDataKey ?? "" }) };
}

function nameV3({ tenant, group, dataId, type, app }: Item) {
  return { id: "1", namespaceId: tenant, groupName: group, dataId, type, appName: app ?? "" };
}

function allOf({ desc, tags, user }: Item) {
  const times = { createTime: MODIFIED_AT, modifyTime: MODIFIED_AT };
  return { ...times, desc: desc ?? null, configTags: tags ?? null, createUser: user ?? null, createIp: "10.0.0.1" };
}

function betaOf({ content }: { content: string }) {
  return { content, md5: md5Of(content) };
}
