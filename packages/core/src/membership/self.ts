import type { Millis } from "../lib/units.ts";
import { type Address, addressOf, isIp, readAddress, shortestV6 } from "./address.ts";
import { ownBeat } from "./clocks.ts";
import type { Card, Listed, MemberId } from "./frames.ts";
import type { Membership, Out } from "./state.ts";
import { givesWay } from "./twins.ts";

/** What follows from the list, the names in it, operators' orders and this machine's addresses; until one changes. */
export interface Derived {
  /** The addresses that the list or an operator names, with names resolved, self included. */
  readonly targets: ReadonlySet<Address>;
  /** Where this member could be reached, the preferred one first. */
  readonly own: readonly Address[];
}

export function derived(state: Membership): Derived {
  state.derived ??= { targets: targetsOf(state), own: ownOf(state) };
  return state.derived;
}

export function targets(state: Membership): ReadonlySet<Address> {
  return derived(state).targets;
}

export function ownAddresses(state: Membership): readonly Address[] {
  return derived(state).own;
}

function targetsOf(state: Membership): Set<Address> {
  const all = new Set<Address>();
  for (const entry of state.list.entries) for (const address of resolved(state, entry)) all.add(address);
  for (const text of state.joined) {
    const read = readAddress(text, state.start.port);
    if (typeof read !== "string") for (const address of resolved(state, read)) all.add(address);
  }
  return all;
}

export function resolved(state: Membership, { host, port }: { host: string; port: number }): Address[] {
  if (isIp(host)) return [addressOf({ host, port })];
  return (state.names.get(host)?.ips ?? []).map((ip) => addressOf({ host: canonicalIp(ip), port }));
}

export function canonicalIp(ip: string): string {
  return ip.includes(":") ? (shortestV6(ip) ?? ip) : ip;
}

function ownOf(state: Membership): Address[] {
  const { host, port } = state.start;
  const local = state.localIps.map((ip) => addressOf({ host: canonicalIp(ip), port }));
  if (host === undefined) return local;
  const said = readAddress(host.includes(":") && !host.startsWith("[") ? `[${host}]` : host, port);
  return typeof said === "string" ? local : [addressOf({ host: said.host, port }), ...local];
}

/**
 * Among the addresses of this machine the one that is listed; without a list, the preferred one (M12). An address
 * that was called and led back here counts as well: it is how others reach this member.
 */
export function chooseAddress(state: Membership): Address | undefined {
  const { own, targets } = derived(state);
  if (state.list.entries.length === 0) return own[0];
  const listed = own.find((each) => targets.has(each) || state.list.entries.some(({ address }) => address === each));
  if (listed !== undefined) return listed;
  for (const { address, isSelf } of state.dials.values()) if (isSelf) return address;
  return undefined;
}

/**
 * A member is UP as soon as it knows its address: nothing else is worth waiting for on the available side. A list that
 * loses this member does not stop it from running: it keeps its address, or takes the new one of its machine (M12).
 */
export function judgeSelf(state: Membership, now: Millis, out: Out): void {
  if (state.selfState === "LEAVING" || state.listReadAt === undefined) return;
  const address = chooseAddress(state) ?? (state.selfState === "UP" ? keptAddress(state) : undefined);
  const to = address === undefined ? "STARTING" : "UP";
  if (to === state.selfState && address === state.selfAddress) return;
  if (to === "UP") state.upAt ??= now;
  state.selfState = to;
  state.selfAddress = address;
  out.push({ type: "selfChanged", state: to, address });
}

function keptAddress(state: Membership): Address | undefined {
  const own = ownAddresses(state);
  return own.find((each) => each === state.selfAddress) ?? own[0] ?? state.selfAddress;
}

/** No other member is known, listed or joined: this member is a cluster, of one. */
export function isAlone(state: Membership): boolean {
  if (state.listReadAt === undefined || state.members.size > 0 || state.joined.size > 0) return false;
  const own = ownAddresses(state);
  return state.list.entries.every((entry) => {
    const addresses = resolved(state, entry);
    return (
      addresses.length > 0 && addresses.every((each) => own.includes(each) || state.dials.get(each)?.isSelf === true)
    );
  });
}

export function cardOf(state: Membership, now: Millis): Card {
  state.lastBeat = Math.max(state.lastBeat + 1, Math.floor(ownBeat(state, now)));
  const { pause, start } = state;
  return {
    id: start.id,
    clusterId: state.clusterId,
    settled: state.settled || isAlone(state),
    epoch: state.epoch,
    incarnation: start.incarnation,
    beat: state.lastBeat,
    addresses: state.selfAddress === undefined ? [] : [state.selfAddress],
    protocol: start.protocol,
    version: start.version,
    fingerprint: start.fingerprint,
    listHash: state.list.hash,
    clockAt: now + state.clockOffsetMs,
    state: givesWay(state) ? "STARTING" : state.selfState,
    forever: state.leavingForever,
    pausedMs: pause !== undefined && now - pause.at < 60_000 ? pause.lengthMs : 0,
  };
}

/** This member's list as it tells it to a peer with another one. */
export function listOf(state: Membership): Listed[] {
  const own = ownAddresses(state);
  return state.list.entries.map((entry) => {
    const addresses = resolved(state, entry);
    const isSelf = addresses.some((each) => own.includes(each) || state.dials.get(each)?.isSelf === true);
    const id = addresses.map((each) => foundAt(state, each)).find((each) => each !== undefined);
    return { address: entry.address, resolved: addresses, id: isSelf ? state.start.id : id };
  });
}

/** Who was last found at the address, unless it is reached at another one since that one failed, and does not call this its own. */
function foundAt(state: Membership, address: Address): MemberId | undefined {
  const { memberId: id, error } = state.dials.get(address) ?? {};
  const member = id === undefined ? undefined : state.members.get(id);
  const hasLeft = error !== undefined && member?.out !== undefined && !member.addresses.includes(address);
  return hasLeft ? undefined : id;
}
