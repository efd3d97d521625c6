import { seconds } from "../../lib/units.ts";
import type { RefusalCode } from "../../membership/frames.ts";
import type { FindingCode, Named } from "../finding.ts";
import type { Observed, Row, View } from "../view.ts";
import { listText } from "../words.ts";

/** Findings about peers that are refused. Both sides find the same, with the same sentence. */
export const REFUSED_ROWS = {
  // F25, S37
  CLUSTER_FOREIGN: {
    severity: "error",
    area: "members",
    title: "A member of another cluster is refused",
    means: "Nothing of the two clusters is mixed. The refused member is no member here.",
    why: "A list names a member of another cluster, for example of a test cluster, or a data folder came from there.",
    fix: "Take it off the list. To move a member to this cluster, start it with an empty data folder.",
    afterMs: 0,
    goneMs: seconds(1),
    find: (view) => refused(view, "foreignCluster"),
  },

  // F27, S36
  IDENTITY_DIFFERS: {
    severity: "error",
    area: "members",
    title: "Members have different identity tokens",
    means: "The two refuse each other, and share nothing.",
    why: "`nacos.core.auth.server.identity.key` and `.value` are not the same on all members.",
    fix: "Set the same token on all members, and restart those that had another one.",
    afterMs: 0,
    goneMs: seconds(1),
    find: (view) => refused(view, "otherIdentity"),
  },

  // S34
  PROTOCOL_OLD: {
    severity: "error",
    area: "members",
    title: "A member speaks a version that is too old",
    means: "The two refuse each other, and share nothing.",
    why: "Releases that are too far apart run in one cluster, as when an upgrade skipped some.",
    fix: "Upgrade the member that is named.",
    afterMs: 0,
    goneMs: seconds(1),
    find: (view) => refused(view, "protocol"),
  },

  DATA_FOLDER_COPIED: {
    severity: "error",
    area: "members",
    title: "Two members run under one id",
    means:
      "The one that was there first stays a member. The one that came later is refused, lets no client in, and is missing in the cluster.",
    why: "A data folder was copied, as with an image of a machine that ran before, or an old copy of it was put back.",
    fix: "Stop the copy and start it with an empty data folder.",
    afterMs: 0,
    goneMs: seconds(1),
    find: (view) => refused(view, "twin"),
  },
} as const satisfies Partial<Record<FindingCode, Row>>;

export const REFUSED_CODES = Object.keys(REFUSED_ROWS) as readonly (keyof typeof REFUSED_ROWS)[];

/** One finding for all that are refused for the same reason: one wrong member refuses, and is refused by, all others. */
function refused({ facts }: View, code: RefusalCode): Observed[] {
  const all = (facts.members?.refusals ?? []).filter((refusal) => refusal.code === code);
  const [first] = all;
  if (first === undefined) return [];
  const members = all.map(({ id, addresses }): Named => ({ id, address: addresses[0] ?? id }));
  // Of a copy everybody says the same.
  const others = members
    .filter((_, at) => at > 0 && all[at]?.sentence !== first.sentence)
    .map(({ address }) => address);
  const sentence = `${first.sentence}${others.length === 0 ? "" : `; so it is with ${listText(others)}`}.`;
  return [{ key: "", since: Math.min(...all.map(({ since }) => since)), members, sentence }];
}
