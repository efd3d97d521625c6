import type { Card, RefusalCode } from "./frames.ts";

/** Why two members do not speak to each other. */
export interface Verdict {
  readonly code: RefusalCode;
  /** The same on both sides. */
  readonly sentence: string;
}

/**
 * What keeps two members apart besides their clusters, which `meet` weighs because a new one may still choose. It does
 * not matter which card is whose: both sides come to the same sentence (M3).
 */
export function verdict(one: Card, other: Card): Verdict | undefined {
  const [a, b] = inOrder(one, other);
  if (a.fingerprint !== b.fingerprint)
    return {
      code: "otherIdentity",
      sentence: `${name(a)} and ${name(b)} have different identity tokens: set the same token on all members`,
    };
  const [older, newer] = a.protocol.speaks <= b.protocol.speaks ? [a, b] : [b, a];
  if (older.protocol.speaks >= newer.protocol.oldest) return undefined;
  return {
    code: "protocol",
    sentence:
      `${name(older)} speaks version ${older.protocol.speaks} of the cluster protocol and ${name(newer)} needs at least ` +
      `version ${newer.protocol.oldest}: upgrade ${name(older)}`,
  };
}

export function foreign(one: Card, other: Card): Verdict {
  const [a, b] = inOrder(one, other);
  return {
    code: "foreignCluster",
    sentence:
      `${name(a)} belongs to cluster '${a.clusterId}' and ${name(b)} to cluster '${b.clusterId}': take it off the ` +
      "member list, or let the one that is to move join with an empty data folder",
  };
}

export function twin(one: Card, other: Card): Verdict {
  const [a, b] = inOrder(one, other);
  return {
    code: "twin",
    sentence:
      `${name(a)} and ${name(b)} run under the same member id ${a.id}: one data folder is a copy of the other; remove ` +
      "the member id from the copy",
  };
}

function inOrder(one: Card, other: Card): readonly [Card, Card] {
  const before = one.id < other.id || (one.id === other.id && one.incarnation <= other.incarnation);
  return before ? [one, other] : [other, one];
}

/** How people know a member: its address, or its id while it does not know its address. */
export function name(card: Pick<Card, "id" | "addresses">): string {
  return card.addresses[0] ?? card.id;
}
