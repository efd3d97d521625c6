import { basename, dirname } from "node:path";
import { RegistryError } from "@nacre/protocol";
import { crc32 } from "./crc32.ts";
import { DamageError } from "./damage.ts";
import { diskFailure, failureCode } from "./disk-failure.ts";
import { type Files, type OpenFile, replaceFile } from "./files.ts";
import { ofLaterVersion } from "./versions.ts";

/**
 * What is left of what this member had acknowledged. `logLost`: entries are gone, term and vote are not. `allLost`: it
 * cannot say either for whom it voted. `stateLost`: nothing is gone, but the state is not what the log led to elsewhere.
 */
export type Trust = "whole" | "logLost" | "allLost" | "stateLost";

/** What a member must not forget, whatever its log holds. */
export interface HardState {
  readonly term: number;
  /** The member that it voted for in this term. */
  readonly vote: string | undefined;
  readonly trust: Trust;
}

export const NEW_MEMBER: HardState = { term: 0, vote: undefined, trust: "whole" };

/** The highest that is read here; a slot that names none is of the first. */
const VOTE_VERSION = 1;
/** One sector, which a disk writes whole or not at all. */
const SLOT_BYTES = 512;
/** The slots are so far apart that no page of the system and no block of a disk holds both. */
const SLOT_DISTANCE = 4096;
const HEADER_BYTES = 6;

/**
 * Term and vote, in a file with two slots of `crc u32 | bytes u16 | JSON`. Each write goes over the older one and costs
 * one sync; an append to the log costs none. One write at a time.
 */
export class VoteFile {
  readonly #files: Files;
  readonly #path: string;
  #file: OpenFile | undefined;
  #sequence: number;
  #state: HardState;
  #refusing: string | undefined;

  private constructor(files: Files, path: string, file: OpenFile | undefined, found: Slot | undefined) {
    this.#files = files;
    this.#path = path;
    this.#file = file;
    this.#sequence = found?.sequence ?? 0;
    this.#state = found?.state ?? NEW_MEMBER;
  }

  /**
   * Opens the file where there is one, and makes it with the first write.
   *
   * @throws DamageError when it has to be feared that a vote is forgotten; RegistryError `dataAccess` otherwise.
   */
  static async open(files: Files, path: string, options: { readonly powerLoss: boolean }): Promise<VoteFile> {
    const found = await readVote(files, path, options);
    if (found === undefined) return new VoteFile(files, path, undefined, undefined);
    let file: OpenFile | undefined;
    try {
      file = await files.open(path);
      // What a killed process wrote may be in the page cache alone, and its name too; the next write goes over the other.
      await file.sync();
      await files.syncDirectory(dirname(path));
      return new VoteFile(files, path, file, found);
    } catch (thrown) {
      await file?.close();
      throw diskFailure(`the vote in ${path} cannot be opened`, thrown);
    }
  }

  get state(): HardState {
    return this.#state;
  }

  /** Why nothing is written until a restart, as a sentence. */
  get refusing(): string | undefined {
    return this.#refusing;
  }

