import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { RegistryError } from "@nacre/protocol";
import { StartError } from "../../running.ts";
import type { Cipher, Sealed } from "../ports.ts";

/** The column of data keys takes no more. */
const DATA_KEY_LENGTH_MAX = 1024;

export interface CipherSources {
  /** Of `aesgcm`; blank or absent: there is no such cipher. */
  readonly keyFile?: string | undefined;
  /** Plug-ins: a path, absolute or from the folder the server was started in, or the name of an installed package. */
  readonly modules?: readonly string[];
}

/**
 * The ciphers of this server, each under its own name. A plug-in is an ES module whose default export is a `Cipher`:
 * `{ algorithm, encrypt(text), decrypt(content, encryptedDataKey) }`, where both functions may be asynchronous.
 *
 * @returns the ciphers, and sentences to log.
 * @throws StartError with one sentence for a key file or a plug-in that can not be used.
 */
export async function loadCiphers({
  keyFile = "",
  modules = [],
}: CipherSources): Promise<{ readonly ciphers: readonly Cipher[]; readonly warnings: readonly string[] }> {
  const byName = new Map<string, Cipher>();
  const warnings: string[] = [];
  if (keyFile.trim() !== "") {
    const [{ aesgcm }, { readKeyFile }] = await Promise.all([import("./aesgcm.ts"), import("./key-file.ts")]);
    const { keys, warning } = await readKeyFile(keyFile.trim());
    const cipher = aesgcm(keys);
    byName.set(cipher.algorithm, cipher);
    if (warning !== undefined) warnings.push(warning);
  }
  for (const module of modules) {
    const cipher = await loadModule(module);
    if (byName.has(cipher.algorithm)) {
      throw new StartError(`The cipher plug-in ${module} is named ${cipher.algorithm} as another cipher is; keep one.`);
    }
    byName.set(cipher.algorithm, guarded(cipher));
  }
  return { ciphers: [...byName.values()], warnings };
}

async function loadModule(module: string): Promise<Cipher> {
  const isPath = isAbsolute(module) || module.startsWith(".");
  let loaded: { readonly default?: unknown };
  try {
    loaded = await import(isPath ? pathToFileURL(resolve(module)).href : module);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
    throw new StartError(`The cipher plug-in ${module} can not be loaded: ${why}.`, { cause });
  }
  if (!isCipher(loaded.default)) {
    throw new StartError(
      `The cipher plug-in ${module} must export by default an object with algorithm, encrypt and decrypt.`,
    );
  }
  if (!/^[A-Za-z0-9_.:]{1,64}$/.test(loaded.default.algorithm)) {
    throw new StartError(
      `The cipher plug-in ${module} has an algorithm that no data id can name; use letters, digits and _ . : only.`,
    );
  }
  return loaded.default;
}

function isCipher(value: unknown): value is Cipher {
  return (
    typeof value === "object" &&
    value !== null &&
    "algorithm" in value &&
    typeof value.algorithm === "string" &&
    "encrypt" in value &&
    typeof value.encrypt === "function" &&
    "decrypt" in value &&
    typeof value.decrypt === "function"
  );
}

/** A plug-in that fails or answers nonsense fails one call, with its name in the message and its error as the cause. */
function guarded(cipher: Cipher): Cipher {
  const { algorithm } = cipher;
  return {
    algorithm,

    async encrypt(text) {
      const sealed: Partial<Sealed> | undefined = await attempt(algorithm, "encrypt", () => cipher.encrypt(text));
      const { content, encryptedDataKey } = sealed ?? {};
      const fits =
        typeof content === "string" &&
        typeof encryptedDataKey === "string" &&
        encryptedDataKey !== "" &&
        encryptedDataKey.length <= DATA_KEY_LENGTH_MAX;
      // Without a data key nobody would know later that the content is encrypted.
      if (!fits) {
        throw new RegistryError(
          "serverError",
          `the cipher ${algorithm} must give a content and a data key of 1 to ${DATA_KEY_LENGTH_MAX} characters`,
        );
      }
      return { content, encryptedDataKey };
    },

    async decrypt(content, encryptedDataKey) {
      const text: unknown = await attempt(algorithm, "decrypt", () => cipher.decrypt(content, encryptedDataKey));
      if (typeof text === "string") return text;
      throw new RegistryError("notDecryptable", `the cipher ${algorithm} gave no text for this content`);
    },
  };
}

async function attempt<T>(algorithm: string, what: "encrypt" | "decrypt", run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause;
    const failure = what === "decrypt" ? "notDecryptable" : "serverError";
    throw new RegistryError(failure, `the cipher ${algorithm} failed to ${what} this content`, { cause });
  }
}
