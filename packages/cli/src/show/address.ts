/** An address of IP version 6 has colons of its own, so it stands in brackets. */
export function addressText(ip: string, port: number | string): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
