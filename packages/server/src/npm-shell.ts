/** How often the shell is looked for: a stop may take 15 s, so half a second more is nothing. */
const LOOK_EVERY_MS = 500;

/**
 * A server that npm has started: npm gives TERM to the shell between them, which ends and does not pass it on. Without
 * this the server would live on, unseen and with its ports.
 *
 * @param gone  called once, when the shell has ended.
 * @returns a stop; nothing is watched in a process that no script of npm has started.
 */
export function watchNpmShell(env: Readonly<Record<string, string | undefined>>, gone: () => void): () => void {
  if (env.npm_lifecycle_event === undefined) return () => undefined;
  const shell = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(timer);
    gone();
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
