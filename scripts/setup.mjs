// Plain JavaScript: on a fresh clone this runs on whatever Node the machine has, before the pinned one is installed.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What is installed is compared with the lock file entry by entry: file times say nothing after a checkout. */
function upToDate() {
  try {
    const wanted = packagesOf("package-lock.json");
    const installed = packagesOf("node_modules/.package-lock.json");
    return Object.entries(wanted).every(
      // Optional packages are for other platforms when they are missing.
      ([path, entry]) =>
        path === "" ||
        entry.optional ||
        entry.link ||
        !path.includes("node_modules/") ||
        installed[path]?.version === entry.version,
    );
  } catch {
    return false;
  }
}

function packagesOf(path) {
  return JSON.parse(readFileSync(join(root, path), "utf8")).packages;
}

if (!upToDate()) {
  process.stdout.write("Installing dependencies ...\n");
  const npm = process.env.npm_execpath;
  const [command, args] = npm === undefined ? ["npm", []] : [process.execPath, [npm]];
  const flags = ["ci", "--no-audit", "--no-fund", "--loglevel=error", "--progress=false"];
  const { status, stdout, stderr } = spawnSync(command, [...args, ...flags], { cwd: root, encoding: "utf8" });
  if (status !== 0) {
    process.stderr.write(`${stdout}${stderr}\nInstalling dependencies failed; the reason stands above.\n`);
    process.exit(1);
  }
}
