import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";

/** What a client asked and was told. Times are any numbers that grow: of a clock, or a count of steps. */
export interface Operation<I, O> {
  readonly client: string;
  readonly calledAt: number;
  /** Undefined when its outcome is unknown: it may take effect at any time after its call, once, or never. */
  readonly returnedAt: number | undefined;
  readonly input: I;
  /** What was told; not looked at when the outcome is unknown. */
  readonly output?: O | undefined;
}

/** What the object would do if it were asked one thing after another. */
export interface LinearModel<S, I, O> {
  /** Of each partition. */
  readonly initial: S;
  /** Inputs of different partitions do not concern each other, which is what makes long histories cheap to check. */
  partition?(input: I): string;
  /** A new state; the one that is given stays as it is. */
  apply(state: S, input: I): { readonly state: S; readonly output: O };
  /** Whether the model's output explains the one that a client saw; deep equality when absent. */
  accepts?(output: O, seen: O): boolean;
  /** Equal for equal states; JSON when absent, which suits no Map and no Set. */
  keyOf?(state: S): string;
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly explanation: string };

/** Steps of one partition, each the application of one operation. About a second. */
const BUDGET = 1_000_000;
/** Operations that an explanation shows. */
const SHOWN = 12;

/**
 * Whether one order of the operations explains what all clients saw: each takes effect at one moment between its call and
 * its return. An operation that was called at the very time another returned counts as concurrent with it.
 *
 * @throws Error when a partition is not decided within the budget: never a silent "ok".
 *
 * Source: Wing and Gong 1993, with the memory of Lowe 2017 ("Testing for linearizability") and the partitions of Porcupine.
 */
export function checkLinearizable<S, I, O>(
  model: LinearModel<S, I, O>,
  history: readonly Operation<I, O>[],
  { budget = BUDGET }: { readonly budget?: number } = {},
): Verdict {
  const partitions = Map.groupBy(history, ({ input }) => model.partition?.(input) ?? "");
  for (const [partition, operations] of partitions) {
    const explanation = new Search(model, operations, budget, partition).run();
    if (explanation !== undefined) return { ok: false, explanation };
  }
  return { ok: true };
}

/** Operations that were placed one after another, and what the object is like then. */
interface Placement<S, I, O> {
  readonly state: S;
  readonly stateId: number;
  /** Known outcomes are numbered by their calls: all below `from` are placed, and those in `above`, in order. */
  readonly from: number;
  readonly above: readonly number[];
  /** Unknown outcomes that were taken to have come, numbered by their calls too, in order. */
  readonly unknown: readonly number[];
  readonly last: Operation<I, O> | undefined;
  readonly before: Placement<S, I, O> | undefined;
}

/**
 * Places known outcomes only, as long as that leads on; then with one of the unknown, with two, and so on. So whoever
 * comes to a place has seen it with fewer of the unknown before, and passes it over if those were among them.
 */
class Search<S, I, O> {
  readonly #model: LinearModel<S, I, O>;
  readonly #budget: number;
  readonly #partition: string;
  readonly #known: readonly (Operation<I, O> & { readonly returnedAt: number })[];
  readonly #unknown: readonly Operation<I, O>[];
  /** Of an unknown outcome, the one before it with an equal input: that one is as good, and is taken first. */
  readonly #twins: readonly (number | undefined)[];
  readonly #seen = new Map<string, (readonly number[])[]>();
  readonly #stateIds = new Map<string, number>();
  #steps = 0;
  #furthest: Placement<S, I, O>;

