import type { Clock } from "../../clock.ts";
import type { Files } from "../../storage/files.ts";
import { type LeftBehind, leftBehindIn } from "../../storage/left-behind.ts";

/** How often it is looked whether what was left behind is still there. */
const LOOK_MS = 10_000;

/** What of groups that go on without this member lies in its data folder. People remove it, while this runs. */
export class LeftBehindLook {
  readonly #clock: Clock;
  readonly #files: Files;
  readonly #directory: string;
  #found: readonly LeftBehind[] = [];
  #readAt = 0;

  constructor(clock: Clock, files: Files, directory: string) {
    this.#clock = clock;
    this.#files = files;
    this.#directory = directory;
  }

  /** As of the last look. */
  get found(): readonly LeftBehind[] {
    return this.#found;
  }

  /** Reads it again, where there was something and nobody has looked for a while. */
  look(): void {
    if (this.#found.length > 0 && this.#clock.now() - this.#readAt >= LOOK_MS) void this.read();
  }

  /** What cannot be read is told of as before. */
  async read(): Promise<void> {
    this.#readAt = this.#clock.now();
    this.#found = await leftBehindIn(this.#files, this.#directory).catch(() => this.#found);
  }
}
