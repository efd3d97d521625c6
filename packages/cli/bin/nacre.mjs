#!/usr/bin/env node
// Plain JavaScript: the cache of compiled code counts for what is loaded after it is switched on, and one file with
// types before that would load the whole type stripper at every start.
import { existsSync, mkdirSync } from "node:fs";
import nodeModule from "node:module";
import { dirname, join } from "node:path";

// Not imported by name: on a Node that is too old for Nacre that would end with a stack instead of a sentence.
const { enableCompileCache, flushCompileCache, registerHooks } = nodeModule;
if (!process.features.typescript || !flushCompileCache) {
  process.stderr.write(
    `Nacre needs Node 22.18 or later, and this is ${process.version}; in a clone, npm start and npx nacre bring their own.\n`,
  );
  process.exit(1);
}

/** A start is over by then. */
const FLUSH_AFTER_MS = 5000;

/**
 * Where compiled code is kept from one start to the next: a folder of the user's own. Node would take the folder for
 * temporary files, which is shared with other users, and what lies in the cache is run. Undefined when the environment
 * names no such folder, as for users of services whose home is none; nothing is kept then.
 */
function cacheFolder({ LOCALAPPDATA, XDG_CACHE_HOME, HOME }) {
  const home = existsSync(HOME ?? "") ? HOME : undefined;
  if (process.platform === "win32") return LOCALAPPDATA && join(LOCALAPPDATA, "nacre", "compiled");
  if (process.platform === "darwin") return home && join(home, "Library", "Caches", "nacre", "compiled");
  const base = XDG_CACHE_HOME || (home && join(home, ".cache"));
  return base && join(base, "nacre", "compiled");
}

/** Level by level: where nothing can be made, as below `/proc`, Node's own way to make a path never returns. */
function made(folder) {
  try {
    mkdirSync(folder);
    return true;
  } catch ({ code }) {
    if (code === "EEXIST") return true;
    return code === "ENOENT" && !existsSync(dirname(folder)) && made(dirname(folder)) && made(folder);
  }
}

// A folder that cannot be written is no failure: the start takes longer. NODE_COMPILE_CACHE goes before ours.
const folder = cacheFolder(process.env);
if (folder && made(folder)) enableCompileCache(folder);
/**
 * Where a file beside the importing one is, is plain from its name. Node would look at each folder of its path for links
 * and package files, hundreds of times: that is a tenth of a start.
 */
registerHooks({
  resolve(name, context, next) {
    if (!/^\.\.?\/.*\.ts$/.test(name)) return next(name, context);
    return { url: new URL(name, context.parentURL).href, format: "module-typescript", shortCircuit: true };
  },
});

// Node writes it at exit too, but a server may be killed, and should start as quickly after that.
setTimeout(flushCompileCache, FLUSH_AFTER_MS).unref();

if (process.argv[2] === "start") {
  const { pauseOptimizing } = await import("@nacre/server/optimizing");
  pauseOptimizing();
}
await import("../src/main.ts");