  constructor(model: LinearModel<S, I, O>, operations: readonly Operation<I, O>[], budget: number, partition: string) {
    this.#model = model;
    this.#budget = budget;
    this.#partition = partition;
    const byCall = operations.toSorted((a, b) => a.calledAt - b.calledAt);
    this.#known = byCall.flatMap((one) => (one.returnedAt === undefined ? [] : { ...one, returnedAt: one.returnedAt }));
    this.#unknown = byCall.filter(({ returnedAt }) => returnedAt === undefined);
    const latest = new Map<string, number>();
    this.#twins = this.#unknown.map(({ input }, id) => {
      const key = JSON.stringify(input);
      const twin = latest.get(key);
      latest.set(key, id);
      return twin;
    });
    const { initial } = model;
    this.#furthest = {
      state: initial,
      stateId: this.#stateId(initial),
      from: 0,
      above: [],
      unknown: [],
      last: undefined,
      before: undefined,
    };
  }

  /** @returns why no order explains the operations; undefined when one does. */
  run(): string | undefined {
    for (let level = [this.#furthest]; level.length > 0; ) {
      const exhausted: Placement<S, I, O>[] = [];
      for (let at = level.pop(); at !== undefined; at = level.pop()) {
        if (at.from === this.#known.length) return undefined;
        if (this.#isFurther(at)) this.#furthest = at;
        this.#placeKnown(at, level);
        exhausted.push(at);
      }
      for (const at of exhausted) this.#placeUnknown(at, level);
    }
    return this.#explain();
  }

  #placeKnown(at: Placement<S, I, O>, next: Placement<S, I, O>[]): void {
    const candidates = this.#candidates(at);
    // The first that was called comes out first.
    for (const id of candidates.toReversed()) {
      const one = this.#known[id];
      if (one === undefined) continue;
      const { state, output } = this.#apply(at.state, one);
      if (!(this.#model.accepts?.(output, one.output as O) ?? isDeepStrictEqual(output, one.output))) continue;
      this.#add(next, { ...at, ...taken(at, id), ...this.#identified(state), last: one, before: at });
    }
  }

  #placeUnknown(at: Placement<S, I, O>, next: Placement<S, I, O>[]): void {
    const limit = this.#firstReturn(at).returnedAt;
    for (const [id, one] of this.#unknown.entries()) {
      if (one.calledAt > limit) break;
      const twin = this.#twins[id];
      if (at.unknown.includes(id) || (twin !== undefined && !at.unknown.includes(twin))) continue;
      const { state } = this.#apply(at.state, one);
      const identified = this.#identified(state);
      // What changes nothing and told nothing explains nothing.
      if (identified.stateId === at.stateId) continue;
      const unknown = [...at.unknown, id].toSorted((a, b) => a - b);
      this.#add(next, { ...at, ...identified, unknown, last: one, before: at });
    }
  }

  /** Whoever has been at a place with fewer of the unknown could go on in all ways in which this one can. */
  #add(next: Placement<S, I, O>[], placement: Placement<S, I, O>): void {
    const { stateId, from, above, unknown } = placement;
    const key = `${stateId} ${from} ${above}`;
    const seen = this.#seen.get(key);
    if (seen?.some((fewer) => fewer.every((id) => unknown.includes(id)))) return;
    if (seen === undefined) this.#seen.set(key, [unknown]);
    else seen.push(unknown);
    next.push(placement);
  }

  /** Nothing can be placed behind an operation that returned before its call. */
  #candidates(at: Placement<S, I, O>): number[] {
    const limit = this.#firstReturn(at).returnedAt;
    const candidates: number[] = [];
    for (let id = at.from; id < this.#known.length; id += 1) {
      const one = this.#known[id];
      if (one === undefined || one.calledAt > limit) break;
      if (!at.above.includes(id)) candidates.push(id);
    }
    return candidates;
  }

  /** Of those that are not placed, while there are any. */
  #firstReturn({ from, above }: Placement<S, I, O>): Operation<I, O> & { readonly returnedAt: number } {
    let first = this.#known[from];
    assert(first !== undefined);
    for (let id = from + 1; id < this.#known.length; id += 1) {
      const one = this.#known[id];
      if (one === undefined || one.calledAt > first.returnedAt) break;
      if (one.returnedAt < first.returnedAt && !above.includes(id)) first = one;
    }
    return first;
  }

  #apply(state: S, { input }: Operation<I, O>): { readonly state: S; readonly output: O } {
    this.#steps += 1;
    if (this.#steps <= this.#budget) return this.#model.apply(state, input);
    throw new Error(
      `${this.#operations()} are not decided within ${this.#budget} steps: raise the budget, or record shorter histories`,
    );
  }

  #identified(state: S): { readonly state: S; readonly stateId: number } {
    return { state, stateId: this.#stateId(state) };
  }

  #stateId(state: S): number {
    const key = this.#model.keyOf?.(state) ?? JSON.stringify(state);
    const id = this.#stateIds.get(key) ?? this.#stateIds.size;
    this.#stateIds.set(key, id);
    return id;
  }

  #isFurther({ from, above }: Placement<S, I, O>): boolean {
    return from + above.length > this.#furthest.from + this.#furthest.above.length;
  }

  #operations(): string {
    const of = this.#partition === "" ? "" : ` of ${this.#partition}`;
    return `${this.#known.length + this.#unknown.length} operations${of}`;
  }

  #explain(): string {
    const order: Operation<I, O>[] = [];
    for (let at: Placement<S, I, O> | undefined = this.#furthest; at?.last !== undefined; at = at.before) {
      order.unshift(at.last);
    }
    const stuck = this.#firstReturn(this.#furthest);
    const { state } = this.#furthest;
    return [
      `no order of ${this.#operations()} explains what clients saw.`,
      `The longest that was found places ${order.length}:`,
      ...(order.length > SHOWN ? [`  (${order.length - SHOWN} before)`] : []),
      ...order.slice(-SHOWN).map((one) => `  ${show(one)}`),
      `Then the state is ${text(state)}, in which the next to return`,
      `  ${show(stuck)}`,
      `would have been told ${text(this.#model.apply(state, stuck.input).output)}.`,
    ].join("\n");
  }
}

