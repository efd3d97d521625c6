import { isIP } from "node:net";
import { InvalidArgumentError, Option } from "commander";

/** `--if-md5` of a write. */
export function ifMd5Option(): Option {
  return new Option("--if-md5 <md5>", "only when the stored content has this MD5").argParser(md5In);
}

/** @throws InvalidArgumentError for anything but an MD5: servers would say of it that somebody else wrote meanwhile. */
function md5In(text: string): string {
  if (/^[0-9a-f]{32}$/i.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError("It must be 32 hexadecimal digits, as nacre config ls shows them.");
}

/** @throws InvalidArgumentError for a list with anything but IP addresses: no client would be given the version. */
export function ipsIn(text: string): string {
  const ips = text.split(",").map((ip) => ip.trim());
  const wrong = ips.find((ip) => isIP(ip) === 0);
  if (wrong === undefined) return ips.join(",");
  throw new InvalidArgumentError(`"${wrong}" is no IP address: write 10.0.0.1,10.0.0.2.`);
}
