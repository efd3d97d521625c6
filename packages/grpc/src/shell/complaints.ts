/** Every method has a line so often, at the most: a mistake may happen ten thousand times a second. */
const QUIET_MS = 60_000;
const SHOWN_CHARACTERS_MAX = 500;

/**
 * Lines about what methods threw, for a server whose application has said nothing about it. Methods are those that it
 * has, so that there are never more kinds than that.
 */
export class Complaints {
  readonly #told = new Map<string, { at: number; unsaid: number }>();

  /** @returns what to write, without the end of the line; undefined when this method had its line a short while ago. */
  line(error: unknown, path: string, now: number): string | undefined {
    const last = this.#told.get(path);
    if (last !== undefined && now - last.at < QUIET_MS) {
      last.unsaid++;
      return undefined;
    }
    this.#told.set(path, { at: now, unsaid: 0 });
    const more = last === undefined || last.unsaid === 0 ? "" : ` (and ${last.unsaid} times since the line before)`;
    return `@nacre/grpc: the method ${path} threw ${shown(error)}${more}; options.onError hears of each`;
  }
}

/** What it is and where it was thrown, in one line. */
function shown(error: unknown): string {
  const frame = error instanceof Error ? /^ +at .*/m.exec(error.stack ?? "")?.[0].trim() : undefined;
  return `${text(error)}${frame === undefined ? "" : ` ${frame}`}`.slice(0, SHOWN_CHARACTERS_MAX);
}

function text(error: unknown): string {
  try {
    return String(error).replace(/\p{Cc}+/gu, " ");
  } catch {
    return "something that has no text";
  }
}
