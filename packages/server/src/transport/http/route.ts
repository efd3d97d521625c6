import type { Answer } from "./answers.ts";
import type { Call } from "./call.ts";
import type { Family } from "./family.ts";
import type { Params } from "./params.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** For endpoints that the reference answers whatever the method is. */
export const ANY_METHOD: readonly Method[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/**
 * Which switch closes an endpoint of v1 or v2: `open` is the API of 1.x SDKs, `admin` and `console` what tools and the
 * 2.x console call, `none` cannot be closed.
 */
export type Gate = "open" | "admin" | "console" | "none";

/** One endpoint, as data: the server serves it, metrics and documentation list it. */
export interface Route {
  readonly method: Method | readonly Method[];
  /** Below the context path; `:name` stands for one segment. */
  readonly path: string;
  /**
   * A parameter that makes this another endpoint than others of the same path: `show=all`. Those with a marker are tried
   * in the order of the table, before the one without.
   */
  readonly marker?: string;
  readonly gate: Gate;
  readonly family: Family;
  /** What to call instead, for the answer of a closed gate; absent when nothing took its place. */
  readonly instead?: string;
  /** Whether names in the parameters are held against the rules of names. Default true. */
  readonly checked?: boolean;
  /** The largest body, where it is more than that of the server. */
  readonly bodyBytesMax?: number;
  /**
   * Answers a call. A thrown `RegistryError` becomes the failure of the family; anything else is logged and answered
   * with a 500 that says nothing of it.
   */
  handle(params: Params, call: Call): Answer | Promise<Answer>;
}

/** The endpoint that a call means, out of those of its method and path; undefined when all want a marker that it has not. */
export function meant(routes: readonly Route[], params: Params): Route | undefined {
  return (
    routes.find(({ marker }) => marker !== undefined && marked(marker, params)) ??
    routes.find(({ marker }) => marker === undefined)
  );
}

function marked(marker: string, params: Params): boolean {
  const [name = "", value = ""] = marker.split("=");
  return params.optional(name)?.trim() === value;
}

/** The path as documents show it. */
export function shownPath({ path, marker }: Pick<Route, "path" | "marker">): string {
  return marker === undefined ? path : `${path}?${marker}`;
}

export function methodsOf({ method }: Pick<Route, "method">): readonly Method[] {
  return typeof method === "string" ? [method] : method;
}
