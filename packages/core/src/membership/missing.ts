import type { Millis } from "../lib/units.ts";
import type { Address } from "./address.ts";
import type { MemberId } from "./frames.ts";
import { ownAddresses, resolved } from "./self.ts";
import type { Dial, Member, Membership } from "./state.ts";

/** An entry of the list, other than this member's own. */
export interface ListedOther {
  readonly address: Address;
  /** Who was found there. */
  readonly id: MemberId | undefined;
  /** Why nobody there can take part in anything at present; undefined when somebody may. */
  readonly absence: Absence | undefined;
}

export type Absence =
  | { readonly type: "unreachable"; readonly since: Millis }
  /** Whoever answers there is no member of this cluster; the sentence says why, and the mend. */
  | { readonly type: "refused"; readonly sentence: string };

/**
 * Whom the list names beside this member, and who of them is known for sure not to take part at present. Somebody who was
 * not called for long enough yet may.
 */
export function listedOthers(state: Membership, now: Millis): ListedOther[] {
  const own = ownAddresses(state);
  return state.list.entries.flatMap((entry): ListedOther[] => {
    const addresses = resolved(state, entry);
    const dials = addresses.flatMap((each) => state.dials.get(each) ?? []);
    if (addresses.some((each) => own.includes(each)) || dials.some(({ isSelf }) => isSelf)) return [];
    const { address } = entry;
    const members = membersAt(state, addresses, dials);
    if (members.length > 0) return [{ address, id: members[0]?.id, absence: absenceOf(members) }];
    if (addresses.length === 0) {
      const { error, since = now } = state.names.get(entry.host) ?? {};
      const isGone = error !== undefined && now - since >= state.options.unfoundMs;
      return [{ address, id: undefined, absence: isGone ? { type: "unreachable", since } : undefined }];
    }
    // An address that is not called yet may be anybody's.
    const absence = dials.length < addresses.length ? undefined : absenceAt(state, dials, now);
    return [{ address, id: undefined, absence }];
  });
}

function membersAt(state: Membership, addresses: readonly Address[], dials: readonly Dial[]): Member[] {
  return [...state.members.values()].filter(
    (member) =>
      dials.some(({ memberId }) => memberId === member.id) || member.addresses.some((each) => addresses.includes(each)),
  );
}

function absenceOf(members: readonly Member[]): Absence | undefined {
  if (members.some((member) => member.state !== "DOWN")) return undefined;
  return { type: "unreachable", since: Math.min(...members.map(({ since }) => since)) };
}

function absenceAt({ options }: Membership, dials: readonly Dial[], now: Millis): Absence | undefined {
  const refusal = dials.find((dial) => dial.refusal !== undefined)?.refusal;
  if (refusal !== undefined) return { type: "refused", sentence: refusal };
  const isGone = dials.every(
    ({ phase, error, since }) => phase !== "open" && error !== undefined && now - since >= options.unfoundMs,
  );
  return isGone ? { type: "unreachable", since: Math.min(...dials.map(({ since }) => since)) } : undefined;
}
