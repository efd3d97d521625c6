import type { Effect, Event } from "./events.ts";
import type { Message } from "./messages.ts";
import type { Configuration, ConfigurationAt, Trust } from "./model.ts";
import type { RaftOptions } from "./options.ts";
import { newRaft, type Raft } from "./state.ts";
import { nextAt, step } from "./step.ts";

export const THREE: Configuration = { voters: ["a", "b", "c"], learners: [] };

export interface Given {
  readonly terms?: readonly number[];
  readonly term?: number;
  readonly vote?: string;
  readonly configuration?: Configuration;
  readonly trust?: Trust;
  /** The first entry holds the configuration, and everything is applied. */
  readonly isFounded?: boolean;
  /** Those in the log. */
  readonly configurations?: readonly ConfigurationAt[];
  readonly options?: Partial<RaftOptions>;
}

/** Member `a` with a log of these terms on disk; its disk takes everything at once unless it is held. */
export class Member {
  readonly core: Raft;
  now = 0;
  isHeld = false;

  constructor(given: Given = {}) {
    const { terms = [], term, vote, configuration = THREE, trust = "whole", isFounded = false, options } = given;
    const runs = terms.flatMap((of, at) => (terms[at - 1] === of ? [] : [{ first: at + 1, term: of }]));
    const snapshot = { index: 0, term: 0, configuration, bytes: 1 };
    const rest = {
      seed: 1,
      baseIndex: 0,
      baseTerm: 0,
      configurations: given.configurations ?? (isFounded ? [{ index: 1, configuration }] : []),
      trust,
    };
    const applied = isFounded ? terms.length : 0;
    const facts = { self: "a", term: term ?? terms.at(-1) ?? 0, vote, snapshot, lastIndex: terms.length, runs };
    this.core = newRaft({ ...facts, ...rest, applied }, 0, options);
  }

  do(event: Event): readonly Effect[] {
    const effects = [...step(this.core, event, this.now)];
    const { issued, persisted } = this.core;
    if (!this.isHeld && issued > persisted) effects.push(...this.do({ type: "persisted", number: issued }));
    return effects;
  }

  hear(from: string, message: Message): readonly Effect[] {
    return this.do({ type: "received", from, message });
  }

  propose(count: number, bytes = 10): readonly Effect[] {
    const proposals = Array.from({ length: count }, (_, at) => ({ token: at + 1, bytes }));
    return this.do({ type: "propose", proposals });
  }

  tick(): readonly Effect[] {
    this.now = Math.max(this.now, nextAt(this.core));
    return this.do({ type: "tick" });
  }

  /** Wins pre-vote and vote with the help of `b`. */
  lead(): readonly Effect[] {
    this.tick();
    this.hear("b", { type: "voteAnswer", term: this.core.term + 1, pre: true, granted: true });
    return this.hear("b", { type: "voteAnswer", term: this.core.term, pre: false, granted: true });
  }

  acknowledge(from: string, match: number, trust: Trust = "whole"): readonly Effect[] {
    return this.hear(from, { type: "appended", term: this.core.term, match, trust });
  }

  answer(from: string, round: number, at = this.now, trust: Trust = "whole"): readonly Effect[] {
    return this.hear(from, { type: "heartbeatAnswer", term: this.core.term, round, at, trust });
  }
}

export function sent<Type extends Message["type"]>(effects: readonly Effect[], type: Type) {
  return effects.flatMap((effect) =>
    effect.type === "send" && effect.message.type === type
      ? [{ to: effect.to, after: effect.after, ...(effect.message as Extract<Message, { type: Type }>) }]
      : [],
  );
}

export function of<Type extends Effect["type"]>(effects: readonly Effect[], type: Type) {
  return effects.filter((effect): effect is Extract<Effect, { type: Type }> => effect.type === type);
}

export function append(term: number, prev: readonly [number, number], terms: readonly number[], commit = 0): Message {
  const [prevIndex, prevTerm] = prev;
  const runs = terms.flatMap((of, at) => (terms[at - 1] === of ? [] : [{ first: prevIndex + 1 + at, term: of }]));
  const lastIndex = prevIndex + terms.length;
  return { type: "append", term, prevIndex, prevTerm, lastIndex, runs, configurations: [], bytes: 10, commit };
}

export function vote(term: number, lastIndex: number, lastTerm: number, forced = false): Message {
  return { type: "vote", term, lastIndex, lastTerm, forced };
}
