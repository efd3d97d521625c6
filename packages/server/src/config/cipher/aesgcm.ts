import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
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
/** A step of 10 MiB takes up to 10 ms; from here on each has a turn of the event loop for itself. */
const LARGE_BYTES = 256 * 1024;

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
      const bytes = Buffer.from(text);
      const large = bytes.length > LARGE_BYTES;
      if (large) await turn();
      const sealed = seal(dataKey, bytes);
      if (large) await turn();
      const content = sealed.toString("base64");
      const head = `${AESGCM}.${VERSION}.${first.id}`;
      return { content, encryptedDataKey: `${head}.${seal(first.secret, dataKey, head).toString("base64url")}` };
    },

    async decrypt(content, encryptedDataKey): Promise<string> {
      const dataKey = unwrap(encryptedDataKey, byId);
      const sealed = Buffer.from(content, "base64");
      const large = sealed.length > LARGE_BYTES;
      if (large) await turn();
      const bytes = openSealed(dataKey, sealed);
      if (bytes === undefined) throw refused("the content was changed, or belongs to another data key");
      if (large) await turn();
      return bytes.toString("utf8");
    },
  };
}

function unwrap(encryptedDataKey: string, byId: ReadonlyMap<string, Uint8Array>): Buffer {
  const [algorithm, version, id = "", wrapped = "", ...more] = encryptedDataKey.split(".");
  if (algorithm !== AESGCM || version !== VERSION || more.length > 0) {
    throw refused(`its data key was not made by ${AESGCM} of this server`);
  }
  const secret = byId.get(id);
  if (secret === undefined) throw refused(`the key file of this server has no key ${id.slice(0, 32)}; add it there`);
  const dataKey = openSealed(secret, Buffer.from(wrapped, "base64url"), `${algorithm}.${version}.${id}`);
  if (dataKey === undefined || dataKey.length !== KEY_BYTES) {
    throw refused(`its data key was changed, or was wrapped by another key than ${id} of the key file`);
  }
  return dataKey;
}

/** Nonce, ciphertext, tag. */
function seal(key: Uint8Array, bytes: Uint8Array, head = ""): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(AES, key, nonce);
  cipher.setAAD(Buffer.from(head));
  return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined when the tag does not fit: nothing of the text is given out then. */
function openSealed(key: Uint8Array, sealed: Buffer, head = ""): Buffer | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const tagFrom = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(AES, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(head));
  decipher.setAuthTag(sealed.subarray(tagFrom));
  const bytes = decipher.update(sealed.subarray(NONCE_BYTES, tagFrom));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return bytes;
}

function refused(why: string): RegistryError {
  return new RegistryError("notDecryptable", `the content can not be decrypted: ${why}`);
}
