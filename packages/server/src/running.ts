import type { Options } from "./options.ts";

/** A server that has started: what `start.ts` gives to the process, to tests and to programs that embed Nacre. */
export interface RunningServer {
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Undefined when none is open. */
  readonly consolePort?: number | undefined;
  /** Base address of the HTTP API with the context path and without a slash at its end. */
  readonly url: string;
  /** Resolves when every subsystem accepts requests; rejects when the server stops before that. */
  ready(): Promise<void>;
  /** Resolves with who told it to stop, when somebody did over HTTP. It stops by itself then; `stop` waits for it. */
  readonly stopOrdered: Promise<string>;
  /**
   * Takes no new work, lets what runs finish, and closes ports and files. A second call waits for the first.
   *
   * @param graceMs what still runs after this long is ended; `options.stopGraceMs` when absent.
   */
  stop(graceMs?: number): Promise<void>;
}

/** Ends one of the started parts; what still runs after `graceMs` is cut off. */
export type Stop = (graceMs: number) => Promise<void> | void;

/**
 * Starts a server in this process. Options that are left out take their defaults.
 *
 * @throws OptionError for a value that its option does not allow; the system's error (`EADDRINUSE`, `EACCES`, ...) when
 * a port or a folder cannot be used; `StartError` for anything else that an operator can put right.
 */
export type StartServer = (options?: Partial<Options>) => Promise<RunningServer>;

/** A start that failed for a reason the operator can mend: one sentence with the reason and the fix. */
export class StartError extends Error {
  override readonly name = "StartError";
}
