import { type CipherGCM, createCipheriv, createDecipheriv, type DecipherGCM, randomBytes } from "node:crypto";
import { RegistryError } from "@nacre/protocol";
import { turn } from "../../storage/turn.ts";
import type { Cipher, Sealed } from "../ports.ts";
import type { FileKey } from "./key-file.ts";

export const AESGCM = "aesgcm";

const AES = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = "1";
/** What is encrypted between two turns of the event loop: about 1 ms. */
const PIECE_BYTES = 1024 * 1024;

/**
 * AES-256-GCM. Each publish has a random key of its own, which encrypts the content; the first key of the file wraps
 * it. Both are written as nonce, ciphertext and tag in base64; the data key is `aesgcm.1.<id of the key>.<base64url>`.
 * A content grows by a third. Random nonces of 96 bits allow 2^32 publishes with one key of the file.
 *
 * What is authenticated along with the wrapped key is version and id of the key. Namespace, group and data id are not:
 * clones and imports of another product carry content and data key together to another name. So whoever may write
 * the store can move an encrypted content with its data key to another name, and it will be decrypted there.
 */
export function aesgcm(keys: readonly FileKey[]): Cipher {
  const [first] = keys;
  if (first === undefined) throw new TypeError("aesgcm needs a key");
  const byId = new Map(keys.map((key) => [key.id, key.secret]));
  return {
    algorithm: AESGCM,

    async encrypt(text): Promise<Sealed> {
      const dataKey = randomBytes(KEY_BYTES);
      const sealed = await seal(dataKey, Buffer.from(text));
      const head = `${AESGCM}.${VERSION}.${first.id}`;
      const wrapped = await seal(first.secret, dataKey, head);
      return { content: sealed.toString("base64"), encryptedDataKey: `${head}.${wrapped.toString("base64url")}` };
    },

    async decrypt(content, encryptedDataKey): Promise<string> {
      const dataKey = await unwrap(encryptedDataKey, byId);
      const bytes = await openSealed(dataKey, Buffer.from(content, "base64"));
      if (bytes === undefined) throw refused("the content was changed, or belongs to another data key");
      return bytes.toString("utf8");
    },
  };
}

async function unwrap(encryptedDataKey: string, byId: ReadonlyMap<string, Uint8Array>): Promise<Buffer> {
  const [algorithm, version, id = "", wrapped = "", ...more] = encryptedDataKey.split(".");
  if (algorithm !== AESGCM || version !== VERSION || more.length > 0) {
    throw refused(`its data key was not made by ${AESGCM} of this server`);
  }
  const secret = byId.get(id);
  if (secret === undefined) throw refused(`the key file of this server has no key ${id.slice(0, 32)}; add it there`);
  const dataKey = await openSealed(secret, Buffer.from(wrapped, "base64url"), `${algorithm}.${version}.${id}`);
  if (dataKey === undefined || dataKey.length !== KEY_BYTES) {
    throw refused(`its data key was changed, or was wrapped by another key than ${id} of the key file`);
  }
  return dataKey;
}

/** Nonce, ciphertext, tag. */
async function seal(key: Uint8Array, bytes: Uint8Array, head = ""): Promise<Buffer> {
  const sealed = Buffer.allocUnsafe(NONCE_BYTES + bytes.length + TAG_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(AES, key, nonce);
  cipher.setAAD(Buffer.from(head));
  sealed.set(nonce, 0);
  await inPieces(cipher, bytes, sealed.subarray(NONCE_BYTES));
  cipher.final();
  sealed.set(cipher.getAuthTag(), NONCE_BYTES + bytes.length);
  return sealed;
}

/** Undefined when the tag does not fit: nothing of the text is given out then. */
async function openSealed(key: Uint8Array, sealed: Buffer, head = ""): Promise<Buffer | undefined> {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const tagFrom = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(AES, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(head));
  decipher.setAuthTag(sealed.subarray(tagFrom));
  const bytes = Buffer.allocUnsafe(tagFrom - NONCE_BYTES);
  await inPieces(decipher, sealed.subarray(NONCE_BYTES, tagFrom), bytes);
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return bytes;
}

/** GCM gives out as many bytes as it takes. */
async function inPieces(cipher: CipherGCM | DecipherGCM, from: Uint8Array, to: Uint8Array): Promise<void> {
  // Making bytes of a text, and a text of bytes, has a turn for itself.
  if (from.length > PIECE_BYTES) await turn();
  for (let at = 0; at < from.length; at += PIECE_BYTES) {
    to.set(cipher.update(from.subarray(at, at + PIECE_BYTES)), at);
    if (from.length > PIECE_BYTES) await turn();
  }
}

function refused(why: string): RegistryError {
  return new RegistryError("notDecryptable", `the content can not be decrypted: ${why}`);
}
