import { addToSet, hashNumber, hashText, takeFromSet } from "../lib/hash.ts";
import type { Millis } from "../lib/units.ts";
import type { OwnerDigest } from "./messages.ts";
import type { ClientId, Entry, MemberId } from "./model.ts";
import { BUCKETS, bucketOf, WideMap } from "./wide-map.ts";

/** What is held of one owner: figures that are kept up to date with each change, so that a digest costs nothing. */
export interface Owned {
  count: number;
  hash: number;
  readonly hashes: Uint32Array;
  readonly buckets: (Map<ClientId, Entry> | undefined)[];
}

/** A client with its version, its content and whether it answers, as an element of a set hash. */
function elementOf({ id, version, contentHash, answers }: Entry): number {
  let hash = hashText(version.owner, hashText(id));
  hash = hashNumber(version.incarnation, hash);
  hash = hashNumber(version.incarnation / 2 ** 32, hash);
  hash = hashNumber(version.counter, hash);
  return hashNumber(contentHash ^ Number(answers), hash);
}

/** A tombstone, in a list by time: a map of 200 000 in their order would have to be moved again and again. */
interface Grave {
  readonly entry: Entry;
  readonly at: Millis;
  older: Grave | undefined;
  newer: Grave | undefined;
}

/** Everything that this member knows about clients: those that it holds, by owner and bucket, and the tombstones. */
export class ClientTable {
  readonly #live = new WideMap<Entry>();
  readonly #graves = new WideMap<Grave>();
  #oldest: Grave | undefined;
  #newest: Grave | undefined;
  readonly #graveBuckets: (Map<ClientId, Entry> | undefined)[] = [];
  readonly #owners = new Map<MemberId, Owned>();
  readonly #gravesMax: number;
  /** Tombstones that the bound pushed out before their time. */
  droppedGraves = 0;

  constructor(gravesMax: number) {
    this.#gravesMax = gravesMax;
  }

  get size(): number {
    return this.#live.size;
  }

  get graves(): number {
    return this.#graves.size;
  }

  get(id: ClientId): Entry | undefined {
    return this.#live.get(id) ?? this.#graves.get(id)?.entry;
  }

  live(): Iterable<Entry> {
    return this.#live.values();
  }

  owners(): Iterable<[MemberId, Owned]> {
    return this.#owners;
  }

  owned(owner: MemberId): Owned | undefined {
    return this.#owners.get(owner);
  }

  /** Everything of one owner in one bucket. */
  bucket(owner: MemberId, bucket: number): Iterable<Entry> {
    return this.#owners.get(owner)?.buckets[bucket]?.values() ?? [];
  }

  bucketSize(owner: MemberId, bucket: number): number {
    return this.#owners.get(owner)?.buckets[bucket]?.size ?? 0;
  }

  /** Everything in one bucket, tombstones too, in order of ids. */
  sortedBucket(bucket: number): Entry[] {
    const all = [...(this.#graveBuckets[bucket]?.values() ?? [])];
    for (const owned of this.#owners.values()) all.push(...(owned.buckets[bucket]?.values() ?? []));
    return all.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Changes an entry, or takes in a new one; the figures follow. */
  put(entry: Entry, now: Millis, change: Partial<Entry> = {}): void {
    this.#takeOut(entry);
    Object.assign(entry, change);
    if (entry.gone === undefined) this.#takeIn(entry);
    else this.#bury(entry, now);
  }

  digest(): OwnerDigest[] {
    return [...this.#owners].map(([owner, { count, hash }]) => ({ owner, count, hash }));
  }

  /** Forgets tombstones that are older than `before`, a few at a time. @returns whether some are left. */
  expire(before: Millis, itemsMax: number): boolean {
    const isOver = (grave: Grave | undefined): grave is Grave => grave !== undefined && grave.at < before;
    for (let left = itemsMax; left > 0 && isOver(this.#oldest); left--) this.#takeOut(this.#oldest.entry);
    return isOver(this.#oldest);
  }

  #bury(entry: Entry, now: Millis): void {
    const bucket = bucketOf(entry.id);
    // Of a client of the other kind that had this id before.
    const before = this.#graves.get(entry.id);
    if (before !== undefined) this.#unlink(before);
    const grave: Grave = { entry, at: now, older: this.#newest, newer: undefined };
    if (this.#newest === undefined) this.#oldest = grave;
    else this.#newest.newer = grave;
    this.#newest = grave;
    this.#graves.set(entry.id, grave);
    const held = this.#graveBuckets[bucket] ?? new Map<ClientId, Entry>();
    this.#graveBuckets[bucket] = held.set(entry.id, entry);
    if (this.#graves.size <= this.#gravesMax) return;
    if (this.#oldest !== undefined) this.#takeOut(this.#oldest.entry);
    this.droppedGraves++;
  }

  #unlink({ older, newer }: Grave): void {
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }

  #takeIn(entry: Entry): void {
    const { owner } = entry.version;
    let owned = this.#owners.get(owner);
    if (owned === undefined) {
      owned = { count: 0, hash: 0, hashes: new Uint32Array(BUCKETS), buckets: [] };
      this.#owners.set(owner, owned);
    }
    const bucket = bucketOf(entry.id);
    const element = elementOf(entry);
    owned.count++;
    owned.hash = addToSet(owned.hash, element);
    owned.hashes[bucket] = addToSet(owned.hashes[bucket] as number, element);
    const held = owned.buckets[bucket] ?? new Map<ClientId, Entry>();
    owned.buckets[bucket] = held.set(entry.id, entry);
    this.#live.set(entry.id, entry);
  }

  #takeOut(entry: Entry): void {
    const bucket = bucketOf(entry.id);
    const grave = this.#graves.get(entry.id);
    if (grave?.entry === entry) {
      this.#unlink(grave);
      this.#graves.delete(entry.id);
      this.#graveBuckets[bucket]?.delete(entry.id);
    }
    const owned = this.#owners.get(entry.version.owner);
    if (owned === undefined || this.#live.get(entry.id) !== entry) return;
    const element = elementOf(entry);
    owned.count--;
    owned.hash = takeFromSet(owned.hash, element);
    owned.hashes[bucket] = takeFromSet(owned.hashes[bucket] as number, element);
    owned.buckets[bucket]?.delete(entry.id);
    this.#live.delete(entry.id);
    if (owned.count === 0) this.#owners.delete(entry.version.owner);
  }
}
