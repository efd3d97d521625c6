import type { Changed, Context, TenantForm } from "@nacre/core/config";
import { namespaceOf, RegistryError, ruleBroken } from "@nacre/protocol";
import { ownText } from "../../transport/http/own-text.ts";

/** The text protocol of long polls: what a client holds, and what has changed. */

const WORD = "\u0002";
const LINE = "\u0001";
export const LINES_MAX = 10_000;

/**
 * Reads `dataId ^2 group ^2 md5 [^2 tenant] ^1` for each configuration. The text is decoded once more than the form was,
 * because clients may have encoded it twice; what they write holds neither `%` nor `+`.
 *
 * @throws RegistryError `invalidParameter` for anything else, and for more than `LINES_MAX` lines.
 */
export function readListening(text: string, checkNames: boolean): readonly Context[] {
  const lines = decodedAgain(text).split(LINE);
  // Every line ends with a separator; a client that leaves the last one out means the same.
  if (lines.at(-1) === "") lines.pop();
  if (lines.length > LINES_MAX)
    throw new RegistryError("invalidParameter", `invalid protocol, too much key: ${LINES_MAX} lines at most`);
  const words = new Map<string, string>();
  return lines.map((line, at) => contextOf(line, at, checkNames, words));
}

/** @param words  groups and namespaces of the request: there are few, and each is kept once. */
function contextOf(line: string, at: number, checkNames: boolean, words: Map<string, string>): Context {
  const fields = line.split(WORD);
  const [dataId = "", group = "", md5 = "", tenant] = fields;
  if (fields.length < 3 || fields.length > 4)
    throw wrong(at, `it has ${fields.length} fields instead of dataId, group, md5 and perhaps tenant`);
  if (dataId === "" || group === "") throw wrong(at, "dataId and group are required");
  if (checkNames)
    for (const [rule, value] of [
      ["dataId", dataId],
      ["group", group],
      ["namespace", tenant],
    ] as const) {
      const broken = ruleBroken(rule, value);
      if (broken !== undefined) throw wrong(at, broken);
    }
  const name = { dataId: ownText(dataId), group: word(words, group), namespace: word(words, namespaceOf(tenant)) };
  return { name, form: formOf(tenant), md5 };
}

function word(words: Map<string, string>, text: string): string {
  const held = words.get(text);
  if (held !== undefined) return held;
  const own = ownText(text);
  words.set(own, own);
  return own;
}

function formOf(tenant: string | undefined): TenantForm {
  if (tenant === undefined) return "absent";
  return tenant.trim() === "" ? "blank" : "given";
}

function wrong(at: number, why: string): RegistryError {
  return new RegistryError("invalidParameter", `invalid protocol, line ${at + 1} of Listening-Configs: ${why}`);
}

function decodedAgain(text: string): string {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (cause) {
    throw new RegistryError("invalidParameter", "invalid probeModify", { cause });
  }
}

/** What has changed, URL-encoded: the tenant only if the request named one. */
export function writeChanged(changed: readonly Changed[]): string {
  return changed
    .map(({ name: { dataId, group, namespace }, form }) => {
      const words = form === "given" ? [dataId, group, namespace] : [dataId, group];
      return encodeURIComponent(words.join(WORD) + LINE);
    })
    .join("");
}

/** The same for clients from before that form: `dataId:group;`. */
export function writeChangedOld(changed: readonly Changed[]): string {
  return changed.map(({ name }) => `${name.dataId}:${name.group};`).join("");
}
