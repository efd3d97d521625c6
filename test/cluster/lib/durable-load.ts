import { setTimeout as pause } from "node:timers/promises";
import { checkLinearizable, type LinearModel, type Operation, registers } from "@nacre/testkit/linearizability";
import { Random } from "@nacre/testkit/random";
import {
  ABSENT,
  deregister,
  publish,
  publishIf,
  readConfig,
  readInstances,
  register,
  type Target,
  type Told,
} from "./durable-calls.ts";

/** Registers that are in use at a time, by all clients; a third of them are persistent instances. */
const SLOTS = 9;
/** After so many operations a slot goes on with a new register: short histories are decided quickly. */
const OPERATIONS_OF_EACH = 60;
/** After a call that was not done. */
const RETRY_MS = 20;
const READS_AT_A_TIME = 16;
const WRONG_MAX = 10;
const EQUAL_MAX_MS = 20_000;
const LOOK_AGAIN_MS = 100;

type Input = Parameters<ReturnType<typeof registers<string>>["apply"]>[1];
type Change = Exclude<Input, { readonly op: "read" }>;
type Output = ReturnType<ReturnType<typeof registers<string>>["apply"]>["output"];

const MODEL: LinearModel<{ readonly value: string | undefined }, Input, Output> = {
  ...registers<string>(),
  initial: { value: ABSENT },
};

type Held = ReadonlyMap<string, string>;

/** A change that somebody asked for; a retry at another member is one by itself. */
export interface Write {
  readonly calledAt: number;
  readonly endedAt: number;
  readonly member: string;
  readonly outcome: Told<unknown>["outcome"];
  /** It was not tried before. */
  readonly isFirst: boolean;
  readonly why?: string;
}

export interface LoadSetup {
  /** The members that are called; the load goes on when some do not run. */
  readonly members: () => readonly Target[];
  readonly clients?: number;
  readonly perSecond?: number;
  readonly seed?: number;
  /** Names what is written: two loads of one cluster do not share registers. */
  readonly name?: string;
  /** Reads are marked linearizable. */
  readonly hasReads?: boolean;
}

/** What clients share about a register; nothing of it needs to be true. */
interface Slot {
  readonly key: string;
  readonly kind: "config" | "instance";
  asked: number;
  believed: string;
}

/**
 * Clients that change durable data through all members: configurations, with and without compare-and-set, and
 * persistent instances. Each register has a value that nobody else writes, so that its history tells what happened. A
 * configuration of each client's own tells whether it reads what it wrote.
 */
export class DurableLoad {
  readonly writes: Write[] = [];
  /** What must never be, found while it ran. */
  readonly wrong: string[] = [];
  readonly #setup: Required<LoadSetup>;
  readonly #random: Random;
  readonly #history: Operation<Input, Output>[] = [];
  readonly #slots: Slot[] = [];
  readonly #keys = new Map<string, Slot["kind"]>();
  readonly #over = new AbortController();
  #generation = 0;
  #values = 0;
  #work: Promise<unknown> | undefined;

  constructor(setup: LoadSetup) {
    this.#setup = { clients: 8, perSecond: 100, seed: 1, name: "load", hasReads: true, ...setup };
    this.#random = new Random(this.#setup.seed);
    for (let i = 0; i < SLOTS; i++) this.#slots.push(this.#newSlot(i));
  }

  start(): this {
    const { clients } = this.#setup;
    this.#work = Promise.all(Array.from({ length: clients }, (_, i) => this.#live(i)));
    return this;
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#work;
  }

  /** Writes that began from a moment on. */
  since(at: number): Write[] {
    return this.writes.filter(({ calledAt }) => calledAt >= at);
  }

  /** The longest time in which no write was acknowledged, of those that were called at these members from a moment on. */
  longestGap(from: number, until: number, members?: readonly string[]): number {
    const ends = this.writes
      .filter(({ outcome, member }) => outcome === "done" && (members?.includes(member) ?? true))
      .map(({ endedAt }) => endedAt)
      .filter((at) => at >= from && at <= until)
      .toSorted((a, b) => a - b);
    let longest = 0;
    let before = from;
    for (const at of [...ends, until]) {
      longest = Math.max(longest, at - before);
      before = at;
    }
    return longest;
  }

  /** In words. */
  summary(): string {
    const of = (outcome: Write["outcome"]) => this.writes.filter((write) => write.outcome === outcome).length;
    return `${of("done")} writes done, ${of("notDone")} not done, ${of("unknown")} unknown`;
  }