/** What is placed once `id` is as well. */
function taken(at: { from: number; above: readonly number[] }, id: number): { from: number; above: readonly number[] } {
  const above = [...at.above, id].toSorted((a, b) => a - b);
  let { from } = at;
  while (above[0] === from) {
    above.shift();
    from += 1;
  }
  return { from, above };
}

function show({ client, calledAt, returnedAt, input, output }: Operation<unknown, unknown>): string {
  const told = returnedAt === undefined ? "outcome unknown" : `was told ${text(output)}`;
  return `${client} [${calledAt}, ${returnedAt ?? "?"}] ${text(input)} ${told}`;
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}

export type RegisterInput<V> =
  | { readonly op: "read"; readonly key: string }
  | { readonly op: "write"; readonly key: string; readonly value: V }
  | { readonly op: "cas"; readonly key: string; readonly from: V | undefined; readonly to: V };

/** What was read, of a read; whether it was changed, of a compare-and-set; true of a write. */
export type RegisterOutput<V> = V | boolean | undefined;

/** Registers with compare-and-set, each on its own; unset at first. */
export function registers<V extends string | number>(): LinearModel<
  { readonly value: V | undefined },
  RegisterInput<V>,
  RegisterOutput<V>
> {
  return {
    initial: { value: undefined },
    partition: ({ key }) => key,
    apply(state, input) {
      if (input.op === "read") return { state, output: state.value };
      if (input.op === "write") return { state: { value: input.value }, output: true };
      const fits = state.value === input.from;
      return { state: fits ? { value: input.to } : state, output: fits };
    },
  };
}

export type SetInput = { readonly op: "add" | "remove"; readonly element: string } | { readonly op: "read" };

/** A set that is read as a whole: its elements in the order of their names. `add` and `remove` tell whether they changed it. */
export const elements: LinearModel<readonly string[], SetInput, boolean | readonly string[]> = {
  initial: [],
  apply(state, input) {
    if (input.op === "read") return { state, output: state };
    const without = state.filter((element) => element !== input.element);
    const held = without.length < state.length;
    if (input.op === "remove") return { state: without, output: held };
    return { state: held ? state : [...state, input.element].toSorted(), output: !held };
  },
};
