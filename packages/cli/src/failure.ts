/**
 * How a command that did not do its work ends: 1 it failed, 2 it was called wrongly or (`doctor`) nobody could be asked, 3
 * what it asks for is not there.
 */
const EXIT_CODES = { failed: 1, usage: 2, unreachable: 2, notFound: 3 } as const;

/** What stops a command: one sentence for people, which names the server or the option, and the exit code. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly outcome: keyof typeof EXIT_CODES;
  constructor(outcome: keyof typeof EXIT_CODES, sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.outcome = outcome;
  }

  get exitCode(): number {
    return EXIT_CODES[this.outcome];
  }
}

/** Why a file of the one who calls cannot be read: it is not there, or something else stands in the way. */
export function unreadable(file: string, cause: unknown): CliError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const outcome = code === "ENOENT" ? "notFound" : "failed";
  return new CliError(outcome, `${file} cannot be read (${code ?? message}).`, { cause });
}
