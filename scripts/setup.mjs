// Plain JavaScript: on a fresh clone this runs on whatever Node the machine has, before the pinned one is installed.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inTurn } from "./lib/setup-lock.mjs";

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

/** The pinned runtime is put in place by the one install script that is run; see below. */
function hasRuntime() {
  return ["node", "node.exe"].some((name) => existsSync(join(root, "node_modules", "node", "bin", name)));
}

/** Not waited for in place: the turn of this process is kept meanwhile. */
async function npm(...words) {
  const path = process.env.npm_execpath;
  const [command, args] = path === undefined ? ["npm", []] : [process.execPath, [path]];
  const flags = ["--no-audit", "--no-fund", "--loglevel=error", "--progress=false"];
  const child = spawn(command, [...args, ...words, ...flags], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  const status = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  if (status === 0) return;
  process.stderr.write(`${output}\nInstalling dependencies failed; the reason stands above.\n`);
  process.exit(1);
}

// One at a time: of two starts in one clone, each would remove what the other has just installed.
await inTurn(
  join(root, ".setup"),
  () => upToDate() && hasRuntime(),
  async () => {
    process.stdout.write("Installing dependencies ...\n");
    // Without install scripts: npm would compile the embedded store, which takes Python and a compiler, although its
    // binaries are in the package. Only the runtime needs its script, which picks the binary for this machine.
    await npm("ci", "--ignore-scripts");
    await npm("rebuild", "node");
  },
  () => process.stdout.write("Another process installs the dependencies; waiting for it ...\n"),
);
