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

type Who = Pick<Card, "id" | "addresses">;

/** @param later  the one that is refused, as the other one was there before. */
export function twin(stays: Who, later: Who): Verdict {
  const late = later.addresses[0] ?? "one that does not know its address yet";
  return {
    code: "twin",
    sentence:
      `${name(stays)} and ${late} run under one member id (${stays.id}), so the data folder of one is a copy of the ` +
      "other's: the latter came later and is refused; stop it and start it with an empty data folder",
  };
}

/** A start that comes after the one that was seen last, and counts less. */
export function outdated(card: Who): Verdict {
  return {
    code: "twin",
    sentence:
      `${name(card)} runs with an older copy of the data folder that member ${card.id} had when it was last seen, so ` +
      "what it says would count as old: stop it and start it with an empty data folder",
  };
}

function inOrder(one: Card, other: Card): readonly [Card, Card] {
  return one.id <= other.id ? [one, other] : [other, one];
}

/** How people know a member: its address, or its id while it does not know its address. */
export function name(card: Who): string {
  return card.addresses[0] ?? card.id;
}