  /**
   * After `stop`, when nobody is away: that all these members hold the same, and that one order of all operations
   * explains what clients were told and what is held now. So no write that was acknowledged is lost, none that is not
   * done was done, and none was done twice.
   *
   * @returns what is wrong.
   */
  async verify(members: readonly Target[], equalMaxMs = EQUAL_MAX_MS): Promise<string[]> {
    const { held, differing } = await this.#settled(members, equalMaxMs);
    const wrong = [...this.wrong, ...differing];
    const ends = { calledAt: performance.now(), returnedAt: Number.MAX_SAFE_INTEGER };
    for (const [member, values] of held)
      for (const [key, value] of values)
        this.#history.push({ client: `at the end, ${member}`, ...ends, input: { op: "read", key }, output: value });
    for (const [key, operations] of Map.groupBy(this.#history, ({ input }) => input.key)) {
      const verdict = checkLinearizable(MODEL, operations);
      if (!verdict.ok) wrong.push(`${key}: ${verdict.explanation}`);
      if (wrong.length >= WRONG_MAX) break;
    }
    return wrong;
  }

  /** What each member holds, once they are equal: they may still be applying what others have. */
  async #settled(members: readonly Target[], maxMs: number): Promise<{ held: Map<string, Held>; differing: string[] }> {
    const until = performance.now() + maxMs;
    for (;;) {
      const held = new Map<string, Held>();
      for (const member of members) held.set(member.name, await this.#held(member));
      const differing = [...this.#keys.keys()].flatMap((key) => {
        const values = new Set([...held.values()].map((each) => each.get(key)));
        const said = () => [...held].map(([name, each]) => `${each.get(key)} at ${name}`).join(", ");
        return values.size > 1 ? [`${key} differs: ${said()}`] : [];
      });
      if (differing.length === 0 || performance.now() > until)
        return { held, differing: differing.slice(0, WRONG_MAX) };
      await pause(LOOK_AGAIN_MS);
    }
  }

