/**
 * V8's optimizing compilers are 8 MiB of code that is read into memory when the first function is hot. In a start that
 * is one of Node's own loader of modules, which then has nothing more to do: without this, a server that idles keeps
 * the compilers for it. They are off while the program is loaded, and on before it does anything.
 */
const COMPILERS = ["opt", "maglev"];

/** Whoever has set these flags for the process means them to stay. */
const OTHERS = /--(no-?)?(opt\b|turbofan|maglev)/;

let paused = false;

/** Takes effect for functions that are not optimized yet; what they run in until then is slower, and right. */
export function pauseOptimizing(): void {
  const { execArgv, env } = process;
  if (paused || OTHERS.test([...execArgv, env.NODE_OPTIONS].join(" "))) return;
  paused = true;
  setCompilers("no-");
}

/** Ends the pause; nothing happens without one. */
export function resumeOptimizing(): void {
  if (!paused) return;
  paused = false;
  // V8 takes cached code only under the flags it was cached under: what is loaded in a pause is kept in it.
  process.getBuiltinModule("node:module").flushCompileCache();
  setCompilers("");
}

function setCompilers(prefix: "" | "no-"): void {
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  for (const name of COMPILERS) setFlagsFromString(`--${prefix}${name}`);
}
