import { createHash } from "node:crypto";
import type { MemberProcess } from "./member-process.ts";

/** What is called; a test has others than processes. */
export type Target = Pick<MemberProcess, "name" | "url">;

/** Longer than a member takes until it says one of the three outcomes. */
export const CALL_MAX_MS = 12_000;
const GROUP = "DEFAULT_GROUP";
/** Asks for a state in which everything is that was acknowledged before. */
const LINEARIZABLE = "consistency=linearizable";
/** `api` codes of failures: see protocol/failures.ts. */
const CODES = { conflict: 20005, missing: 20004, dataAccess: 10002 } as const;
/** Of a member that does not run, no byte of a call has left. */
const NOT_CONNECTED = /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT/;

/** What is known of a call. */
export type Told<T> =
  | { readonly outcome: "done"; readonly value: T }
  /** It has no effect, and never will. */
  | { readonly outcome: "notDone"; readonly why: string }
  | { readonly outcome: "unknown"; readonly why: string };

/** What a register holds that was never written, or taken back. */
export const ABSENT = "absent";

export function publish(member: Target, dataId: string, content: string): Promise<Told<boolean>> {
  return changed(member, "POST", "/v3/admin/cs/config", { dataId, groupName: GROUP, content });
}

/** @returns false when another content stands there. */
export function publishIf(member: Target, dataId: string, from: string, to: string): Promise<Told<boolean>> {
  const headers = { casMd5: createHash("md5").update(from).digest("hex") };
  return changed(member, "POST", "/v3/admin/cs/config", { dataId, groupName: GROUP, content: to }, headers);
}

/** What the member holds: at once, or in a state that has all that was acknowledged before. */
export async function readConfig(member: Target, dataId: string, isLinearizable: boolean): Promise<Told<string>> {
  const path = `/v3/admin/cs/config?dataId=${dataId}&groupName=${GROUP}${isLinearizable ? `&${LINEARIZABLE}` : ""}`;
  const { status, body, failed } = await call(member, "GET", path);
  if (failed !== undefined) return failed;
  if (status === 200) return { outcome: "done", value: (body.data as { content: string }).content };
  if (body.code === CODES.missing) return { outcome: "done", value: ABSENT };
  return { outcome: "notDone", why: `${status} ${JSON.stringify(body)}` };
}

/** A persistent instance; the value is its metadata. */
export function register(member: Target, service: string, address: string, value: string): Promise<Told<boolean>> {
  return changed(member, "POST", "/v3/admin/ns/instance", {
    ...instance(service, address),
    metadata: JSON.stringify({ value }),
  });
}

export function deregister(member: Target, service: string, address: string): Promise<Told<boolean>> {
  return changed(member, "DELETE", `/v3/admin/ns/instance?${new URLSearchParams(instance(service, address))}`);
}

/** The values of a service's instances by address. */
export async function readInstances(
  member: Target,
  service: string,
  isLinearizable: boolean,
): Promise<Told<ReadonlyMap<string, string>>> {
  const path = `/v3/client/ns/instance/list?serviceName=${service}${isLinearizable ? `&${LINEARIZABLE}` : ""}`;
  const { status, body, failed } = await call(member, "GET", path);
  if (failed !== undefined) return failed;
  if (status !== 200) return { outcome: "notDone", why: `${status} ${JSON.stringify(body)}` };
  const shown = body.data as readonly { ip: string; port: number; metadata: { value?: string } }[];
  return {
    outcome: "done",
    value: new Map(shown.map(({ ip, port, metadata }) => [`${ip}:${port}`, metadata.value ?? ""])),
  };
}

export function createNamespace(member: Target, id: string): Promise<Told<boolean>> {
  return changed(member, "POST", "/v3/admin/core/namespace", { namespaceId: id, namespaceName: id });
}

export async function namespacesOf(member: Target): Promise<Told<readonly string[]>> {
  const { status, body, failed } = await call(member, "GET", "/v3/admin/core/namespace/list");
  if (failed !== undefined) return failed;
  if (status !== 200) return { outcome: "notDone", why: `${status} ${JSON.stringify(body)}` };
  return { outcome: "done", value: (body.data as readonly { namespace: string }[]).map(({ namespace }) => namespace) };
}

/** @throws Error for what is not done or unknown. */
export function must<T>(told: Told<T>): T {
  if (told.outcome === "done") return told.value;
  throw new Error(`${told.outcome}: ${told.why}`);
}

function instance(service: string, address: string): Record<string, string> {
  const [ip = "", port = ""] = address.split(":");
  return { serviceName: service, ip, port, ephemeral: "false" };
}

async function changed(
  member: Target,
  method: string,
  path: string,
  form?: Record<string, string>,
  headers?: Record<string, string>,
): Promise<Told<boolean>> {
  const { status, body, failed } = await call(member, method, path, form, headers);
  if (failed !== undefined) return failed;
  if (status === 200) return { outcome: "done", value: true };
  if (body.code === CODES.conflict) return { outcome: "done", value: false };
  const why = `${status} ${JSON.stringify(body)}`;
  // 503: nobody took it. This member's own disk did not. Of 500 it is open whether it will be done; 4xx was not even tried.
  return status === 503 || status < 500 || body.code === CODES.dataAccess
    ? { outcome: "notDone", why }
    : { outcome: "unknown", why };
}

interface Answered {
  readonly status: number;
  readonly body: { readonly code?: number; readonly data?: unknown };
  readonly failed: Exclude<Told<never>, { outcome: "done" }> | undefined;
}

async function call(
  member: Target,
  method: string,
  path: string,
  form?: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Answered> {
  const nothing = { status: 0, body: {} };
  try {
    const answer = await fetch(`${member.url}${path}`, {
      method,
      headers,
      ...(form !== undefined && { body: new URLSearchParams(form) }),
      signal: AbortSignal.timeout(CALL_MAX_MS),
    });
    const text = await answer.text();
    return { status: answer.status, body: parse(text), failed: undefined };
  } catch (thrown) {
    const { cause } = thrown as Error & { cause?: { code?: string } };
    const why = `${member.name}: ${cause?.code ?? cause ?? thrown}`;
    return { ...nothing, failed: { outcome: NOT_CONNECTED.test(why) ? "notDone" : "unknown", why } };
  }
}

function parse(text: string): Answered["body"] {
  try {
    return JSON.parse(text) as Answered["body"];
  } catch {
    return { data: text };
  }
}