  /**
   * On the disk when this resolves.
   * @throws RegistryError `dataAccess`: the state before it counts, or nothing is written until a restart.
   */
  async write(state: HardState): Promise<void> {
    if (this.#refusing !== undefined) throw new RegistryError("dataAccess", this.#refusing);
    const sequence = this.#sequence + 1;
    const slot = encodeSlot({ version: VOTE_VERSION, sequence, state });
    const place = sequence % 2;
    if (this.#file === undefined) {
      await this.#create(place, slot);
    } else {
      try {
        await this.#file.write(slot, place * SLOT_DISTANCE);
      } catch (thrown) {
        // The slot may be torn now; the next write goes over it again, and the other one holds what counts.
        throw diskFailure(`the vote in ${this.#path} cannot be written`, thrown);
      }
      await this.#sync(this.#file);
    }
    this.#sequence = sequence;
    this.#state = state;
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  async #create(place: number, slot: Buffer): Promise<void> {
    const content = Buffer.alloc(SLOT_DISTANCE + SLOT_BYTES);
    slot.copy(content, place * SLOT_DISTANCE);
    try {
      await replaceFile(this.#files, dirname(this.#path), basename(this.#path), content);
      this.#file = await this.#files.open(this.#path);
    } catch (thrown) {
      throw diskFailure(`the vote in ${this.#path} cannot be written`, thrown);
    }
  }

  async #sync(file: OpenFile): Promise<void> {
    try {
      await file.sync();
    } catch (thrown) {
      this.#refusing =
        `the vote in ${this.#path} takes no writes, because a sync of it failed, so that what the system holds of it ` +
        `cannot be trusted (${failureCode(thrown)}): check its disk and restart`;
      throw new RegistryError("dataAccess", this.#refusing, { cause: thrown });
    }
  }
}

/**
 * What the file holds; undefined where there is none.
 *
 * @param powerLoss  whether the machine may have stopped in a write. Only then a damaged slot is taken for one that was
 *                   being written, and the other one counts: what a killed process has begun to write, it has written.
 * @throws DamageError; RegistryError `dataAccess` when it cannot be read, or is of a later version.
 */
export async function readVote(
  files: Files,
  path: string,
  { powerLoss }: { readonly powerLoss: boolean },
): Promise<Slot | undefined> {
  let bytes: Buffer;
  try {
    bytes = await files.read(path);
  } catch (thrown) {
    if (failureCode(thrown) === "ENOENT") return undefined;
    throw diskFailure(`the vote in ${path} cannot be read`, thrown);
  }
  const slots = [0, 1].map((place) => decodeSlot(bytes.subarray(place * SLOT_DISTANCE).subarray(0, SLOT_BYTES)));
  const good = slots.filter((slot) => typeof slot === "object").toSorted((a, b) => b.sequence - a.sequence);
  const version = Math.max(...good.map((slot) => slot.version));
  if (version > VOTE_VERSION)
    throw new RegistryError("dataAccess", ofLaterVersion(path, { version, highest: VOTE_VERSION }));
  const newest = good[0];
  if (newest === undefined || (slots.includes("damaged") && !powerLoss)) {
    throw new DamageError(
      { part: "vote", path, fromIndex: 1 },
      `the vote in ${path} is damaged, so that this member may have voted for another one than it knows: restore the data ` +
        "folder from a backup, or let this member join its group anew",
    );
  }
  return newest;
}

interface Slot {
  readonly version: number;
  /** Counts up with each write. */
  readonly sequence: number;
  readonly state: HardState;
}

function encodeSlot({ version, sequence, state }: Slot): Buffer {
  const { term, vote, trust } = state;
  const text = JSON.stringify({ version, sequence, term, vote, trust });
  const slot = Buffer.alloc(SLOT_BYTES);
  const bytes = Buffer.byteLength(text);
  if (bytes > SLOT_BYTES - HEADER_BYTES) throw new Error(`a vote of ${bytes} bytes does not fit into its slot`);
  slot.writeUInt16BE(bytes, 4);
  slot.write(text, HEADER_BYTES);
  slot.writeUInt32BE(crc32(slot.subarray(4)), 0);
  return slot;
}

function decodeSlot(slot: Buffer): Slot | "empty" | "damaged" {
  if (slot.length < SLOT_BYTES) return "damaged";
  if (slot.readUInt32BE(0) !== crc32(slot.subarray(4))) return slot.every((byte) => byte === 0) ? "empty" : "damaged";
  const end = HEADER_BYTES + slot.readUInt16BE(4);
  const { version = 1, sequence, term, vote, trust } = JSON.parse(slot.toString("utf8", HEADER_BYTES, end));
  return { version, sequence, state: { term, vote, trust } };
}
