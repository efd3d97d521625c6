import type { Gate, Method, Route } from "./route.ts";

/**
 * Route tables of one line per endpoint: the family and what goes with it are in the name of the function. `instead` is
 * blank where nothing takes the place of an endpoint.
 */

type Handle = Route["handle"];
type Methods = Method | readonly Method[];

export function v1(method: Methods, path: string, gate: Gate, instead: string, handle: Handle): Route {
  return { method, path, gate, family: "v1", ...(instead !== "" && { instead }), handle };
}

export function v2(method: Methods, path: string, gate: Gate, instead: string, handle: Handle): Route {
  return { method, path, gate, family: "v2", ...(instead !== "" && { instead }), handle };
}

/** v3 is the current interface: nothing closes it. */
export function v3(method: Methods, path: string, handle: Handle): Route {
  return { method, path, gate: "none", family: "v3", handle };
}

/** Metrics, probes of the actuator, server lists: no API of their own, never closed. */
export function plain(path: string, handle: Handle): Route {
  return { method: "GET", path, gate: "none", family: "plain", handle };
}
