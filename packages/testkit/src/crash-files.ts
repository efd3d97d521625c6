import { dirname } from "node:path";
import type { Files, OpenFile } from "@nacre/server/storage";
import type { Random } from "./random.ts";

/** What is in a file, and what of it is on the disk for sure. */
interface Inode {
  bytes: Buffer;
  synced: Buffer;
}

type Names = Map<string, Inode>;

/** Pages that reach the disk whole or not at all. Small, so that small files have several. Bytes. */
const PAGE_BYTES = 64;

/**
 * A disk in memory that stops, with the process, in the middle of whatever it is told, and then may lose its power: each
 * page that was not synced is then old or new, and each name that was not synced was made, or not.
 */
export class CrashDisk {
  readonly #random: Random;
  #names: Names = new Map();
  /** Changes of names that no sync of their folder has made sure of, oldest first. */
  #unsynced: { readonly directory: string; readonly change: (names: Names) => void }[] = [];
  #durable: Names = new Map();
  #life = 0;
  /** Operations that change something before the process ends; the one behind them does a part of what it should. */
  stopsAfter = Number.POSITIVE_INFINITY;
  /** Changing operations so far. */
  operations = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The disk as the processes from now on see it. @param powerLost  whether the machine stopped as well. */
  restart(powerLost: boolean): Files {
    this.#life += 1;
    this.stopsAfter = Number.POSITIVE_INFINITY;
    if (powerLost) this.#losePower();
    return this.#files(this.#life);
  }

  #losePower(): void {
    for (const { change } of this.#unsynced) if (this.#random.chance(0.5)) change(this.#durable);
    this.#unsynced = [];
    for (const inode of new Set([...this.#names.values(), ...this.#durable.values()])) {
      inode.bytes = this.#torn(inode);
      inode.synced = Buffer.from(inode.bytes);
    }
    this.#names = new Map(this.#durable);
  }

  #torn({ bytes, synced }: Inode): Buffer {
    if (bytes.equals(synced)) return synced;
    // The size is one of those that the file had, or one on the way.
    const length = this.#random.pick([synced.length, bytes.length, Math.floor((synced.length + bytes.length) / 2)]);
    const torn = Buffer.alloc(length);
    for (let at = 0; at < length; at += PAGE_BYTES) {
      const source = this.#random.chance(0.5) ? bytes : synced;
      if (at < source.length) source.copy(torn, at, at, at + PAGE_BYTES);
    }
    return torn;
  }

  #files(life: number): Files {
    /** @param part  what of the operation is done by a process that ends in it. */
    const change = async <T>(all: () => T, part: () => void = () => {}): Promise<T> => {
      await undefined;
      if (life !== this.#life || this.operations >= this.stopsAfter) {
        if (life === this.#life && this.operations === this.stopsAfter) {
          this.operations += 1;
          part();
        }
        throw new Error("the process has ended");
      }
      this.operations += 1;
      return all();
    };
    const named = (path: string): Inode => {
      const inode = this.#names.get(path);
      if (inode === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
      return inode;
    };
    const rename = (path: string, apply: (names: Names) => void): void => {
      apply(this.#names);
      this.#unsynced.push({ directory: dirname(path), change: apply });
    };
    const opened = (inode: Inode): OpenFile => {
      const write = (bytes: Uint8Array, position: number) => {
        const grown = Buffer.alloc(Math.max(inode.bytes.length, position + bytes.length));
        inode.bytes.copy(grown);
        grown.set(bytes, position);
        inode.bytes = grown;
      };
      return {
        write: (bytes, position) =>
          change(
            () => write(bytes, position),
            () => write(bytes.subarray(0, this.#random.below(bytes.length + 1)), position),
          ),
        sync: () =>
          change(() => {
            inode.synced = Buffer.from(inode.bytes);
          }),
        truncate: (bytes) =>
          change(() => {
            inode.bytes = Buffer.from(inode.bytes.subarray(0, bytes));
          }),
        close: async () => {},
      };
    };
    return {
      create: (path) =>
        change(() => {
          const before = this.#names.get(path);
          const inode = before ?? { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) };
          inode.bytes = Buffer.alloc(0);
          if (before === undefined) rename(path, (names) => void names.set(path, inode));
          return opened(inode);
        }),
      open: async (path) => opened(named(path)),
      read: async (path) => Buffer.from(named(path).bytes),
      async *chunks(path) {
        yield Buffer.from(named(path).bytes);
      },
      readRange: async (path, position, bytes) => Buffer.from(named(path).bytes.subarray(position, position + bytes)),
      size: async (path) => named(path).bytes.length,
      list: async (directory) => {
        const below = [...this.#names.keys()].filter((path) => path.startsWith(`${directory}/`));
        return [...new Set(below.map((path) => path.slice(directory.length + 1).split("/")[0] ?? ""))].sort();
      },
      makeDirectory: async () => {},
      syncDirectory: (directory) =>
        change(() => {
          const isHere = (one: { readonly directory: string }) => one.directory === directory;
          for (const { change } of this.#unsynced.filter(isHere)) change(this.#durable);
          this.#unsynced = this.#unsynced.filter((one) => !isHere(one));
        }),
      rename: (from, to) =>
        change(() => {
          const moved = [...this.#names].filter(([path]) => isIn(path, from));
          if (moved.length === 0) named(from);
          rename(to, (names) => {
            for (const [path] of moved) names.delete(path);
            for (const [path, inode] of moved) names.set(to + path.slice(from.length), inode);
          });
        }),
      remove: (path) =>
        change(() => {
          const removed = [...this.#names.keys()].filter((one) => isIn(one, path));
          rename(path, (names) => {
            for (const one of removed) names.delete(one);
          });
        }),
    };
  }
}

/** The file itself, or one in the folder. A folder is there as long as something is in it. */
function isIn(path: string, at: string): boolean {
  return path === at || path.startsWith(`${at}/`);
}
