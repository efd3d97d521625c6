import type { Content } from "@nacre/core/config";
import type { ConfigName } from "@nacre/protocol";
import { digestInTurns, isLarge } from "../large-text.ts";
import { nodeCrypto } from "../node-crypto.ts";
import { algorithmOf, type Cipher } from "./ports.ts";

/** A content with its digest and its size, as entries of the log carry it; the event loop is free during a large one. */
export async function contentInTurns(text: string, encryptedDataKey = ""): Promise<Content> {
  if (!isLarge(text)) return contentOf(text, encryptedDataKey);
  return { text, ...(await digestInTurns(text)), encryptedDataKey };
}

/** The same of a small one. */
export function contentOf(text: string, encryptedDataKey = ""): Content {
  return { text, md5: nodeCrypto().hash("md5", text), bytes: Buffer.byteLength(text), encryptedDataKey };
}

/** Encrypts and decrypts contents whose data id asks for it, where this server has the cipher. */
export class Sealing {
  readonly #ciphers: ReadonlyMap<string, Cipher>;

  constructor(ciphers: readonly Cipher[]) {
    this.#ciphers = new Map(ciphers.map((cipher) => [cipher.algorithm, cipher]));
  }

  /** The content to store: as it came when the client has encrypted it, or when nobody here can. */
  async seal(name: ConfigName, text: string, encryptedDataKey = ""): Promise<Content> {
    const cipher = encryptedDataKey === "" ? this.#cipherOf(name) : undefined;
    if (cipher === undefined) return contentInTurns(text, encryptedDataKey);
    const sealed = await cipher.encrypt(text);
    return contentInTurns(sealed.content, sealed.encryptedDataKey);
  }

  /** The text behind a stored content; as it is stored when this server cannot decrypt it. */
  async open(name: ConfigName, content: string, encryptedDataKey: string): Promise<string> {
    const cipher = encryptedDataKey === "" ? undefined : this.#cipherOf(name);
    return cipher === undefined ? content : await cipher.decrypt(content, encryptedDataKey);
  }

  #cipherOf(name: ConfigName): Cipher | undefined {
    const algorithm = algorithmOf(name.dataId);
    return algorithm === undefined ? undefined : this.#ciphers.get(algorithm);
  }
}
