/** Connections of one source address; its some 28,000 ports are blocked for a minute after their connections end. */
const EACH = 5000;
const LAST = 250;
let next = 1;

/** Source addresses for so many connections, none of which was used just before. Only Linux has more than one. */
export function localAddresses(connections: number): (string | undefined)[] {
  if (process.platform !== "linux") return [undefined];
  return Array.from({ length: Math.ceil(connections / EACH) }, () => {
    next = next === LAST ? 2 : next + 1;
    return `127.0.0.${next}`;
  });
}
