/** Damage to the files of a member that does not run, as disks and power cuts do it. */
import assert from "node:assert/strict";
import { appendFile, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { decodeSegmentHeader, encodeBatch, scanSegment } from "../../../packages/server/src/storage/records.ts";
import type { MemberProcess } from "./member-process.ts";

/** Of a record that a process was killed in: its first bytes stand behind the last one, the rest was never written. */
export async function tearLog(member: MemberProcess): Promise<void> {
  const path = await logOf(member);
  const bytes = await readFile(path);
  const next = scanSegment(bytes, decodeSegmentHeader(bytes) ?? 0).lastIndex + 1;
  const payload = Buffer.from("never written as a whole");
  const { bytes: torn } = encodeBatch(next, [{ term: 1_000_000, kind: "command", at: Date.now(), payload }]);
  await appendFile(path, torn.subarray(0, -7));
}

/** One bit in the middle of a file: nobody knows before it is read. */
export async function flipBit(path: string): Promise<void> {
  const { size } = await stat(path);
  assert.ok(size > 0, `${path} is empty`);
  const file = await open(path, "r+");
  try {
    const at = size >> 1;
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ 0x10;
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
}

/** Term and vote stand in two slots: both of them. */
export async function tearVote(member: MemberProcess): Promise<void> {
  const file = await open(join(member.dataFolder, "vote"), "r+");
  try {
    for (const slot of [0, 4096]) await file.write(Buffer.from([0xff, 0xfe]), 0, 2, slot + 20);
  } finally {
    await file.close();
  }
}

/** The store is a cache; without it a start needs snapshot and log. */
export async function removeStore(member: MemberProcess): Promise<void> {
  for (const name of await readdir(member.dataFolder))
    if (name.startsWith("store.db")) await rm(join(member.dataFolder, name));
}

export async function logOf(member: MemberProcess): Promise<string> {
  return lastOf(join(member.dataFolder, "log"), ".log");
}

export async function snapshotOf(member: MemberProcess): Promise<string> {
  return lastOf(join(member.dataFolder, "snapshots"), ".snapshot");
}

/** What was set aside, by its folders. */
export async function setAside(member: MemberProcess): Promise<string[]> {
  return readdir(join(member.dataFolder, "damaged")).catch(() => []);
}

async function lastOf(folder: string, ending: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(ending)).sort();
  const last = names.at(-1);
  assert.ok(last !== undefined, `${folder} has no ${ending}`);
  return join(folder, last);
}
