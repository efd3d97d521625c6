import type { Clock, Timer } from "@nacre/server/clock";
import type { Agenda } from "./agenda.ts";

/** What wall clocks show when a simulation begins. */
export const SIM_EPOCH = 1_767_225_600_000;

/** What outlives processes: it has power or not, and a wall clock that may be wrong. */
export interface Machine {
  /** Names its end of the ways of the network. */
  readonly place: string;
  readonly ip: string;
  isOn: boolean;
  clockOffsetMs: number;
}

/** The time of one process, which may be stopped and continued, and ends once. */
export class SimProcess implements Clock {
  readonly agenda: Agenda;
  readonly machine: Machine;
  readonly startedAt: number;
  isAlive = true;
  pausedUntil = 0;
  /** When it last went on after a pause. */
  continuedAt = Number.NEGATIVE_INFINITY;
  readonly #anchor: number;
  readonly #waiting: (() => void)[] = [];
  readonly #ends: ((power: "on" | "off") => void)[] = [];

  constructor(agenda: Agenda, machine: Machine) {
    this.agenda = agenda;
    this.machine = machine;
    this.startedAt = agenda.now;
    // As with Node, monotonic time is anchored at what the wall clock showed when the process began.
    this.#anchor = SIM_EPOCH + machine.clockOffsetMs;
  }

  get isRunning(): boolean {
    return this.isAlive && this.pausedUntil <= this.agenda.now;
  }

  now(): number {
    return this.agenda.now + this.#anchor;
  }

  wall(): number {
    return SIM_EPOCH + this.agenda.now + this.machine.clockOffsetMs;
  }

  schedule(delayMs: number, run: () => void): Timer {
    let isDue = true;
    this.agenda.at(this.agenda.now + Math.max(0, delayMs), () =>
      this.do(() => {
        if (isDue) run();
        isDue = false;
      }),
    );
    return {
      cancel: () => {
        isDue = false;
      },
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.schedule(ms, resolve));
  }

  /** Now, after its pause, or never. */
  do(run: () => void): void {
    if (!this.isAlive) return;
    if (this.agenda.now < this.pausedUntil || this.#waiting.length > 0) this.#waiting.push(run);
    else run();
  }

  pause(ms: number): void {
    if (!this.isAlive || this.pausedUntil > this.agenda.now) return;
    this.pausedUntil = this.agenda.now + ms;
    this.agenda.at(this.pausedUntil, () => {
      this.continuedAt = this.agenda.now;
      for (let run = this.#waiting.shift(); run !== undefined && this.isAlive; run = this.#waiting.shift()) run();
    });
  }

  /** What its machine does about the end of the process. */
  onEnd(end: (power: "on" | "off") => void): void {
    this.#ends.push(end);
  }

  /** Nothing of it runs any more. With power the machine tells its peers; without, nobody hears of it. */
  end(power: "on" | "off"): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.#waiting.length = 0;
    if (power === "off") this.machine.isOn = false;
    for (const end of this.#ends) end(power);
  }
}
