import { listIn, numberIn, textIn } from "../client/bodies.ts";
import { fieldOf } from "../client/http.ts";
import { ageText, bytesText } from "./amounts.ts";
import { table } from "./table.ts";

const HEADINGS = ["MEMBER", "ROLE", "TERM", "LOG", "COMMITTED", "APPLIED", "LACKS", "SNAPSHOT", "LOG SIZE", "SYNC"];

/** The group as its members tell it: one line for each, then what is to be known of all, and what is wrong. */
export function raftText(data: unknown): string {
  const by = textIn(fieldOf(data, "by"), "address");
  const members = listIn(data, "members");
  const rows = members.map((member) => {
    const address = textIn(member, "address");
    const status = fieldOf(member, "status");
    const name = address === by ? `${address} (asked)` : address;
    if (typeof status !== "object" || status === null) return [name, `${roleOf(member)} (not asked)`];
    const seen = fieldOf(member, "seen");
    return [
      name,
      roleOf(member),
      textIn(status, "term"),
      textIn(status, "lastIndex"),
      textIn(status, "commitIndex"),
      textIn(status, "appliedIndex"),
      textIn(seen, "lag"),
      snapshotText(status),
      bytesText(numberIn(status, "logBytes")),
      `${Math.round(numberIn(status, "syncMs"))} ms`,
    ];
  });
  const lines = [...summary(data), ...members.flatMap(troubles)];
  return `${table(HEADINGS, rows)}\n${lines.map((line) => `${plain(line)}\n`).join("")}`;
}

function roleOf(member: unknown): string {
  const role = textIn(fieldOf(member, "status"), "role");
  const inGroup = textIn(member, "inGroup");
  if (inGroup === "none") return "not in the group";
  return inGroup === "learner" || role === "" ? inGroup : role;
}

function snapshotText(status: unknown): string {
  const index = numberIn(status, "snapshotIndex");
  if (index === 0) return "none";
  const ageMs = fieldOf(status, "snapshotAgeMs");
  return typeof ageMs === "number" ? `${index}, ${ageText(ageMs)} old` : String(index);
}

function summary(data: unknown): string[] {
  const leader = textIn(fieldOf(data, "leader"), "address");
  const voters = numberIn(data, "voters");
  const needed = Math.floor(voters / 2) + 1;
  const about = `cluster ${textIn(data, "clusterId")}, epoch ${numberIn(data, "epoch")}, term ${numberIn(data, "term")}`;
  const state = fieldOf(data, "state");
  const lines = [
    voters === 0
      ? `no member that answered is in a group yet; ${about}`
      : leader === ""
        ? `no member leads: ${needed} of ${voters} voters are needed to change durable data; ${about}`
        : voters === 1
          ? `${leader} is the only voter; ${about}`
          : `${leader} leads, ${numberIn(data, "following")} of ${voters} voters are there and ${needed} are needed; ${about}`,
  ];
  if (typeof state === "object" && state !== null) {
    const hashes = listIn(state, "hashes");
    const all = hashes.map((one) => `${textIn(one, "address")} ${textIn(one, "hash")}`).join(", ");
    const index = numberIn(state, "index");
    if (fieldOf(state, "isEqual") !== true)
      lines.push(`the same entries led to different states at entry ${index}: ${all}`);
    else if (hashes.length > 1) lines.push(`the state of ${hashes.length} members is equal at entry ${index}`);
  }
  return lines;
}

function troubles(member: unknown): string[] {
  const address = textIn(member, "address");
  const status = fieldOf(member, "status");
  const seen = fieldOf(member, "seen");
  const trust = textIn(status, "trust");
  const sentences = [textIn(member, "error"), textIn(status, "refusing"), textIn(status, "storeFailing")];
  // The other one says so itself, as it refuses.
  if (trust === "logLost" || trust === "allLost")
    sentences.push("it has lost entries that it had acknowledged, and is brought up to date");
  const total = numberIn(seen, "total");
  if (total > 0)
    sentences.push(`it is sent a snapshot: ${bytesText(numberIn(seen, "sent"))} of ${bytesText(total)} are there`);
  return sentences.filter((sentence) => sentence !== "").map((sentence) => `${address}: ${sentence}`);
}

/** What servers say cannot steer the terminal. */
function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, " ");
}
