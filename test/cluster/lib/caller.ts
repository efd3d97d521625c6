import { readdir, readFile, readlink } from "node:fs/promises";
import type { Socket } from "node:net";

/**
 * The process of this machine at the other end of a loopback connection, of those given. Members do not say who they
 * are before bytes flow, and on a loopback all have one address; Linux knows whose socket it is.
 */
export async function callerOf(socket: Socket, pids: readonly number[]): Promise<number | undefined> {
  const { remoteAddress = "", remotePort = 0, localAddress = "", localPort = 0 } = socket;
  const inode = await inodeOf(inTable(remoteAddress, remotePort), inTable(localAddress, localPort));
  if (inode === undefined) return undefined;
  for (const pid of pids) if (await holds(pid, `socket:[${inode}]`)) return pid;
  return undefined;
}

/** Of the socket at the caller's end: one port of a machine may be used for several connections. */
async function inodeOf(own: string, other: string): Promise<string | undefined> {
  const table = await readFile("/proc/net/tcp", "utf8");
  for (const line of table.split("\n").slice(1)) {
    const columns = line.trim().split(/\s+/);
    if (columns[1] === own && columns[2] === other) return columns[9];
  }
  return undefined;
}

function inTable(address: string, port: number): string {
  return `${hexOf(address)}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** IPv4 as the kernel prints it: the bytes of the address, read as a little-endian number. */
function hexOf(address: string): string {
  const bytes = Buffer.from(
    address
      .replace(/^::ffff:/, "")
      .split(".")
      .map(Number),
  );
  return bytes.reverse().toString("hex").toUpperCase();
}

async function holds(pid: number, target: string): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  // Files are opened and closed while this looks.
  const files = await readdir(folder).catch(() => []);
  for (const file of files) if ((await readlink(`${folder}/${file}`).catch(() => "")) === target) return true;
  return false;
}
