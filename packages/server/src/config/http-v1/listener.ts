import type { Changed } from "@nacre/core/config";
import { RegistryError } from "@nacre/protocol";
import { type Answer, jsonText, text, uncached, withHeaders } from "../../transport/http/answers.ts";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import { type ConfigHttpDeps, publishBytesMax } from "../http-common/deps.ts";
import { listenersStatus } from "../http-common/listeners.ts";
import { labelsOf, nameIn, V1 } from "../http-common/names.ts";
import { readListening, writeChanged, writeChangedOld } from "./listening-configs.ts";
import { type ConfigRow, configV1 } from "./rows.ts";

/** The answer has to leave before the client stops waiting. */
const ANSWER_MS = 500;
const HOLD_MS_MIN = 10_000;
/** Whoever asks for more polls again a little earlier. */
const HOLD_MS_MAX = 300_000;
/** The first version that reads changes from the body without a timeout header. */
const BODY_SINCE = [2, 0, 4];
/** What proxies and clients take as one header; the next poll tells the rest. */
const HEADER_LENGTH_MAX = 7_000;

/** Long polls of 1.x SDKs, and who is listening. */
export function listenerRows(deps: ConfigHttpDeps): readonly ConfigRow[] {
  const { configs } = deps;

  /** Not async, and lets go of the request: what is held for minutes should not hold its megabytes. */
  function listen(params: Params, call: Call): Promise<Answer> {
    const listening = params.raw("Listening-Configs") ?? "";
    if (listening.trim() === "") throw new RegistryError("invalidParameter", "invalid probeModify");
    const contexts = readListening(listening, configs.state.options.checkParams);
    const timeout = timeoutOf(call);
    const holdMs = timeout === undefined || noHangup(call) ? 0 : holdOf(timeout);
    const inBody = timeout !== undefined || readsBody(call.header("client-version"));
    const labels = labelsOf(call);
    params.release();
    call.release();
    const polled = configs.poll({ ip: call.sourceIp, labels, contexts, holdMs }, call.cut);
    return polled.then(inBody ? changedInBody : changedInHeaders);
  }

  const status = async (found: Promise<string>): Promise<Answer> =>
    jsonText(`{"collectStatus":200,"lisentersGroupkeyStatus":${await found}}`);

  return [
    {
      ...configV1("POST", "/v1/cs/configs/listener", "open", "", listen),
      bodyBytesMax: publishBytesMax(deps),
    },
    configV1("GET", "/v1/cs/configs/listener", "console", "GET /v3/admin/cs/config/listener", (params) =>
      status(listenersStatus(deps, { name: nameIn(params, V1) }, params.boolean("aggregation", true))),
    ),
    configV1("GET", "/v1/cs/listener", "console", "GET /v3/admin/cs/listener", (params) => {
      const asked = { ip: params.bound("ip"), namespace: listenedNamespace(params, V1.namespace) };
      return status(listenersStatus(deps, asked, params.boolean("aggregation", true)));
    }),
  ];
}

function changedInBody(changed: readonly Changed[]): Answer {
  return uncached(text(changed.length === 0 ? "" : `${writeChanged(changed)}\n`));
}

function changedInHeaders(changed: readonly Changed[]): Answer {
  const few = changed.slice(
    0,
    howMany(changed.length, (count) => writeChanged(changed.slice(0, count)).length),
  );
  return uncached(
    withHeaders(text(""), {
      "Probe-Modify-Response": writeChangedOld(few),
      "Probe-Modify-Response-New": writeChanged(few),
    }),
  );
}

/** Without `all` and without a namespace it is about the default one. */
export function listenedNamespace(params: Params, param: string): string | undefined {
  return params.isTrue("all") ? undefined : params.text(param, "public").trim();
}

/** Milliseconds of header `Long-Pulling-Timeout`; undefined when there is none. @throws RegistryError for no number. */
function timeoutOf(call: Call): number | undefined {
  const header = call.header("long-pulling-timeout")?.trim();
  if (header === undefined || header === "") return undefined;
  if (!/^\d{1,15}$/.test(header))
    throw new RegistryError("invalidParameter", "header Long-Pulling-Timeout must be a number of milliseconds");
  return Number(header);
}

function holdOf(timeoutMs: number): number {
  return Math.min(HOLD_MS_MAX, Math.max(HOLD_MS_MIN, timeoutMs - ANSWER_MS));
}

function noHangup(call: Call): boolean {
  return call.header("long-pulling-timeout-no-hangup")?.trim().toLowerCase() === "true";
}

function readsBody(version = "2.0.0"): boolean {
  const [, ...parts] = /(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  for (const [at, least] of BODY_SINCE.entries()) {
    const part = Number(parts[at] ?? 0);
    if (part !== least) return part > least;
  }
  return true;
}

/** How many of `count` fit into a header. */
function howMany(count: number, lengthOf: (count: number) => number): number {
  let fits = 0;
  for (let step = 2 ** Math.ceil(Math.log2(count + 1)); step >= 1; step /= 2)
    if (fits + step <= count && lengthOf(fits + step) <= HEADER_LENGTH_MAX) fits += step;
  return fits;
}
