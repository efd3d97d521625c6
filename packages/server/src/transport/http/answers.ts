import { FAILURES, type RegistryError } from "@nacre/protocol";
import { STATUS_CODES } from "../../node-http.ts";
import type { Family } from "./family.ts";

/**
 * What goes back: a status, headers of its own, and a body. Short ones stay text until they are written; long ones may
 * be made while they are sent, and end the connection when that fails on the way.
 */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array | string | AsyncIterable<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

const TEXT = "text/plain;charset=UTF-8";
const JSON_TYPE = "application/json";

/** Bare text, as v1 answers most writes. */
export function text(body: string, status = 200): Answer {
  return { status, type: TEXT, body };
}

/** An object without a wrapper. Doubles are marked with `double` of `@nacre/protocol`. */
export function json(value: unknown, status = 200): Answer {
  return jsonText(JSON.stringify(value) ?? "null", status);
}

/** JSON that is text already, or bytes already. */
export function jsonText(body: string | Uint8Array, status = 200): Answer {
  return { status, type: JSON_TYPE, body };
}

export function empty(status: number): Answer {
  return { status, type: TEXT, body: "" };
}

/** The `Result` of v2 and v3 around a value; undefined is written as null. */
export function result(data: unknown): Answer {
  return resultText(JSON.stringify(data) ?? "null");
}

/** The `Result` of v2 and v3 around JSON text. */
export function resultText(data: string): Answer {
  return jsonText(`{"code":0,"message":"success","data":${data}}`);
}

/** A `Result` that says no, whatever its status. */
export function resultFailure(status: number, code: number, message: string, data: unknown): Answer {
  return json({ code, message, data: data ?? null }, status);
}

/** The wrapper of v1 core and console calls. */
export function restResult(data: unknown, message: string | null = null, code = 200): Answer {
  return json({ code, message, data: data ?? null });
}

/** One page of a list. The reference counts an empty page too many for some lists; here the count is exact. */
export interface PageBody<T> {
  readonly totalCount: number;
  readonly pageNumber: number;
  readonly pagesAvailable: number;
  readonly pageItems: readonly T[];
}

export function pageBody<T>(
  totalCount: number,
  pageNumber: number,
  pageSize: number,
  items: readonly T[],
): PageBody<T> {
  return { totalCount, pageNumber, pagesAvailable: pagesOf(totalCount, pageSize), pageItems: items };
}

/** A page whose items are JSON text already, as JSON text. */
export function pageText(totalCount: number, pageNumber: number, pageSize: number, items: readonly string[]): string {
  const pages = pagesOf(totalCount, pageSize);
  return `{"totalCount":${totalCount},"pageNumber":${pageNumber},"pagesAvailable":${pages},"pageItems":[${items.join(",")}]}`;
}

function pagesOf(totalCount: number, pageSize: number): number {
  return pageSize < 1 ? 0 : Math.ceil(totalCount / pageSize);
}

/** What the container in front of the reference answers when no endpoint does. `at` is epoch milliseconds. */
export function errorObject(status: number, message: string, path: string, at: number): Answer {
  const timestamp = new Date(at).toISOString().replace("Z", "+00:00");
  return json({ timestamp, status, error: STATUS_CODES[status] ?? "Error", message, path }, status);
}

/** The failure of a family: text in v1 and elsewhere, a `Result` in v2 and v3. */
export function failureAnswer(family: Family, failure: RegistryError): Answer {
  const { http, api, text: generic } = FAILURES[failure.failure];
  switch (family) {
    case "v1":
    case "plain":
      return text(failure.message, http);
    case "v2":
    case "v3":
      return resultFailure(http, api, generic, failure.message);
  }
}

/** The answer with further headers. */
export function withHeaders(answer: Answer, headers: Readonly<Record<string, string>>): Answer {
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

/** Names that break their rules are refused with a line of text in v1, whose clients log the body, and never cached. */
export function uncached(answer: Answer): Answer {
  return withHeaders(answer, {
    Pragma: "no-cache",
    "Cache-Control": "no-cache,no-store",
    Expires: "Thu, 01 Jan 1970 00:00:00 GMT",
  });
}
