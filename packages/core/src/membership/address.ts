/** `host:port` in one spelling: lower case, no trailing dot, IPv6 shortest and in brackets. The port is the main port. */
export type Address = string;

export interface HostPort {
  /** An IP address (IPv6 without brackets) or a name. */
  readonly host: string;
  readonly port: number;
}

const PORT_MAX = 65_535;
const NAME_CHARS_MAX = 253;
const IP_CHARS = /^[\d.]+$/;
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Reads `host`, `host:port` or `[v6]:port`; what comes back as text is the rule that is broken. Never throws. */
export function readAddress(text: string, defaultPort: number): HostPort | string {
  const { host, port } = split(text.toLowerCase());
  if (/\s/.test(text)) return "holds a blank: members stand on lines of their own or between commas";
  if (host === undefined) return "an IPv6 address stands in brackets: [address]:port";
  const read = readHost(host, text.startsWith("["));
  if (typeof read === "string") return read;
  if (port === undefined) return { host: read.host, port: defaultPort };
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > PORT_MAX)
    return `port '${port}' is not a number from 1 to ${PORT_MAX}`;
  return { host: read.host, port: Number(port) };
}

function split(text: string): { host: string | undefined; port: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) return { host: bracketed[1], port: bracketed[2] };
  const colon = text.indexOf(":");
  if (colon < 0) return { host: text, port: undefined };
  if (text.includes("[") || text.indexOf(":", colon + 1) >= 0) return { host: undefined, port: undefined };
  return { host: text.slice(0, colon), port: text.slice(colon + 1) };
}

function readHost(text: string, bracketed: boolean): { host: string } | string {
  if (bracketed) {
    const host = shortestV6(text);
    if (host === undefined) return `'${text}' is not an IPv6 address`;
    return host === "::" ? "'::' stands for every address, not for a member" : { host };
  }
  const host = text.endsWith(".") ? text.slice(0, -1) : text;
  if (host === "") return "no host before the port";
  if (IP_CHARS.test(host)) {
    if (!isV4(host)) return `'${host}' is not an IPv4 address`;
    return host === "0.0.0.0" ? "'0.0.0.0' stands for every address, not for a member" : { host };
  }
  if (host.length > NAME_CHARS_MAX || !host.split(".").every((label) => LABEL.test(label)))
    return `'${host}' is neither an IP address nor a host name`;
  return { host };
}

function isV4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

/** Of a host that was read: digits and dots are an IPv4 address, as anything else of them is refused. */
export function isIp(host: string): boolean {
  return host.includes(":") || IP_CHARS.test(host);
}

/** Undefined when it is none. A zone (`%eth0`) is left out: it means something on its own machine only. */
export function shortestV6(text: string): string | undefined {
  const [bare = ""] = text.toLowerCase().split("%");
  const halves = bare.split("::");
  if (halves.length > 2 || !bare.includes(":")) return undefined;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const [before = [], after] = groups;
  const missing = 8 - before.length - (after?.length ?? 0);
  if (after === undefined ? missing !== 0 : missing < 1) return undefined;
  const all = [...before, ...Array.from({ length: missing }, () => "0"), ...(after ?? [])];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/.test(group))) return undefined;
  const short = all.map((group) => Number.parseInt(group, 16).toString(16));
  const zeros = [...short.join(":").matchAll(/(?<![0-9a-f])0(:0)+(?![0-9a-f])/g)].map(([run]) => run);
  const longest = zeros.reduce((best, run) => (run.length > best.length ? run : best), "");
  if (longest === "") return short.join(":");
  const joined = short.join(":");
  const at = joined.search(new RegExp(`(?<![0-9a-f])${longest}(?![0-9a-f])`));
  return `${joined.slice(0, at).replace(/:$/, "")}::${joined.slice(at + longest.length).replace(/^:/, "")}`;
}

export function addressOf({ host, port }: HostPort): Address {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
