const LINE_EVERY_MS = 5000;
const DRAW_EVERY_MS = 100;
const BAR_WIDTH = 30;

/** Tells how far a long command is: as a bar that redraws itself on a terminal, else as a line now and then. */
export class Progress {
  readonly #write: (text: string) => void;
  readonly #onTerminal: boolean;
  readonly #now: () => number;
  #what = "";
  #startedAt = 0;
  #toldAt = 0;
  #done = 0;
  #drawn = false;
  total = 0;

  constructor(write: (text: string) => void, onTerminal: boolean, now: () => number) {
    this.#write = write;
    this.#onTerminal = onTerminal;
    this.#now = now;
  }

  /** One part of the command, told at once; what is done and its rate count from here. */
  begin(what: string, total: number): void {
    this.end();
    this.#what = what;
    this.#done = 0;
    this.total = total;
    this.#startedAt = this.#now();
    this.#tell();
  }

  advance(): void {
    this.#done++;
    const now = this.#now();
    if (now - this.#toldAt < (this.#onTerminal ? DRAW_EVERY_MS : LINE_EVERY_MS)) return;
    this.#tell();
  }

  #tell(): void {
    this.#toldAt = this.#now();
    const total = Math.max(this.total, this.#done);
    const perSecond = Math.round((this.#done * 1000) / Math.max(1, this.#toldAt - this.#startedAt));
    const counts = `${this.#what}: ${this.#done} of ${total}, ${perSecond}/s`;
    if (!this.#onTerminal) {
      this.#write(`${counts}\n`);
      return;
    }
    const full = total === 0 ? 0 : Math.floor((BAR_WIDTH * this.#done) / total);
    this.#write(`\r[${"#".repeat(full)}${"-".repeat(BAR_WIDTH - full)}] ${counts} `);
    this.#drawn = true;
  }

  /** Clears the bar, so that what is written next stands alone. */
  end(): void {
    if (this.#drawn) this.#write(`\r${" ".repeat(2 * BAR_WIDTH + 40)}\r`);
    this.#drawn = false;
  }
}
