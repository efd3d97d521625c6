import type { Millis } from "../lib/units.ts";
import { type Address, addressOf, readAddress } from "./address.ts";
import type { MemberId } from "./frames.ts";
import { ownAddresses, resolved } from "./self.ts";
import type { Link, Member, Membership, Out } from "./state.ts";

/** Why a member cannot be joined through an address, which is its own. */
export const LEADS_BACK =
  "the address is this member's own: give it that of a member of the cluster which it is to join";

/** An operator's order: call a member of the cluster, and if this member is empty, take its cluster id. */
export function join(state: Membership, text: string, now: Millis, out: Out): void {
  const read = readAddress(text.trim(), state.start.port);
  if (typeof read === "string") {
    out.push({ type: "joinRefused", address: text, sentence: `'${text}' is not the address of a member: ${read}` });
    return;
  }
  const address = addressOf(read);
  if (leadsBack(state, resolved(state, read))) {
    out.push({ type: "joinRefused", address, sentence: `${address}: ${LEADS_BACK}` });
    return;
  }
  if (state.members.size > 0) {
    const sentence = `this member is in cluster '${state.clusterId}' with ${state.members.size} others already`;
    out.push({ type: "joinRefused", address, sentence });
    return;
  }
  // A cluster of one that holds nothing gives up its own id; one that holds data keeps it, and may be refused for it.
  if (!state.holdsData) state.settled = false;
  state.joined.add(address);
  state.derived = undefined;
  state.joining.add(address);
  persist(state, out);
  for (const each of resolved(state, read)) {
    const dial = state.dials.get(each);
    if (dial !== undefined) dial.nextAt = now;
  }
}

/** An operator's order: what is left of orders to join is not tried any further. */
export function cancelJoin(state: Membership, out: Out): void {
  if (state.joined.size === 0 || state.members.size > 0) {
    const sentence =
      state.joined.size === 0
        ? "this member was not told to join any cluster, so that there is nothing to cancel"
        : `this member has joined cluster '${state.clusterId}' already: nacre cluster leave --forever takes it out`;
    out.push({ type: "cancelRefused", sentence });
    return;
  }
  const addresses = [...state.joined];
  for (const address of state.joining)
    out.push({ type: "joinRefused", address, sentence: `the order to join ${address} was taken back` });
  state.joining.clear();
  state.joined.clear();
  state.derived = undefined;
  persist(state, out);
  out.push({ type: "joinCancelled", addresses });
}

function leadsBack(state: Membership, addresses: readonly Address[]): boolean {
  const own = ownAddresses(state);
  return addresses.some((each) => own.includes(each) || state.dials.get(each)?.isSelf === true);
}

export function joinMade(state: Membership, link: Link, member: Member, out: Out): void {
  for (const address of waitingFor(state, link.dial?.address)) {
    state.joining.delete(address);
    out.push({ type: "joined", address, id: member.id satisfies MemberId });
  }
}

/** The order failed for good: it is told, and not tried again behind the operator's back. */
export function joinRefused(state: Membership, dialled: Address | undefined, sentence: string, out: Out): void {
  for (const address of waitingFor(state, dialled)) dropJoin(state, address, sentence, out);
}

export function joinUnresolved(state: Membership, host: string, error: string, out: Out): void {
  for (const address of [...state.joining]) {
    const read = readAddress(address, state.start.port);
    if (typeof read === "string" || read.host !== host) continue;
    dropJoin(state, address, `${host} does not resolve: ${error}`, out);
  }
}

function dropJoin(state: Membership, address: Address, sentence: string, out: Out): void {
  state.joining.delete(address);
  state.joined.delete(address);
  state.derived = undefined;
  persist(state, out);
  out.push({ type: "joinRefused", address, sentence });
}

function waitingFor(state: Membership, dialled: Address | undefined): Address[] {
  if (dialled === undefined) return [];
  return [...state.joining].filter((address) => {
    const read = readAddress(address, state.start.port);
    return typeof read !== "string" && resolved(state, read).includes(dialled);
  });
}

export function persist(state: Membership, out: Out): void {
  const { clusterId, settled, epoch } = state;
  out.push({ type: "persist", clusterId, settled, epoch, joined: [...state.joined] });
}
