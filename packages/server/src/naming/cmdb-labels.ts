import { isIP } from "node:net";

/** Problems of a JSON file that are given with their line. */
const LOCATED_MAX = 100;

export type Labels = Readonly<Record<string, string>>;

export interface LabelsProblem {
  /** From 1; 0 when the file as a whole is meant. */
  readonly line: number;
  readonly message: string;
}

export interface LabelsRead {
  readonly labels: ReadonlyMap<string, Labels>;
  readonly problems: readonly LabelsProblem[];
  /** False when nothing could be read, so that what was known before stays better than this. */
  readonly usable: boolean;
}

/**
 * Reads the labels of addresses, as the label selector compares them. Two forms:
 *
 * - lines: `10.1.1.5 = zone:a, room:7`, with `#` for comments;
 * - JSON, when the text begins with a brace: `{"10.1.1.5": {"zone": "a", "room": "7"}}`.
 *
 * A bad entry is left out and reported with its line; the others count.
 */
export function readLabels(text: string): LabelsRead {
  return text.trimStart().startsWith("{") ? readJson(text) : readLines(text);
}

function readLines(text: string): LabelsRead {
  const labels = new Map<string, Labels>();
  const problems: LabelsProblem[] = [];
  text.split(/\r?\n/).forEach((raw, at) => {
    const line = raw.trim();
    if (line === "" || line.startsWith("#") || line.startsWith("!")) return;
    const message = readLine(line, labels);
    if (message !== undefined) problems.push({ line: at + 1, message });
  });
  return { labels, problems, usable: true };
}

/** Adds the labels of one line; gives the problem of a line that has one. */
function readLine(line: string, labels: Map<string, Labels>): string | undefined {
  const equals = line.indexOf("=");
  const ip = line.slice(0, Math.max(equals, 0)).trim();
  if (isIP(ip) === 0) return `must be written <ip> = <label>:<value>, ...; ${show(ip)} is not an IP address`;
  if (labels.has(ip)) return `${ip} already has labels in an earlier line`;
  const own: [name: string, value: string][] = [];
  for (const pair of line.slice(equals + 1).split(",")) {
    const colon = pair.indexOf(":");
    const name = pair.slice(0, Math.max(colon, 0)).trim();
    if (name === "") return `label ${show(pair.trim())} of ${ip} must be written <label>:<value>`;
    own.push([name, pair.slice(colon + 1).trim()]);
  }
  labels.set(ip, Object.fromEntries(own));
  return undefined;
}

function readJson(text: string): LabelsRead {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    const { message } = thrown as Error;
    const at = /position (\d+)/.exec(message)?.[1];
    const line = at === undefined ? 0 : lineOf(text, Number(at));
    return { labels: new Map(), problems: [{ line, message: `is not JSON: ${message}` }], usable: false };
  }
  const labels = new Map<string, Labels>();
  const problems: LabelsProblem[] = [];
  for (const [ip, own] of Object.entries(parsed)) {
    if (isIP(ip) !== 0 && isLabels(own)) {
      labels.set(ip, own);
      continue;
    }
    const message =
      isIP(ip) === 0 ? `${show(ip)} is not an IP address` : `the labels of ${ip} must be an object of texts`;
    // To count lines takes as long as the file is: the first problems say where they are, the others only what they are.
    const line = problems.length < LOCATED_MAX ? lineOf(text, text.indexOf(JSON.stringify(ip))) : 0;
    problems.push({ line, message });
  }
  return { labels, problems, usable: true };
}

function isLabels(value: unknown): value is Labels {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((label) => typeof label === "string")
  );
}

function lineOf(text: string, position: number): number {
  return text.slice(0, Math.max(position, 0)).split("\n").length;
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
