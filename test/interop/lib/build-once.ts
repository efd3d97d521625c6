import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface Inputs {
  /** The folder that `files` are in. */
  readonly root: string;
  /** Files, and folders with all that is in them. */
  readonly files: readonly string[];
  /** What the result depends on besides. */
  readonly salt?: string;
}

/** Runs `build`, which fills the folder `output`, unless the stamp there says that it ran for the same inputs. */
export async function buildOnce(output: string, inputs: Inputs, build: () => Promise<void>): Promise<void> {
  const { root, files, salt = "" } = inputs;
  const stampFile = join(output, "stamp");
  const hash = createHash("sha256").update(salt);
  for (const file of (await Promise.all(files.map((path) => filesBelow(root, path)))).flat().sort()) {
    hash.update(file).update(await readFile(join(root, file)));
  }
  const stamp = hash.digest("hex");
  if ((await readFile(stampFile, "utf8").catch(() => "")) === stamp) return;
  await mkdir(output, { recursive: true });
  await rm(stampFile, { force: true });
  await build();
  await writeFile(stampFile, stamp);
}

async function filesBelow(root: string, path: string): Promise<string[]> {
  if ((await stat(join(root, path))).isFile()) return [path];
  const entries = await readdir(join(root, path), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath.slice(root.length + 1), entry.name));
}
