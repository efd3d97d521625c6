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
  _setup: LocalAddressesSetup,
  _changed: (ips: readonly string[]) => void,
): LocalAddresses {
  throw new Error("not built");
}

/** The addresses of this machine in order of preference; the loopback's are the last. */
export function localAddresses(_rules: AddressRules, _interfaces: Interfaces = networkInterfaces()): readonly string[] {
  throw new Error("not built");
}
