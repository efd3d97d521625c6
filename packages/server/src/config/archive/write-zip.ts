import { crc32 } from "node:zlib";
import { RegistryError } from "@nacre/protocol";
import { turn } from "../../storage/turn.ts";
import { deflate } from "./deflate.ts";
import {
  CENTRAL_BYTES,
  CENTRAL_SIGNATURE,
  COUNT_MAX,
  DEFLATED,
  END_BYTES,
  END_SIGNATURE,
  FLAG_UTF8,
  LOCAL_BYTES,
  LOCAL_SIGNATURE,
  SIZE_MAX,
} from "./zip-format.ts";

export interface ZipSource {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const VERSION_NEEDED = 20;

/**
 * A zip of the entries, in pieces and in their order. One entry is in memory at a time, and about 100 bytes of each
 * one before it.
 *
 * Sizes and checksums stand in the header of each entry, not behind its data: every reader understands that.
 *
 * @param at  local time that entries are marked with.
 * @throws RegistryError `invalidParameter` where only zip64, which many readers lack, could hold them.
 */
export async function* writeZip(entries: AsyncIterable<ZipSource>, at: Date): AsyncGenerator<Uint8Array, void> {
  const time = dosTime(at);
  const directory: Buffer[] = [];
  let offset = 0;
  for await (const { name, bytes } of entries) {
    const nameBytes = Buffer.from(name);
    // The checksum of 10 MiB takes 2 ms; what comes before and after it must not be added to that.
    await turn();
    const crc = crc32(bytes);
    const data = await deflate(bytes);
    const common = commonFields({ time, crc, deflatedSize: data.length, size: bytes.length, nameBytes });
    const end = offset + LOCAL_BYTES + nameBytes.length + data.length;
    if (directory.length + 1 >= COUNT_MAX || end >= SIZE_MAX / 2) {
      throw new RegistryError(
        "invalidParameter",
        `an archive holds at most ${COUNT_MAX - 2} configurations and 2 GiB; export a part of them at a time`,
      );
    }
    yield localHeader(common, nameBytes);
    yield data;
    directory.push(centralHeader(common, nameBytes, offset));
    offset = end;
  }
  const central = Buffer.concat(directory);
  yield central;
  yield endRecord(directory.length, central.length, offset);
}

interface Common {
  readonly time: number;
  readonly crc: number;
  readonly deflatedSize: number;
  readonly size: number;
  readonly nameBytes: Uint8Array;
}

/** The part that the local and the central header share: from the version needed to the length of extra fields. */
function commonFields({ time, crc, deflatedSize, size, nameBytes }: Common): Buffer {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(VERSION_NEEDED, 0);
  fields.writeUInt16LE(FLAG_UTF8, 2);
  fields.writeUInt16LE(DEFLATED, 4);
  fields.writeUInt32LE(time, 6);
  fields.writeUInt32LE(crc, 10);
  fields.writeUInt32LE(deflatedSize, 14);
  fields.writeUInt32LE(size, 18);
  fields.writeUInt16LE(nameBytes.length, 22);
  return fields;
}

function localHeader(common: Buffer, nameBytes: Uint8Array): Buffer {
  const header = Buffer.alloc(LOCAL_BYTES + nameBytes.length);
  header.writeUInt32LE(LOCAL_SIGNATURE, 0);
  header.set(common, 4);
  header.set(nameBytes, LOCAL_BYTES);
  return header;
}

function centralHeader(common: Buffer, nameBytes: Uint8Array, offset: number): Buffer {
  const header = Buffer.alloc(CENTRAL_BYTES + nameBytes.length);
  header.writeUInt32LE(CENTRAL_SIGNATURE, 0);
  header.writeUInt16LE(VERSION_NEEDED, 4);
  header.set(common, 6);
  header.writeUInt32LE(offset, 42);
  header.set(nameBytes, CENTRAL_BYTES);
  return header;
}

function endRecord(count: number, bytes: number, offset: number): Buffer {
  const record = Buffer.alloc(END_BYTES);
  record.writeUInt32LE(END_SIGNATURE, 0);
  record.writeUInt16LE(count, 8);
  record.writeUInt16LE(count, 10);
  record.writeUInt32LE(bytes, 12);
  record.writeUInt32LE(offset, 16);
  return record;
}

/** Date in the upper half, time in the lower; it counts from 1980, in steps of two seconds. */
function dosTime(at: Date): number {
  const year = Math.min(Math.max(at.getFullYear(), 1980), 2107);
  const date = ((year - 1980) << 9) | ((at.getMonth() + 1) << 5) | at.getDate();
  const time = (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1);
  return ((date << 16) | time) >>> 0;
}
