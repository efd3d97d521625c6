import type { ClusterReport, Finding, MemberReport } from "@nacre/core/diagnosis";
import type { Clock, Timer } from "../clock.ts";
import type { Diagnosing, DiagnosingSetup } from "./diagnosis.ts";

/** Nothing is told in the first seconds of a process, and no start is to be slower for the catalogue of what can be wrong. */
const LOAD_AFTER_MS = 4_000;

/** Diagnosis that is loaded when somebody asks, or a little after the start. */
export class LazyDiagnosis {
  readonly #clock: Clock;
  readonly #setup: (facts: typeof import("./diagnosis-facts.ts")) => DiagnosingSetup;
  #loading: Promise<Diagnosing> | undefined;
  #loaded: Diagnosing | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(clock: Clock, setup: (facts: typeof import("./diagnosis-facts.ts")) => DiagnosingSetup) {
    this.#clock = clock;
    this.#setup = setup;
  }

  /** @param waiting  whether this member is not ready and has to say why: then it is loaded at once. */
  start(waiting: boolean): void {
    this.#timer = this.#clock.schedule(waiting ? 0 : LOAD_AFTER_MS, () => void this.#load());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#loaded?.stop();
  }

  /** Why this member is not ready, once that can be said. */
  get sentence(): string | undefined {
    return this.#loaded?.readiness().sentence;
  }

  /** What is wrong, as far as it was looked at. */
  get findings(): readonly Finding[] {
    return this.#loaded?.findings ?? [];
  }

  async report(): Promise<MemberReport> {
    return (await this.#load()).report();
  }

  async cluster(): Promise<ClusterReport> {
    return (await this.#load()).cluster();
  }

  #load(): Promise<Diagnosing> {
    this.#loading ??= this.#make();
    return this.#loading;
  }

  async #make(): Promise<Diagnosing> {
    const [diagnosis, facts] = await Promise.all([import("./diagnosis.ts"), import("./diagnosis-facts.ts")]);
    const made = new diagnosis.Diagnosing(this.#setup(facts));
    this.#loaded = made;
    if (!this.#stopped) made.start();
    return made;
  }
}
