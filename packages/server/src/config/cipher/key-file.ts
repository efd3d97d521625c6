import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { StartError } from "../../running.ts";

/** A key that wraps the keys of contents. */
export interface FileKey {
  /** Stands in every data key that it wrapped. */
  readonly id: string;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

const KEY_BYTES = 32;
const FILE_BYTES_MAX = 64 * 1024;
/** Ids stand in data keys, whose column takes 256 characters. */
const LINE = /^(?:([A-Za-z0-9_-]{1,32}):)?\s*([A-Za-z0-9+/_=-]+)$/;

/** Write for anybody but the owner, or any right for all others. */
const REFUSED_RIGHTS = 0o027;
const GROUP_READS = 0o040;

/**
 * The keys of a file, the first of which encrypts; the others decrypt what they encrypted once. One key stands in a
 * line, as `id:key` or as the key alone, which is 32 bytes in base64 or hexadecimal digits; a key without an id is
 * known by its fingerprint. Blank lines and lines that start with `#` are passed over.
 *
 * @returns the keys, and a sentence to log where the file's group may read it too.
 * @throws StartError when the file can not be used, also when users of the machine may read or change it.
 */
export async function readKeyFile(
  path: string,
): Promise<{ readonly keys: readonly FileKey[]; readonly warning: string | undefined }> {
  const { text, mode } = await contentOf(path);
  // Windows has other rights than these and always tells the same ones.
  const rights = process.platform === "win32" ? 0 : mode;
  if ((rights & REFUSED_RIGHTS) !== 0) {
    throw new StartError(`Others may read or change the key file ${path}; run chmod 600 on it.`);
  }
  const warning =
    (rights & GROUP_READS) === 0
      ? undefined
      : `The group of the key file ${path} may read it; chmod 600 keeps it to its owner.`;
  return { keys: parseKeys(text, path), warning };
}

/** Rights and content are of one open file: it can not be exchanged between the two looks. */
async function contentOf(path: string): Promise<{ readonly text: string; readonly mode: number }> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    const { mode, size } = await file.stat();
    if (size > FILE_BYTES_MAX) throw new Error(`it has more than ${FILE_BYTES_MAX} bytes`);
    return { text: await file.readFile("utf8"), mode };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(`The key file ${path} cannot be read: ${why}.`, { cause });
  } finally {
    await file?.close();
  }
}

/** No message shows a part of a line: it may be a key. */
function parseKeys(text: string, path: string): readonly FileKey[] {
  const keys: FileKey[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const where = `Line ${index + 1} of the key file ${path}`;
    const [, id, written = ""] = LINE.exec(line) ?? [];
    const secret = secretOf(written);
    if (secret === undefined) {
      throw new StartError(`${where} must be a key of 32 bytes in base64 or hexadecimal digits, or id:key.`);
    }
    const key = { id: id ?? fingerprint(secret), secret };
    if (keys.some((other) => other.id === key.id)) throw new StartError(`${where} repeats the id of a line before it.`);
    keys.push(key);
  }
  if (keys.length === 0) {
    throw new StartError(`The key file ${path} holds no key; write one with: openssl rand -base64 32.`);
  }
  return keys;
}

function secretOf(written: string): Uint8Array | undefined {
  if (/^[0-9a-fA-F]{64}$/.test(written)) return Buffer.from(written, "hex");
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(written)) return undefined;
  const bytes = Buffer.from(written, "base64");
  return bytes.length === KEY_BYTES ? bytes : undefined;
}

function fingerprint(secret: Uint8Array): string {
  return createHash("sha256").update("nacre key id").update(secret).digest("hex").slice(0, 16);
}
