import type { DiagnosisView, FindingView, MemberView } from "../client/diagnosis.ts";
import { table, timeText, widthOf } from "./table.ts";

const LINE_WIDTH = 100;
const INDENT = "  ";
const COLORS: Readonly<Record<string, string>> = { error: "31", warning: "33", info: "36" };

/** Members, then findings with one sentence and what to do; or that nothing is wrong. */
export function diagnosisText({ by, members, findings }: DiagnosisView, isColored: boolean): string {
  const about = findings.map((finding) => findingText(finding, members.length, isColored));
  if (about.length > 0) return [membersText(members, by), ...about].join("\n");
  const away = members.filter(({ answered, ready }) => !answered || !ready);
  if (away.length > 0)
    return `${membersText(members, by)}\nNo finding, but not every member is ready: ask again in a moment. Who was stopped on purpose counts as away after five minutes.\n`;
  const settling = members.filter((member) => member.settling).map(({ address }) => plain(address));
  if (settling.length > 0) {
    const tells = settling.length === 1 ? "tells of nothing before it has" : "tell of nothing before they have";
    return `${membersText(members, by)}\nNo finding yet: ${settling.join(", ")} started a moment ago and ${tells} looked around: ask again in ten seconds.\n`;
  }
  return members.length === 1
    ? `Nothing is wrong with ${plain(by)}.\n`
    : `Nothing is wrong: ${members.length} members, all ready.\n`;
}

function membersText(members: readonly MemberView[], by: string): string {
  return table(
    ["MEMBER", "READY", "VERSION", ""],
    members.map(({ address, answered, ready, version, sentence = "" }) => [
      address === by ? `${address} (asked)` : address,
      answered ? (ready ? "yes" : "no") : "no answer",
      version,
      sentence,
    ]),
  );
}

function findingText(
  { code, severity, title, since, sentence, fix, by }: FindingView,
  all: number,
  isColored: boolean,
): string {
  const mark = colored(plain(severity).toUpperCase(), COLORS[severity], isColored);
  const sayers = all > 1 && by.length > 0 ? `, says ${by.map(plain).join(", ")}` : "";
  const head = `${mark}  ${colored(plain(code), "1", isColored)}  ${plain(title)}`;
  const when = since === undefined && sayers === "" ? [] : [`since ${timeText(since)}${sayers}`];
  return [head, ...when, sentence, `Do: ${withoutLinks(fix)}`]
    .flatMap((text, at) => (at === 0 ? [text] : wrapped(plain(text))))
    .map((line) => `${line}\n`)
    .join("");
}

function colored(text: string, color: string | undefined, isColored: boolean): string {
  return isColored && color !== undefined ? `\u001b[${color}m${text}\u001b[0m` : text;
}

/** What servers tell cannot steer the terminal. */
function plain(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ");
}

/** Texts of the documents as people read them in a terminal. */
function withoutLinks(text: string): string {
  return text.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "");
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = INDENT;
  for (const word of text.split(" ")) {
    if (line !== INDENT && widthOf(line) + 1 + widthOf(word) > LINE_WIDTH) {
      lines.push(line);
      line = INDENT;
    }
    line += line === INDENT ? word : ` ${word}`;
  }
  return [...lines, line];
}
