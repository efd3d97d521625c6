import type { AnsweringSetup } from "./answers.ts";
import type { ConvergeReport, ConvergeSetup } from "./converge.ts";
import type { ConvergeCalls } from "./wire.ts";

type Answers = ConvergeSetup["answers"];

export interface LazyConvergeSetup extends Omit<ConvergeSetup, "answers"> {
  readonly answering: () => AnsweringSetup;
}

/** The comparison of members, loaded when somebody asks for it: most members never do. */
export class LazyConverge {
  readonly #setup: () => LazyConvergeSetup;
  #answers: Promise<Answers> | undefined;

  constructor(setup: () => LazyConvergeSetup) {
    this.#setup = setup;
  }

  /** What this member answers others. */
  readonly calls: {
    readonly [Name in keyof ConvergeCalls]: (given: unknown) => Promise<ConvergeCalls[Name]["answered"]>;
  } = {
    "converge.owners": async (given) => (await this.#load())["converge.owners"](given),
    "converge.services": async (given) => (await this.#load())["converge.services"](given),
    "converge.instances": async (given) => (await this.#load())["converge.instances"](given),
    "converge.clients": async (given) => (await this.#load())["converge.clients"](given),
    "converge.heads": async (given) => (await this.#load())["converge.heads"](given),
    "converge.why": async (given) => (await this.#load())["converge.why"](given),
  };

  async report(): Promise<ConvergeReport> {
    const [answers, { converge }] = await Promise.all([this.#load(), import("./converge.ts")]);
    return converge({ ...this.#setup(), answers });
  }

  #load(): Promise<Answers> {
    this.#answers ??= import("./answers.ts").then(({ answersOf }) => answersOf(this.#setup().answering()));
    return this.#answers;
  }
}