  /** @throws Error when it does not say what it holds. */
  async #held(member: Target): Promise<Held> {
    const held = new Map<string, string>();
    const left = [...this.#keys];
    const services = new Map<string, ReadonlyMap<string, string>>();
    const read = async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const [key, kind] = next;
        const told =
          kind === "config"
            ? await readConfig(member, key, false)
            : await this.#readInstance(member, key, false, services);
        if (told.outcome !== "done") throw new Error(`${member.name} does not say what it holds: ${told.why}`);
        held.set(key, told.value);
      }
    };
    await Promise.all(Array.from({ length: READS_AT_A_TIME }, read));
    return held;
  }

  async #readInstance(
    member: Target,
    key: string,
    isLinearizable: boolean,
    known?: Map<string, ReadonlyMap<string, string>>,
  ): Promise<Told<string>> {
    const { service, address } = instanceOf(key);
    const before = known?.get(service);
    if (before !== undefined) return { outcome: "done", value: before.get(address) ?? ABSENT };
    const told = await readInstances(member, service, isLinearizable);
    if (told.outcome !== "done") return told;
    known?.set(service, told.value);
    return { outcome: "done", value: told.value.get(address) ?? ABSENT };
  }

  #newSlot(index: number): Slot {
    const { name } = this.#setup;
    const n = this.#generation++;
    const kind = index % 3 === 2 ? "instance" : "config";
    // Some instances share a service, so that changes of one list follow each other closely.
    const key =
      kind === "config" ? `${name}-${n}` : `${name}-${Math.floor(n / 50)} 127.0.${200 + (n % 50)}.${1 + (n % 200)}:9`;
    this.#keys.set(key, kind);
    return { key, kind, asked: 0, believed: ABSENT };
  }

  #newOwn(client: number): Own {
    const key = `${this.#setup.name}-own-${client}-${this.#generation++}`;
    this.#keys.set(key, "config");
    return { key, written: 0, known: 0, notDone: new Set() };
  }

  async #live(index: number): Promise<void> {
    const { signal } = this.#over;
    const { clients, perSecond } = this.#setup;
    const intervalMs = (1000 * clients) / perSecond;
    let own: Own | undefined;
    for (let dueAt = performance.now() + (index / clients) * intervalMs; !signal.aborted; dueAt += intervalMs) {
      const aheadMs = dueAt - performance.now();
      if (aheadMs > 0) await pause(aheadMs, undefined, { signal }).catch(() => {});
      // Who was held up does not make up for it.
      else dueAt = performance.now();
      if (signal.aborted) return;
      const member = this.#any();
      if (member === undefined) await pause(RETRY_MS);
      else if (this.#random.chance(0.2)) {
        if (own === undefined || own.written === OPERATIONS_OF_EACH) own = this.#newOwn(index);
        await this.#writeOwn(own, member);
      } else await this.#change(index, member);
    }
  }

  #any(but?: Target): Target | undefined {
    const members = this.#setup.members().filter((member) => member !== but);
    return members.length === 0 ? undefined : this.#random.pick(members);
  }

  /** One operation on a register that clients share. What is not done is tried at other members. */
  async #change(client: number, at: Target): Promise<void> {
    const place = this.#random.below(SLOTS);
    let slot = this.#slots[place] as Slot;
    if (++slot.asked > OPERATIONS_OF_EACH) {
      slot = this.#newSlot(place);
      this.#slots[place] = slot;
    }
    const dice = this.#random.next();
    if (this.#setup.hasReads && dice < 0.2) return this.#read(client, at, slot);
    const to = `${client}.${++this.#values}`;
    const input: Change =
      slot.kind === "instance"
        ? { op: "write", key: slot.key, value: dice < 0.4 ? ABSENT : to }
        : dice < 0.4 || slot.believed === ABSENT
          ? { op: "write", key: slot.key, value: to }
          : { op: "cas", key: slot.key, from: slot.believed, to };
    let member: Target | undefined = at;
    for (let tries = 0; member !== undefined && tries < 3; tries++) {
      const calledAt = performance.now();
      const told = await this.#perform(member, input);
      this.#note(member, calledAt, told, tries === 0);
      if (told.outcome === "done") {
        this.#record(client, calledAt, input, told.value);
        if (!told.value) return this.#read(client, member, slot);
        slot.believed = input.op === "cas" ? input.to : input.value;
        return;
      }
      if (told.outcome === "unknown") {
        this.#history.push({ client: `client ${client}`, calledAt, returnedAt: undefined, input });
        return;
      }
      // Not done: it is not in the history, so whoever sees it proves the answer wrong.
      await pause(RETRY_MS);
      member = this.#any(member) ?? member;
    }
  }

  async #perform(member: Target, input: Change): Promise<Told<boolean>> {
    if (input.op === "cas") return publishIf(member, input.key, input.from ?? "", input.to);
    const { key, value } = input;
    if (this.#keys.get(key) === "config") return publish(member, key, value);
    const { service, address } = instanceOf(key);
    return value === ABSENT ? deregister(member, service, address) : register(member, service, address, value);
  }

  async #read(client: number, member: Target, slot: Slot): Promise<void> {
    if (!this.#setup.hasReads) return;
    const calledAt = performance.now();
    const told =
      slot.kind === "config"
        ? await readConfig(member, slot.key, true)
        : await this.#readInstance(member, slot.key, true);
    // A read without an answer tells nothing.
    if (told.outcome !== "done") return;
    slot.believed = told.value;
    this.#record(client, calledAt, { op: "read", key: slot.key }, told.value);
  }

  /** A client reads what it wrote from the member that told it so, at once (CP-5). */
  async #writeOwn(own: Own, member: Target): Promise<void> {
    const n = ++own.written;
    const calledAt = performance.now();
    const told = await publish(member, own.key, String(n));
    this.#note(member, calledAt, told, true);
    const input: Input = { op: "write", key: own.key, value: String(n) };
    if (told.outcome === "notDone") own.notDone.add(n);
    else
      this.#history.push({
        client: own.key,
        calledAt,
        returnedAt: told.outcome === "done" ? performance.now() : undefined,
        input,
        output: true,
      });
    if (told.outcome !== "done") return;
    own.known = n;
    const read = await readConfig(member, own.key, false);
    if (read.outcome !== "done") return;
    const seen = Number(read.value);
    // What is unknown may come late.
    if (own.notDone.has(seen)) this.#isWrong(`${member.name} shows ${seen} of ${own.key}, which it said is not done`);
    if (!(seen >= own.known) && !this.#isUnknown(own.key, seen))
      this.#isWrong(`${member.name} has acknowledged ${own.known} of ${own.key}, and shows ${read.value}`);
  }

  #isUnknown(key: string, seen: number): boolean {
    return this.#history.some(
      ({ input, returnedAt }) =>
        returnedAt === undefined && input.op === "write" && input.key === key && input.value === String(seen),
    );
  }

  #isWrong(sentence: string): void {
    if (this.wrong.length < WRONG_MAX) this.wrong.push(sentence);
  }

  #record(client: number, calledAt: number, input: Input, output: Output): void {
    this.#history.push({ client: `client ${client}`, calledAt, returnedAt: performance.now(), input, output });
  }

  #note(member: Target, calledAt: number, told: Told<unknown>, isFirst: boolean): void {
    this.writes.push({
      calledAt,
      endedAt: performance.now(),
      member: member.name,
      outcome: told.outcome,
      isFirst,
      ...(told.outcome !== "done" && { why: told.why }),
    });
  }
}

/** A configuration that one client writes, with numbers that grow. */
interface Own {
  readonly key: string;
  written: number;
  /** The newest that was acknowledged. */
  known: number;
  readonly notDone: Set<number>;
}

function instanceOf(key: string): { service: string; address: string } {
  const [service = "", address = ""] = key.split(" ");
  return { service, address };
}
