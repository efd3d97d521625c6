import type { IncomingMessage } from "node:http";
import { agentOf, headerOf, sourceIpOf } from "./call.ts";

/** What the head of a request says, before anything is decided about it. */
export interface Arrival {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly method: string;
  /** Below the context path, without double slashes. */
  readonly path: string;
  /** With the context path if it was there. */
  readonly uri: string;
  readonly query: string;
  readonly sourceIp: string;
  readonly agent: string;
  /** As the client wrote it; blank when it says nothing. */
  readonly contentType: string;
  /** Where it is served, as the route spells it; undefined while nobody knows, and where nothing is. */
  route: string | undefined;
  /** The name of the failure that the call ended with. */
  failure: string | undefined;
}

/** @param contextPath  blank, or a path without a slash at its end: every route is served below it and without it. */
export function arrivalOf(request: IncomingMessage, contextPath: string, at: number): Arrival {
  const { method = "", headers, socket } = request;
  const url = originForm(request.url ?? "/");
  const mark = url.indexOf("?");
  const uri = (mark === -1 ? url : url.slice(0, mark)).replace(/\/{2,}/g, "/");
  return {
    at,
    method,
    uri,
    path: belowContext(contextPath, uri),
    query: mark === -1 ? "" : url.slice(mark + 1),
    sourceIp: sourceIpOf(headers, socket.remoteAddress),
    agent: agentOf(headers),
    contentType: headerOf(headers, "content-type")?.trim() ?? "",
    route: undefined,
    failure: undefined,
  };
}

/** The target as clients write it that take a server for a proxy, without what names the server. */
function originForm(url: string): string {
  if (url.startsWith("/")) return url;
  const rest = url.replace(/^https?:\/\/[^/?]*/i, "");
  return rest === "" || rest.startsWith("?") ? `/${rest}` : rest;
}

function belowContext(contextPath: string, path: string): string {
  if (contextPath === "" || (path !== contextPath && !path.startsWith(`${contextPath}/`))) return path;
  return path.slice(contextPath.length) || "/";
}
