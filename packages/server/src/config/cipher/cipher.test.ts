import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import fc from "fast-check";
import { StartError } from "../../running.ts";
import type { Cipher } from "../ports.ts";
import { Sealing } from "../sealing.ts";
import { aesgcm } from "./aesgcm.ts";
import { readKeyFile } from "./key-file.ts";
import { loadCiphers } from "./load-ciphers.ts";

const OLD = { id: "2025", secret: Buffer.alloc(32, 1) };
const NEW = { id: "2026", secret: Buffer.alloc(32, 2) };

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "nacre-cipher-"));
});
after(() => rm(folder, { recursive: true }));

async function file(name: string, text: string, mode = 0o600): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}

const refuses = (message: RegExp) => (error: unknown) =>
  error instanceof RegistryError && error.failure === "notDecryptable" && message.test(error.message);
const stops = (message: RegExp) => (error: unknown) => error instanceof StartError && message.test(error.message);

describe("aesgcm", () => {
  const cipher = aesgcm([NEW, OLD]);

  test("gives back any text", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), async (text) => {
        const { content, encryptedDataKey } = await cipher.encrypt(text);
        assert.equal(await cipher.decrypt(content, encryptedDataKey), text);
        assert.ok(encryptedDataKey.length <= 256, "the column of gray versions takes 256 characters");
      }),
    );
  });

  test("gives back 10 MiB", async () => {
    const text = "中文 text\n".repeat(1024 * 1024);
    const { content, encryptedDataKey } = await cipher.encrypt(text);
    assert.ok((await cipher.decrypt(content, encryptedDataKey)) === text);
  });

  test("gives the same text another content and another data key each time", async () => {
    const [one, other] = await Promise.all([cipher.encrypt("a"), cipher.encrypt("a")]);
    assert.notEqual(one.content, other.content);
    assert.notEqual(one.encryptedDataKey, other.encryptedDataKey);
  });

  test("encrypts with the first key, and decrypts with the one that the data key names", async () => {
    const before = await aesgcm([OLD]).encrypt("a");
    assert.match(before.encryptedDataKey, /^aesgcm\.1\.2025\./);
    assert.equal(await cipher.decrypt(before.content, before.encryptedDataKey), "a");
    const { encryptedDataKey } = await cipher.encrypt("a");
    assert.match(encryptedDataKey, /^aesgcm\.1\.2026\./);
  });

  test("names the key that it lacks", async () => {
    const { content, encryptedDataKey } = await aesgcm([NEW]).encrypt("a");
    await assert.rejects(
      async () => aesgcm([OLD]).decrypt(content, encryptedDataKey),
      refuses(/has no key 2026; add it/),
    );
  });

  test("refuses a key that only bears the name", async () => {
    const { content, encryptedDataKey } = await aesgcm([NEW]).encrypt("a");
    const impostor = aesgcm([{ id: NEW.id, secret: OLD.secret }]);
    await assert.rejects(
      async () => impostor.decrypt(content, encryptedDataKey),
      refuses(/wrapped by another key than 2026/),
    );
  });

  test("refuses a content or a data key that was changed anywhere, or cut, or exchanged", async () => {
    const { content, encryptedDataKey } = await cipher.encrypt("some text");
    const other = await cipher.encrypt("some text");
    await assert.rejects(
      async () => cipher.decrypt(other.content, encryptedDataKey),
      refuses(/belongs to another data key/),
    );
    await assert.rejects(async () => cipher.decrypt("", encryptedDataKey), refuses(/was changed/));
    await assert.rejects(async () => cipher.decrypt(content, "made-elsewhere"), refuses(/not made by aesgcm/));
    const flipped = (text: string, encoding: "base64" | "base64url", at: number): string => {
      const bytes = Buffer.from(text, encoding);
      bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ 1;
      return bytes.toString(encoding);
    };
    const [head, wrapped] = [encryptedDataKey.slice(0, 14), encryptedDataKey.slice(14)];
    for (let at = 0; at < 60; at++) {
      await assert.rejects(
        async () => cipher.decrypt(flipped(content, "base64", at), encryptedDataKey),
        refuses(/changed/),
      );
      const changed = `${head}${flipped(wrapped, "base64url", at)}`;
      await assert.rejects(async () => cipher.decrypt(content, changed), refuses(/changed/));
    }
  });
});

