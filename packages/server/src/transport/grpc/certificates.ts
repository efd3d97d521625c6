import { unwatchFile, watchFile } from "node:fs";
import type { Logger } from "pino";

/** Looked at by time and name, not by notices: certificates are often swapped by replacing a link to their folder. */
const LOOK_EVERY_MS = 10_000;

/**
 * Gives whoever shows certificates new ones when one of their files has changed; what cannot be used is logged, and the old
 * ones stay. @returns a stop.
 */
export function renewOnChange<T>(
  shown: { renewTls(tls: T): void },
  paths: readonly (string | undefined)[],
  read: () => Promise<T>,
  log: Logger,
  lookEveryMs = LOOK_EVERY_MS,
): () => void {
  const renew = (): void => {
    read()
      .then((tls) => {
        shown.renewTls(tls);
        log.info("new connections get the renewed certificate");
      })
      .catch((err: unknown) => {
        // Certificate and key are two files: between the writing of one and the other they do not fit.
        log.warn({ err }, "the changed certificate cannot be used; the one before stays until its files change again");
      });
  };
  const watched = paths.filter((path) => path !== undefined);
  for (const path of watched) watchFile(path, { interval: lookEveryMs, persistent: false }, renew);
  return () => {
    for (const path of watched) unwatchFile(path, renew);
  };
}
