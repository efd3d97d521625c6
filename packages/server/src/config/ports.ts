import type { ConfigType } from "@nacre/protocol";

/** A cipher by the name that follows `cipher-` in a data id. Envelope: each publish has a key of its own. */
export interface Cipher {
  readonly algorithm: string;
  encrypt(text: string): Sealed | Promise<Sealed>;
  /** @throws RegistryError naming the reason when the key is not of this server or the text was changed. */
  decrypt(text: string, encryptedDataKey: string): string | Promise<string>;
}

export interface Sealed {
  readonly content: string;
  readonly encryptedDataKey: string;
}

/** @returns what is wrong with a content of this type, in one sentence with line and column; undefined when it is fine. */
export type CheckContent = (type: ConfigType, text: string, schema?: string) => Promise<string | undefined>;

/** The algorithm that a data id asks for: `cipher-aes-app.yaml` asks for `aes`; undefined when it asks for none. */
export function algorithmOf(dataId: string): string | undefined {
  return /^cipher-([^-]+)-/.exec(dataId)?.[1];
}
