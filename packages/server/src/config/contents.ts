import type { Content, GrayVersion, Item, Revision, Version } from "@nacre/core/config";
import type { ConfigKey, ConfigName } from "@nacre/protocol";

/** One content in memory, of exactly one revision. */
export interface HeldContent {
  readonly text: string;
  /** The gRPC answer around it, once somebody has asked for it. */
  answer: Uint8Array | undefined;
}

interface Entry extends HeldContent {
  readonly id: EntryId;
  readonly revision: Revision;
  bytes: number;
}

/** Key and gray version; the gray name cannot hold the separator, nor can a key. */
type EntryId = string;

export interface ContentsSetup {
  /** Reads from the store. */
  readonly read: (name: ConfigName, gray: string | undefined) => Promise<string | undefined>;
  /** Bytes of contents and encoded answers together. What the store does not hold yet is kept beyond this. */
  readonly bytesMax: number;
}

/**
 * Contents by configuration and revision (G2). What was just written is held until the store has it; what was read
 * is held as long as there is room, the least recently used goes first. Several who miss the same share one read.
 */
export class Contents {
  /** For the metrics. */
  readonly counts = { hits: 0, misses: 0, evictions: 0 };
  readonly #setup: ContentsSetup;
  /** In the order of use, the oldest first. */
  readonly #held = new Map<EntryId, Entry>();
  /** What the store does not hold yet, in the order of revisions. Bounded by what the log lets wait for the store. */
  readonly #pinned = new Map<EntryId, Entry>();
  readonly #unsaved: Entry[] = [];
  readonly #reads = new Map<string, Promise<HeldContent | undefined>>();
  #waiting: { readonly revision: Revision; readonly saved: () => void }[] = [];
  #savedRevision: Revision = 0;
  #bytes = 0;

  constructor(setup: ContentsSetup) {
    this.#setup = setup;
  }

  /** Bytes in memory, what waits for the store included. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#held.size + this.#pinned.size;
  }

  /** A content as an entry of the log brings it. */
  put(key: ConfigKey, gray: string | undefined, revision: Revision, { text, bytes }: Content): void {
    const id = idOf(key, gray);
    this.#drop(id);
    const entry: Entry = { id, revision, text, bytes, answer: undefined };
    this.#bytes += bytes;
    this.#pinned.set(id, entry);
    this.#unsaved.push(entry);
  }

  /** Whatever is held of it is not true any more. */
  drop(key: ConfigKey, gray: string | undefined): void {
    this.#drop(idOf(key, gray));
  }

  /** The store holds everything up to this revision. */
  saved(revision: Revision): void {
    this.#savedRevision = Math.max(this.#savedRevision, revision);
    let count = 0;
    while (count < this.#unsaved.length && (this.#unsaved[count] as Entry).revision <= revision) count++;
    for (const entry of this.#unsaved.splice(0, count)) {
      // Dropped, or written anew, while it waited.
      if (this.#pinned.get(entry.id) !== entry) continue;
      this.#pinned.delete(entry.id);
      this.#held.set(entry.id, entry);
    }
    const due = this.#waiting.filter((waiting) => waiting.revision <= revision);
    if (due.length > 0) this.#waiting = this.#waiting.filter((waiting) => waiting.revision > revision);
    for (const { saved } of due) saved();
    this.#trim();
  }

  /** Calls `saved` when the store holds everything up to this revision. @returns what takes that back. */
  onSaved(revision: Revision, saved: () => void): () => void {
    if (revision <= this.#savedRevision) saved();
    const waiting = { revision, saved };
    if (revision > this.#savedRevision) this.#waiting.push(waiting);
    return () => {
      this.#waiting = this.#waiting.filter((one) => one !== waiting);
    };
  }

  /** The store is another one, which holds everything up to this revision: what is held came from the one before. */
  replaced(revision: Revision): void {
    this.#held.clear();
    this.#pinned.clear();
    this.#unsaved.length = 0;
    this.#bytes = 0;
    this.#savedRevision = revision;
    // Who waits for a version that is gone finds another one, or none.
    for (const { saved } of this.#waiting.splice(0)) saved();
  }

  /** @returns the content of this version if it is in memory. */
  peek(item: Item, version: Version, gray: GrayVersion | undefined): HeldContent | undefined {
    const id = idOf(item.key, gray?.name);
    const pinned = this.#pinned.get(id);
    const entry = pinned ?? this.#held.get(id);
    if (entry === undefined || entry.revision !== version.revision) return undefined;
    this.counts.hits++;
    if (pinned === undefined) {
      this.#held.delete(id);
      this.#held.set(id, entry);
    }
    return entry;
  }

  /**
   * Reads a version that is not in memory. The caller looks whether it is still the newest: what was read while it
   * changed may be of another revision. Undefined when the store has none.
   */
  read(item: Item, version: Version, gray: GrayVersion | undefined): Promise<HeldContent | undefined> {
    // With the MD5, because the same revision of another log is another content.
    const key = `${idOf(item.key, gray?.name)}\n${version.revision}\n${version.md5}`;
    const shared = this.#reads.get(key);
    if (shared !== undefined) return shared;
    this.counts.misses++;
    const read = this.#read(item, version, gray).finally(() => this.#reads.delete(key));
    this.#reads.set(key, read);
    return read;
  }

  /** Keeps the encoded answer around a held content; counted as the content is. */
  keepAnswer(content: HeldContent, answer: Uint8Array): void {
    const entry = content as Entry;
    if (entry.answer !== undefined) return;
    entry.answer = answer;
    entry.bytes += answer.length;
    if (this.#pinned.get(entry.id) !== entry && this.#held.get(entry.id) !== entry) return;
    this.#bytes += answer.length;
    this.#trim();
  }

  async #read(item: Item, version: Version, gray: GrayVersion | undefined): Promise<HeldContent | undefined> {
    // A committed import is in the store only when its entry is saved: until then a read finds the content before it.
    if (version.revision > this.#savedRevision)
      await new Promise<void>((saved) => void this.onSaved(version.revision, saved));
    const text = await this.#setup.read(item.name, gray?.name);
    if (text === undefined) return undefined;
    const id = idOf(item.key, gray?.name);
    const entry: Entry = { id, revision: version.revision, text, bytes: version.bytes, answer: undefined };
    // Kept only if it is what the head names now: the store is never ahead of the head, and was not behind it before.
    const newest = gray === undefined ? item.formal : item.grays.find(({ name }) => name === gray.name);
    if (newest === version && !this.#pinned.has(id)) {
      this.#drop(id);
      this.#held.set(id, entry);
      this.#bytes += entry.bytes;
      this.#trim();
    }
    return entry;
  }

  #drop(id: EntryId): void {
    for (const entries of [this.#pinned, this.#held]) {
      const entry = entries.get(id);
      if (entry === undefined) continue;
      entries.delete(id);
      this.#bytes -= entry.bytes;
    }
  }

  #trim(): void {
    for (const entry of this.#held.values()) {
      if (this.#bytes <= this.#setup.bytesMax) return;
      this.#held.delete(entry.id);
      this.#bytes -= entry.bytes;
      this.counts.evictions++;
    }
  }
}

function idOf(key: ConfigKey, gray: string | undefined): EntryId {
  return gray === undefined ? key : `${key}\n${gray}`;
}
