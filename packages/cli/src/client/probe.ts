import { CliError } from "../failure.ts";
import { type Answer, type Caller, fieldOf, Http } from "./http.ts";
import type { Dialect } from "./model.ts";

const CONTEXT = "/nacos";
/** Other addresses of the loopback device may be those of other servers. */
const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/;
const NO_CONFIG = { dataId: "nacre.probe", group: "DEFAULT_GROUP" };

export interface Probed {
  readonly http: Http;
  readonly dialect: Dialect;
}

/** What a user wrote for a server. A bare `host:port` is http. @throws CliError `usage` when it is no address. */
export function serverUrl(text: string): URL {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new CliError("usage", `"${text}" is no address of a server: write it like http://127.0.0.1:8848/nacos.`);
}

/** Finds the context path, where the address has none, and which dialect the server speaks. */
export async function probe(server: string, caller: Omit<Caller, "base">): Promise<Probed> {
  const url = serverUrl(server);
  const path = url.pathname.replace(/\/+$/, "");
  const contexts = path === "" ? [CONTEXT, ""] : [path];
  for (const context of contexts) {
    const http = new Http({ ...caller, base: `${url.origin}${context}` });
    const dialect = await dialectOf(http);
    if (dialect !== undefined) return { http, dialect };
  }
  throw new CliError(
    "failed",
    `${url.origin}${contexts[0]} answers, but not like Nacre, Nacos or r-nacos: check the port and the context path in --server.`,
  );
}

/** The own machine is `localhost`, whatever it is called. Undefined for what is no URL. */
export function hostAndPort(url: string): { readonly host: string; readonly port: string } | undefined {
  if (!URL.canParse(url)) return undefined;
  const { hostname, port } = new URL(url);
  return { host: LOOPBACK.test(hostname) ? "localhost" : hostname, port };
}

async function dialectOf(http: Http): Promise<Dialect | undefined> {
  // Asked without a login, for it is open everywhere, and whom to log in with depends on nothing it says.
  const open = new Http({ ...http.caller, username: undefined });
  const live = await open.call("GET", "/v3/admin/core/state/liveness");
  if (live.status === 200 && fieldOf(live.json, "code") === 0) return "v3";
  const namespaces = await open.call("GET", "/v1/console/namespaces");
  if (namespaces.status === 200 && Array.isArray(fieldOf(namespaces.json, "data"))) return "v1";
  return isConfigApi(await open.call("GET", "/v1/cs/configs", { query: NO_CONFIG })) ? "v1" : undefined;
}

function isConfigApi({ status, text }: Answer): boolean {
  return status === 200 || status === 403 || /config data not exist/.test(text);
}