describe("a key file", () => {
  const base64 = OLD.secret.toString("base64");

  test("holds keys in base64 or hexadecimal digits, with ids or known by their fingerprints", async () => {
    const text = `# of last year\r\nold:${base64}\r\n\r\n${NEW.secret.toString("hex")}\nurl: ${Buffer.alloc(32, 0xff).toString("base64url")}\n`;
    const { keys, warning } = await readKeyFile(await file("keys", text));
    assert.deepEqual(
      keys.map(({ secret }) => secret[0]),
      [1, 2, 255],
    );
    assert.deepEqual([keys[0]?.id, keys[2]?.id], ["old", "url"]);
    assert.match(keys[1]?.id ?? "", /^[0-9a-f]{16}$/);
    assert.equal(warning, undefined);
  });

  const wrong: Record<string, { text: string; message: RegExp }> = {
    "without a key": { text: "# none\n", message: /holds no key; write one with/ },
    "with a key of 31 bytes": { text: `${Buffer.alloc(31).toString("base64")}\n`, message: /^Line 1 of .* 32 bytes/ },
    "with a line of words": { text: `${base64}\nmy secret word\n`, message: /^Line 2 of (?!.*secret word)/ },
    "with an id twice": { text: `a:${base64}\na:${base64}\n`, message: /^Line 2 of .* repeats the id/ },
    "of another kind, which is too large": { text: "x".repeat(100_000), message: /more than 65536 bytes/ },
  };
  for (const [what, { text, message }] of Object.entries(wrong)) {
    test(`${what} stops the start with a sentence`, async () => {
      await assert.rejects(readKeyFile(await file("wrong", text)), stops(message));
    });
  }

  test("that is missing stops the start with its path", async () => {
    await assert.rejects(readKeyFile(join(folder, "missing")), stops(/missing cannot be read: ENOENT/));
  });

  test("is refused when others may read or the group may change it, and warned of when the group may read", async () => {
    for (const mode of [0o604, 0o644, 0o620, 0o602]) {
      await assert.rejects(
        readKeyFile(await file("open", base64, mode)),
        stops(/run chmod 600 on it/),
        mode.toString(8),
      );
    }
    assert.match((await readKeyFile(await file("open", base64, 0o640))).warning ?? "", /group of the key file/);
  });
});

describe("the ciphers of a server", () => {
  const plugin = (body: string): string => `export default { algorithm: "rot", ${body} };\n`;
  const encrypt = 'encrypt: (text) => ({ content: [...text].reverse().join(""), encryptedDataKey: "k" })';
  const decrypt = 'decrypt: async (text) => [...text].reverse().join("")';

  test("are none without options", async () => {
    assert.deepEqual(await loadCiphers({}), { ciphers: [], warnings: [] });
  });

  test("are aesgcm with a key file, and plug-ins under their names; a data id chooses", async () => {
    const keyFile = await file("keys", OLD.secret.toString("hex"), 0o640);
    const { ciphers, warnings } = await loadCiphers({
      keyFile,
      modules: [await file("rot.mjs", plugin(`${encrypt}, ${decrypt}`))],
    });
    assert.equal(warnings.length, 1);
    const sealing = new Sealing(ciphers);
    for (const [dataId, start] of [
      ["cipher-rot-a", "k"],
      ["cipher-aesgcm-a.b", "aesgcm.1."],
      ["cipher-aesgcm", ""],
      ["cipher-x-a", ""],
    ] as const) {
      const name = { namespace: "public", group: "G", dataId };
      const { text, encryptedDataKey } = await sealing.seal(name, "abc");
      assert.ok(start === "" ? encryptedDataKey === "" : encryptedDataKey.startsWith(start), dataId);
      assert.equal(text === "abc", start === "", dataId);
      assert.equal(await sealing.open(name, text, encryptedDataKey), "abc");
    }
  });

  const unusable: Record<string, { source: string; message: RegExp }> = {
    "that exports nothing": { source: "export const x = 1;", message: /must export by default/ },
    "without decrypt": { source: plugin(encrypt), message: /must export by default/ },
    "that throws": { source: 'throw new Error("no licence");', message: /can not be loaded: no licence\.$/ },
    "with a dash in its name": {
      source: `export default { algorithm: "a-b", ${encrypt}, ${decrypt} };`,
      message: /no data id can name/,
    },
  };
  for (const [what, { source, message }] of Object.entries(unusable)) {
    test(`with a plug-in ${what} stop the start`, async () => {
      const path = await file(`${what.replaceAll(" ", "-")}.mjs`, source);
      await assert.rejects(loadCiphers({ modules: [path] }), stops(message));
    });
  }

  test("with a plug-in that is not there, or one twice, stop the start", async () => {
    await assert.rejects(loadCiphers({ modules: [join(folder, "none.mjs")] }), stops(/none\.mjs can not be loaded/));
    await assert.rejects(loadCiphers({ modules: ["no-such-package"] }), stops(/no-such-package can not be loaded/));
    const path = await file("twice.mjs", plugin(`${encrypt}, ${decrypt}`));
    await assert.rejects(loadCiphers({ modules: [path, path] }), stops(/as another cipher is/));
  });

  test("turn what a plug-in does wrong into a failure that names it", async () => {
    const load = async (name: string, body: string): Promise<Cipher> => {
      const { ciphers } = await loadCiphers({ modules: [await file(name, plugin(body))] });
      const [cipher] = ciphers;
      assert.ok(cipher);
      return cipher;
    };
    const throwing = await load("throwing.mjs", 'encrypt() { throw new Error("a secret"); }, decrypt() { throw 1; }');
    await assert.rejects(
      async () => throwing.encrypt("x"),
      /^RegistryError: the cipher rot failed to encrypt this content$/,
    );
    await assert.rejects(async () => throwing.decrypt("x", "k"), refuses(/rot failed to decrypt/));
    const silent = await load(
      "silent.mjs",
      'encrypt: () => ({ content: "x", encryptedDataKey: "" }), decrypt: () => 1',
    );
    await assert.rejects(async () => silent.encrypt("x"), /must give a content and a data key of 1 to 1024/);
    await assert.rejects(async () => silent.decrypt("x", "k"), refuses(/gave no text/));
  });
});
