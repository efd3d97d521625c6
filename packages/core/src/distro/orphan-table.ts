import type { Millis } from "../lib/units.ts";
import type { ClientId, Entry, MemberId, Version } from "./model.ts";
import type { Patience } from "./state.ts";
import { WideMap } from "./wide-map.ts";

/** `awaited`: another member is to probe it. */
export type OrphanStage = "grace" | "awaited" | "probing" | "unhealthy";

/** A client whose owner does not speak for it any more. */
export interface Orphan {
  readonly entry: Entry;
  readonly since: Millis;
  readonly stage: OrphanStage;
  /** What it takes longer for than others; undefined before it was asked. */
  readonly patience: Patience | undefined;
}

/** The orphans of one life of an owner. */
export interface LifeCounts {
  readonly owner: MemberId;
  readonly incarnation: number;
  clients: number;
  probing: number;
  /** Shown as unhealthy: those of which no instance answered. */
  unhealthy: number;
  answering: number;
}

interface Held {
  readonly entry: Entry;
  since: Millis;
  stage: OrphanStage;
  patience: Patience | undefined;
  life: LifeCounts;
  answers: boolean;
}

export function lifeOf({ owner, incarnation }: Pick<Version, "owner" | "incarnation">): string {
  return `${owner}/${incarnation}`;
}

/** All orphans, with figures per life that are kept up to date, so that nobody has to count them. */
export class OrphanTable {
  readonly #all = new WideMap<Held>();
  readonly #lives = new Map<string, LifeCounts>();

  get size(): number {
    return this.#all.size;
  }

  has(id: ClientId): boolean {
    return this.#all.has(id);
  }

  get(id: ClientId): Orphan | undefined {
    return this.#all.get(id);
  }

  /** Orphans that are added meanwhile may be met or not. */
  values(): Iterator<Orphan, undefined> {
    return this.#all.values();
  }

  lives(): IterableIterator<LifeCounts> {
    return this.#lives.values();
  }

  life(version: Version): LifeCounts | undefined {
    return this.#lives.get(lifeOf(version));
  }

  add(entry: Entry, since: Millis): Orphan {
    const life = this.#lifeFor(entry.version);
    const held: Held = { entry, since, stage: "grace", patience: undefined, life, answers: entry.answers };
    this.#all.set(entry.id, held);
    count(held, 1);
    return held;
  }

  /** To be called when the version of its entry has changed, or whether it answers. */
  update(id: ClientId, stage?: OrphanStage): void {
    const held = this.#all.get(id);
    if (held === undefined) return;
    this.#discount(held);
    held.life = this.#lifeFor(held.entry.version);
    if (stage === undefined) held.patience = undefined;
    else held.stage = stage;
    held.answers = held.entry.answers;
    count(held, 1);
  }

  setPatience(id: ClientId, patience: Patience): void {
    const held = this.#all.get(id);
    if (held !== undefined) held.patience = patience;
  }

  /** Its time begins anew. */
  restart(id: ClientId, since: Millis): void {
    const held = this.#all.get(id);
    if (held === undefined) return;
    held.since = since;
    this.update(id, "grace");
  }

  delete(id: ClientId): void {
    const held = this.#all.get(id);
    if (held === undefined) return;
    this.#all.delete(id);
    this.#discount(held);
  }

  #lifeFor({ owner, incarnation }: Version): LifeCounts {
    const key = lifeOf({ owner, incarnation });
    const held = this.#lives.get(key);
    if (held !== undefined) return held;
    const life = { owner, incarnation, clients: 0, probing: 0, unhealthy: 0, answering: 0 };
    this.#lives.set(key, life);
    return life;
  }

  #discount(held: Held): void {
    count(held, -1);
    if (held.life.clients === 0) this.#lives.delete(lifeOf(held.life));
  }
}

function count({ life, stage, answers }: Held, by: 1 | -1): void {
  life.clients += by;
  if (stage === "probing" || stage === "awaited") life.probing += by;
  if (stage === "unhealthy" && !answers) life.unhealthy += by;
  if (answers) life.answering += by;
}
