import { listIn, numberIn, textIn } from "../client/bodies.ts";
import { fieldOf } from "../client/http.ts";
import { table } from "./table.ts";

/** Older than this, a row says how old it is. */
const FRESH_MS = 3_000;

/** The members with what the asked one knows of each, then one line per member that says how it sees the others. */
export function matrixText(data: unknown): string {
  const by = textIn(fieldOf(data, "by"), "address");
  const members = listIn(data, "members");
  const lists = new Map<string, string>();
  const listOf = (hash: string): string => {
    if (hash === "") return "none";
    if (!lists.has(hash)) lists.set(hash, `list ${lists.size + 1}`);
    return lists.get(hash) ?? "";
  };
  const about = table(
    ["MEMBER", "STATE", "VERSION", "LIST", "CLOCK", "ROUND TRIP", "HEARD", "WHY"],
    members.map((member) => {
      const address = textIn(member, "address");
      const isAsked = address === by;
      const known = (name: string, unit: string): string =>
        isAsked || typeof fieldOf(member, name) !== "number" ? "" : `${textIn(member, name)} ${unit}`;
      return [
        isAsked ? `${address} (asked)` : address,
        textIn(member, "state"),
        textIn(member, "version"),
        listOf(textIn(member, "listHash")),
        known("clockOffsetMs", "ms"),
        known("rttMs", "ms"),
        known("heardMs", "ms ago"),
        isAsked ? "" : textIn(member, "cause"),
      ];
    }),
  );
  const addresses = members.map((member) => textIn(member, "address"));
  const rows = listIn(data, "rows").map((row) => {
    const address = textIn(row, "address");
    const ageMs = numberIn(row, "ageMs");
    const sees = new Map(listIn(row, "sees").map((sight) => [textIn(sight, "address"), sightText(sight)]));
    const cells = addresses.map((other) => (other === address ? "itself" : (sees.get(other) ?? "unknown")));
    return [address, ...cells, ageMs > FRESH_MS ? `${Math.round(ageMs / 1000)} s old` : ""];
  });
  const legend = "<->: both hear each other; ->: only its answers come; <-: only its probes come; --: nothing does\n";
  const reach = `${numberIn(data, "reached")} of ${numberIn(data, "expected")} members in reach, cluster ${textIn(data, "clusterId")}\n`;
  const plain = reach.replaceAll(/[^\P{Cc}\n]/gu, " ");
  return `${about}\n${table(["SEES", ...addresses, ""], rows)}\n${legend}${plain}`;
}

function sightText(sight: unknown): string {
  const [out, into] = [fieldOf(sight, "out") === true, fieldOf(sight, "in") === true];
  return `${textIn(sight, "state")} ${out ? (into ? "<->" : "->") : into ? "<-" : "--"}`;
}
