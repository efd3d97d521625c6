import type { Files, OpenFile } from "@nacre/server/storage";
import type { SimProcess } from "./cluster-sim-process.ts";
import type { Random } from "./random.ts";

interface SimFile {
  bytes: Buffer;
  /** How many of the bytes are on the disk for sure. */
  syncedBytes: number;
}

/** The disk of one machine: it outlives processes, and a loss of power as far as it was synced. */
export class SimDisk {
  readonly #random: Random;
  readonly #files = new Map<string, SimFile>();
  /** How long the slowest operation takes; each takes some share of it. */
  slowMs = 2;
  /** Fails writes with this code, after a part of them. */
  failsWith: string | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  write(path: string, text: string): void {
    this.#files.set(path, { bytes: Buffer.from(text), syncedBytes: text.length });
  }

  read(path: string): string | undefined {
    const file = this.#files.get(path);
    return file && String(file.bytes);
  }

  clear(): void {
    this.#files.clear();
  }

  /** What was not synced may be missing from some byte on; a file of which nothing was synced may be missing. */
  losePower(): void {
    for (const [path, file] of this.#files) {
      const left = file.syncedBytes + this.#random.below(file.bytes.length - file.syncedBytes + 1);
      if (left === 0) this.#files.delete(path);
      else file.bytes = file.bytes.subarray(0, left);
    }
  }

  /** The disk as one process uses it: what it did not wait for ends with it. */
  of(process: SimProcess): Files {
    const turn = async (): Promise<void> => process.sleep(this.#random.next() * this.slowMs);
    const held = (path: string): SimFile => {
      const file = this.#files.get(path);
      if (file === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
      return file;
    };
    const opened = (file: SimFile): OpenFile => ({
      write: async (bytes, position) => {
        await turn();
        const part = this.failsWith === undefined ? bytes : bytes.subarray(0, this.#random.below(bytes.length));
        const grown = Buffer.alloc(Math.max(file.bytes.length, position + part.length));
        file.bytes.copy(grown);
        grown.set(part, position);
        file.bytes = grown;
        file.syncedBytes = Math.min(file.syncedBytes, position);
        if (this.failsWith !== undefined) throw Object.assign(new Error(this.failsWith), { code: this.failsWith });
      },
      sync: async () => {
        await turn();
        file.syncedBytes = file.bytes.length;
      },
      truncate: async (bytes) => {
        await turn();
        file.bytes = file.bytes.subarray(0, bytes);
        file.syncedBytes = Math.min(file.syncedBytes, bytes);
      },
      close: turn,
    });
    return {
      create: async (path) => {
        await turn();
        const file = { bytes: Buffer.alloc(0), syncedBytes: 0 };
        this.#files.set(path, file);
        return opened(file);
      },
      open: async (path) => {
        await turn();
        return opened(held(path));
      },
      read: async (path) => {
        await turn();
        return Buffer.from(held(path).bytes);
      },
      async *chunks(path) {
        await turn();
        yield Buffer.from(held(path).bytes);
      },
      readRange: async (path, position, bytes) => {
        await turn();
        return Buffer.from(held(path).bytes.subarray(position, position + bytes));
      },
      size: async (path) => held(path).bytes.length,
      list: async (directory) => {
        await turn();
        const names = [...this.#files.keys()].filter((path) => path.startsWith(`${directory}/`));
        return names.map((path) => path.slice(directory.length + 1)).sort();
      },
      makeDirectory: turn,
      syncDirectory: turn,
      rename: async (from, to) => {
        await turn();
        this.#files.set(to, held(from));
        this.#files.delete(from);
      },
      remove: async (path) => {
        await turn();
        this.#files.delete(path);
      },
    };
  }
}
