import type { RecoveryPlan } from "@nacre/server/offline";
import { table, timeText } from "./table.ts";

/** What a recovery would do to a member, or has done, and what is lost by it. */
export function recoveryText(plan: RecoveryPlan, isDone: boolean): string {
  const { memberId, clusterId, epoch, term, last, appliedIndex, voters, addresses, learners } = plan;
  const named = (ids: readonly string[]): string =>
    ids.map((id) => `${id}${id === memberId ? " (this one)" : addresses[id] ? ` (${addresses[id]})` : ""}`).join(", ");
  const isEmpty = voters.length === 0;
  const when = isDone ? "before" : "now";
  const rows = [
    ["member", memberId],
    ["cluster", clusterId],
    [`voters ${when}`, isEmpty ? "none" : named(voters)],
    ...(learners.length === 0 ? [] : [[`learners ${when}`, named(learners)]]),
    [
      "last entry",
      `${last.index}, of term ${last.term}${last.at === undefined ? "" : `, written ${timeText(last.at)}`}`,
    ],
    ["applied for sure", `up to ${appliedIndex}`],
    ["term", `${term.from} to ${term.to}`],
    ["epoch", isDone ? `${epoch.from} to ${epoch.to}` : `${epoch.from} to one drawn when it is done`],
  ];
  const count = voters.filter((id) => id !== memberId).length;
  const others = count === 1 ? "other voter" : `${count} other voters`;
  const will = isDone ? "is" : "would be";
  if (isEmpty)
    return [
      table(["RECOVERY", ""], rows),
      `This member ${will} the first voter of a group that holds nothing; the other members join it.\n`,
      "A member that does hold durable data would set it aside: look at nacre raft status of each of them first.\n",
      isDone ? "Done. Start this member.\n" : "",
    ].join("");
  return [
    table(["RECOVERY", ""], rows),
    voters.includes(memberId) ? "" : "This member is no voter, so that it may lack much of what was acknowledged.\n",
    `This member ${will} the only voter, with all of its log: entries behind ${appliedIndex} that nobody was told of count as well.\n`,
    `What nobody can know from here: entries behind ${last.index} that the ${others} had acknowledged. They are lost.\n`,
    "Others that come back see the new epoch, set their data aside and join as new members; start them after this one.\n",
    isDone ? "Done. Start this member.\n" : "",
  ].join("");
}
