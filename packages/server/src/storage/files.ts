import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** An open file. Every call is asynchronous, so that a slow disk never holds the event loop (L7). */
export interface OpenFile {
  /** Writes all bytes at the position, or throws the operating system's error after having written any part of them. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Resolves when data and size are on the disk. */
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  close(): Promise<void>;
}

/** What storage needs of a file system. A port, so that tests inject full, broken and slow disks. */
export interface Files {
  /** Creates the file, or empties it. */
  create(path: string): Promise<OpenFile>;
  /** Opens a file that exists, for writing. */
  open(path: string): Promise<OpenFile>;
  read(path: string): Promise<Buffer>;
  chunks(path: string): AsyncIterable<Buffer>;
  /** The bytes from a position on: as many as were asked for, fewer at the end of the file. */
  readRange(path: string, position: number, bytes: number): Promise<Buffer>;
  /** Bytes of a file. */
  size(path: string): Promise<number>;
  /** The names in a folder, sorted. */
  list(directory: string): Promise<string[]>;
  makeDirectory(path: string): Promise<void>;
  /** Makes created, renamed and removed names in this folder durable. */
  syncDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a folder with what is in it; one that does not exist is no failure. */
  remove(path: string): Promise<void>;
}

const CHUNK_BYTES = 256 * 1024;

async function openAs(path: string, flags: string): Promise<OpenFile> {
  const handle = await open(path, flags);
  return {
    async write(bytes, position) {
      // The system may write less than asked; what is missing is written until it fails or nothing is left.
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
        done += bytesWritten;
      }
    },
    sync: () => handle.datasync(),
    truncate: (bytes) => handle.truncate(bytes),
    close: () => handle.close(),
  };
}

export const nodeFiles: Files = {
  create: (path) => openAs(path, "w"),
  open: (path) => openAs(path, "r+"),
  read: (path) => readFile(path),
  async *chunks(path) {
    const handle = await open(path, "r");
    try {
      for (;;) {
        const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  },
  async readRange(path, position, bytes) {
    const handle = await open(path, "r");
    try {
      const buffer = Buffer.allocUnsafe(bytes);
      let done = 0;
      while (done < bytes) {
        const { bytesRead } = await handle.read(buffer, done, bytes - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return buffer.subarray(0, done);
    } finally {
      await handle.close();
    }
  },
  size: async (path) => (await stat(path)).size,
  list: async (directory) => (await readdir(directory)).sort(),
  makeDirectory,
  async syncDirectory(path) {
    // Windows has no way to sync a folder; its file systems journal names themselves.
    if (process.platform === "win32") return;
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  rename,
  remove: (path) => rm(path, { force: true, recursive: true }),
};

/** Writes a small file so that a reader, also after a crash, sees the old content or the new, never a mixture. */
export async function replaceFile(
  files: Files,
  directory: string,
  name: string,
  content: string | Buffer,
): Promise<void> {
  const path = `${directory}/${name}`;
  const temporary = `${path}.tmp`;
  const file = await files.create(temporary);
  try {
    await file.write(Buffer.from(content), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  await files.syncDirectory(directory);
}

/** What is stored has passwords in it: folders made here are their owner's alone. One that is there already stays as it is. */
const OWN_FOLDER = 0o700;

/**
 * Makes a folder and those above it. Node's own recursive `mkdir` never returns for a path below `/proc` or another
 * file system in which nothing can be made.
 */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: OWN_FOLDER });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
    const above = dirname(path);
    if (code !== "ENOENT" || above === path || (await isDirectory(above))) throw thrown;
    await makeDirectory(above);
    await mkdir(path, { mode: OWN_FOLDER });
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
