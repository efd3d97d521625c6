import type { ConfigName, ConfigRow, Remote } from "../client/model.ts";
import { pagesOf } from "../client/v3.ts";
import { CliError } from "../failure.ts";
import type { Part } from "./run.ts";

const PAGE_SIZE = 500;
/** About 100 MB of names and MD5s; what the target holds beyond is asked for one by one. */
const HELD_MAX = 500_000;

/**
 * The MD5s of what the target holds in one namespace, from its list: read once, so that what is equal already costs no call.
 * A list grows old while it is used. Where that matters, what it does not show as equal is asked for one by one, as all is
 * where the list has more pages than the source has configurations.
 */
export class Held {
  readonly #target: Remote;
  readonly #isTrusted: boolean;
  readonly #max: number;
  readonly #md5s = new Map<string, string>();
  #isWhole = true;

  private constructor(target: Remote, isTrusted: boolean, max: number) {
    this.#target = target;
    this.#isTrusted = isTrusted;
    this.#max = max;
  }

  /** @param isTrusted  also for what it does not show, or shows with another MD5. */
  static async of(target: Remote, part: Omit<Part, "source">, isTrusted: boolean, max = HELD_MAX): Promise<Held> {
    const held = new Held(target, isTrusted, max);
    await held.#read(part).catch((thrown: unknown) => {
      // Some servers list no namespace that nobody has made yet.
      if (!(thrown instanceof CliError) || thrown.outcome !== "notFound") throw thrown;
    });
    return held;
  }

  async #read({ namespace, count }: Omit<Part, "source">): Promise<void> {
    const pages = pagesOf((page) => this.#target.configs({ namespace }, page), PAGE_SIZE);
    for await (const { total, items } of pages) {
      if (total > count * PAGE_SIZE || this.#md5s.size + items.length > this.#max) {
        this.#isWhole = false;
        return;
      }
      for (const row of items) this.#md5s.set(keyOf(row), row.md5);
    }
  }

  /** Of the target's configuration of this name; undefined when there is none. */
  async md5(row: ConfigRow): Promise<string | undefined> {
    const listed = this.#md5s.get(keyOf(row));
    if (listed === row.md5) return listed;
    // Some lists leave the MD5 out.
    const isKnown = listed === undefined ? this.#isWhole : listed !== "";
    return this.#isTrusted && isKnown ? listed : (await this.#target.config(row))?.md5;
  }
}

function keyOf({ group, dataId }: ConfigName): string {
  return `${group}\n${dataId}`;
}
