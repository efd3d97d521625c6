import type { Http } from "../../client/http.ts";
import { md5Of } from "../../client/v1.ts";
import { CliError } from "../../failure.ts";
import type { Context, Register } from "../../index.ts";
import { timeText } from "../../show/table.ts";
import { open, type ScopedOptions, scopedOptions } from "../remote.ts";
import { stopSignal } from "../stop-signal.ts";
import { nameIn } from "./read.ts";

const FIELD = "\u0002";
const LINE = "\u0001";
const HOLD_MS = 30_000;
/** Longer than a server holds a poll, so that only a lost one ends this way. */
const POLL_TIMEOUT_MS = 60_000;
const RETRY_MS = 2000;

/** `nacre config watch`: over the long poll of the v1 API, which every server of this protocol has. */
export const watchCommand: Register = (parent, context) => {
  const command = parent
    .command("watch <dataId...>")
    .description("Print every change of these configurations, with MD5 and content, until ^C.");
  scopedOptions(command, context).action(async (dataIds: string[], options: ScopedOptions) => {
    for (const dataId of dataIds) nameIn(dataId, options);
    const { http } = await open(options, context);
    const stop = stopSignal(context);
    try {
      await watch(http, dataIds, options, context, stop.signal);
    } finally {
      stop.release();
    }
  });
};

async function watch(
  http: Http,
  dataIds: readonly string[],
  options: ScopedOptions,
  context: Context,
  stopped: AbortSignal,
): Promise<void> {
  const held = new Map<string, string>();
  for (const dataId of dataIds) held.set(dataId, (await read(http, dataId, options, stopped)).md5);
  for (const [dataId, md5] of held) {
    context.output.err(
      `Watching ${dataId} (group ${options.group}): ${md5 === "" ? "not there yet" : `md5 ${md5}`}.\n`,
    );
  }
  for (let failures = 0; !stopped.aborted; ) {
    try {
      for (const dataId of await changed(http, held, options, stopped)) {
        const { md5, content } = await read(http, dataId, options, stopped);
        // A poll says that something changed; two changes meanwhile may have brought it back.
        if (md5 === held.get(dataId)) continue;
        held.set(dataId, md5);
        context.output.out(told(dataId, md5, content, options));
      }
      failures = 0;
    } catch (thrown) {
      if (stopped.aborted) return;
      if (!(thrown instanceof CliError)) throw thrown;
      if (failures++ === 0) context.output.err(`${thrown.message} Trying again.\n`);
      await Promise.race([context.surroundings.wait(RETRY_MS), aborted(stopped)]);
    }
  }
}

interface Read {
  readonly md5: string;
  readonly content: string | undefined;
}

function nameFields(dataId: string, { group, namespace }: ScopedOptions) {
  return { dataId, group, tenant: namespace === "public" ? undefined : namespace };
}

async function read(http: Http, dataId: string, options: ScopedOptions, signal: AbortSignal): Promise<Read> {
  const answer = await http.call("GET", "/v1/cs/configs", { query: nameFields(dataId, options), signal });
  if (answer.status === 404) return { md5: "", content: undefined };
  if (answer.status !== 200) throw http.refused(answer, dataId);
  return { md5: answer.headers.get("Content-MD5") ?? md5Of(answer.text), content: answer.text };
}

/** Holds until something differs from what is held; the data ids that do. */
async function changed(
  http: Http,
  held: ReadonlyMap<string, string>,
  { group, namespace }: ScopedOptions,
  signal: AbortSignal,
): Promise<string[]> {
  const tenant = namespace === "public" ? [] : [namespace];
  const lines = [...held].map(([dataId, md5]) => [dataId, group, md5, ...tenant].join(FIELD) + LINE);
  const answer = await http.call("POST", "/v1/cs/configs/listener", {
    form: { "Listening-Configs": lines.join(""), tenant: tenant[0] },
    headers: { "Long-Pulling-Timeout": String(HOLD_MS) },
    timeoutMs: POLL_TIMEOUT_MS,
    signal,
  });
  if (answer.status !== 200) throw http.refused(answer, "the watch");
  const told = decodeURIComponent(answer.text.trim().replaceAll("+", " "));
  return told
    .split(LINE)
    .map((line) => line.split(FIELD)[0] ?? "")
    .filter((dataId) => held.has(dataId));
}

function told(dataId: string, md5: string, content: string | undefined, options: ScopedOptions): string {
  const { namespace, group } = options;
  const at = Date.now();
  if (options.json === true)
    return `${JSON.stringify({ at, namespace, group, dataId, md5, content: content ?? null })}\n`;
  const head = `${timeText(at)}  ${dataId}  ${content === undefined ? "removed" : `md5 ${md5}`}\n`;
  return content === undefined ? head : `${head}${content}${content.endsWith("\n") ? "" : "\n"}`;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
