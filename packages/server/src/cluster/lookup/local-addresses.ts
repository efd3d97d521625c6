import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import type { Clock } from "../../clock.ts";

/** What an operator says about which address of this machine others are to use. */
export interface AddressRules {
  /** The address that the ports are opened on. */
  readonly bindAddress: string;
  /** Beginnings of addresses, or regular expressions for whole ones. */
  readonly preferredNetworks: readonly string[];
  /** Regular expressions for whole names of interfaces. */
  readonly ignoredInterfaces: readonly string[];
  readonly siteLocalOnly: boolean;
}

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

export interface LocalAddressesSetup {
  readonly clock: Clock;
  readonly rules: AddressRules;
  readonly refreshMs: number;
  readonly interfaces?: () => Interfaces;
}

export interface LocalAddresses {
  readonly ips: readonly string[];
  close(): void;
}

/** Tells this machine's addresses, the preferred one first: at once, within the call, and whenever they have changed. */
export function watchLocalAddresses(
  { clock, rules, refreshMs, interfaces = networkInterfaces }: LocalAddressesSetup,
  changed: (ips: readonly string[]) => void,
): LocalAddresses {
  let ips: readonly string[] = [];
  const read = (): readonly string[] => {
    try {
      return localAddresses(rules, interfaces());
    } catch {
      // The system's call may fail for a moment; what it told before is then the best guess.
      return ips;
    }
  };
  const look = (): void => {
    timer = clock.schedule(refreshMs, look);
    const now = read();
    if (now.join() === ips.join()) return;
    ips = now;
    changed(ips);
  };
  let timer = clock.schedule(refreshMs, look);
  ips = read();
  changed(ips);
  return {
    get ips() {
      return ips;
    },
    close: () => timer.cancel(),
  };
}

/**
 * The addresses of this machine in order of preference. None that others could use is left out: when a list names one
 * of the later ones, that one is meant. The loopback's are the last, for clusters on one machine.
 */
export function localAddresses(rules: AddressRules, interfaces: Interfaces = networkInterfaces()): readonly string[] {
  const found = Object.entries(interfaces).flatMap(([name, held], order) =>
    (held ?? []).map((info, place) => ({ ip: info.address, rank: rankOf(rules, name, info), order, place })),
  );
  // As in Nacos, the first interface counts and on it the last address.
  const ranked = found.sort((a, b) => a.rank - b.rank || a.order - b.order || b.place - a.place);
  return [...new Set(ranked.filter(({ rank }) => rank !== UNUSABLE).map(({ ip }) => ip))];
}

const UNUSABLE = 99;

function rankOf(rules: AddressRules, name: string, { address, family, internal }: NetworkInterfaceInfo): number {
  const isV6 = family === "IPv6";
  // Means something together with an interface of this machine only.
  if (isV6 && /^fe[89ab]/i.test(address)) return UNUSABLE;
  // A port that is opened on one address is found nowhere else.
  if (address === rules.bindAddress) return 0;
  if (internal) return isV6 ? 7 : 6;
  // Given by nobody: what a machine takes that was not given an address.
  if (address.startsWith("169.254.")) return 5;
  const { preferredNetworks, ignoredInterfaces, siteLocalOnly } = rules;
  const isAccepted =
    !ignoredInterfaces.some((pattern) => matches(pattern, name)) &&
    (preferredNetworks.length > 0
      ? preferredNetworks.some((pattern) => address.startsWith(pattern) || matches(pattern, address))
      : !siteLocalOnly || isSiteLocal(address));
  if (isAccepted) return isV6 ? 2 : 1;
  return isV6 ? 4 : 3;
}

/** Options hold expressions that were checked; a blank one matches nothing. */
function matches(pattern: string, text: string): boolean {
  return new RegExp(`^(?:${pattern})$`).test(text);
}

function isSiteLocal(address: string): boolean {
  return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|f[cd]|fe[cdef])/i.test(address);
}
