import { crc32, deflateRawSync } from "node:zlib";

/** An entry of a zip that is made by hand: every field may lie. */
export interface HandMade {
  readonly name: string | Buffer;
  readonly content?: string | Buffer;
  readonly method?: number;
  readonly flags?: number;
  readonly size?: number;
  readonly crc?: number;
  /** Data as it stands in the archive. */
  readonly data?: Buffer;
  /** The name in the entry's own header. */
  readonly localName?: string;
  /** Offset that the directory tells. */
  readonly offset?: number;
}

export interface HandMadeEnd {
  readonly count?: number;
  readonly comment?: string;
}

export function zipOf(entries: readonly HandMade[], end: HandMadeEnd = {}): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const content = Buffer.from(entry.content ?? "");
    const method = entry.method ?? 8;
    const data = entry.data ?? (method === 8 ? deflateRawSync(content) : content);
    const name = Buffer.from(entry.name);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(entry.flags ?? 0x800, 2);
    fields.writeUInt16LE(method, 4);
    fields.writeUInt32LE(entry.crc ?? crc32(content), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(entry.size ?? content.length, 18);
    const localName = Buffer.from(entry.localName ?? name);
    const local = Buffer.concat([signature(0x04034b50), fields, localName, data]);
    local.writeUInt16LE(localName.length, 26);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(entry.offset ?? offset, 10);
    const central = Buffer.concat([signature(0x02014b50), Buffer.from([20, 0]), fields, rest, name]);
    central.writeUInt16LE(name.length, 28);
    locals.push(local);
    centrals.push(central);
    offset += local.length;
  }
  const directory = Buffer.concat(centrals);
  const comment = Buffer.from(end.comment ?? "");
  const tail = Buffer.alloc(18);
  const count = (end.count ?? entries.length) & 0xffff;
  tail.writeUInt16LE(count, 4);
  tail.writeUInt16LE(count, 6);
  tail.writeUInt32LE(directory.length, 8);
  tail.writeUInt32LE(offset, 12);
  tail.writeUInt16LE(comment.length, 16);
  return Buffer.concat([...locals, directory, signature(0x06054b50), tail, comment]);
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
