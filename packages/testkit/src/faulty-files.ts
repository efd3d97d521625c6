import type { Files, OpenFile } from "@nacre/server/storage";

/** What goes wrong at present. Only files whose path holds `where` are concerned. */
export interface Faults {
  where: string;
  /** Fails writes with this error code, after `afterBytes` bytes of the write have reached the file. */
  write: { readonly code: string; readonly afterBytes: number } | undefined;
  sync: string | undefined;
  truncate: string | undefined;
  makeDirectory: string | undefined;
  rename: string | undefined;
  /** Holds every sync until the promise resolves: a disk that is slow for as long as the test likes. */
  syncGate: Promise<void> | undefined;
  /** Holds every write likewise. */
  writeGate: Promise<void> | undefined;
  /** Changes of any file or folder before the process ends: the one behind them, and all later ones, fail. */
  changesLeft: number;
  /** Flips a bit of what is read in parts. */
  flipReads: boolean;
  /** Bytes that were read in parts. */
  readBytes: number;
  /** Bytes of each write, in order. */
  readonly writes: number[];
  syncs: number;
}

/** Real files with a disk that fills up, breaks and slows down on demand. */
export function faultyFiles(files: Files, where = "/log/"): { readonly files: Files; readonly faults: Faults } {
  const faults: Faults = {
    where,
    write: undefined,
    sync: undefined,
    truncate: undefined,
    makeDirectory: undefined,
    rename: undefined,
    syncGate: undefined,
    writeGate: undefined,
    changesLeft: Number.POSITIVE_INFINITY,
    flipReads: false,
    readBytes: 0,
    writes: [],
    syncs: 0,
  };
  const ended = async () => {
    faults.changesLeft -= 1;
    if (faults.changesLeft < 0) throw new Error("the process has ended");
  };
  const wrap = (path: string, file: OpenFile): OpenFile => {
    if (!path.includes(faults.where)) return mortal(file);
    return mortal({
      async write(bytes, position) {
        faults.writes.push(bytes.length);
        await faults.writeGate;
        const { write } = faults;
        if (write === undefined) return file.write(bytes, position);
        await file.write(bytes.subarray(0, write.afterBytes), position);
        throw diskError(write.code);
      },
      async sync() {
        faults.syncs += 1;
        await faults.syncGate;
        if (faults.sync !== undefined) throw diskError(faults.sync);
        await file.sync();
      },
      async truncate(bytes) {
        if (faults.truncate !== undefined) throw diskError(faults.truncate);
        await file.truncate(bytes);
      },
      close: () => file.close(),
    });
  };
  const mortal = (file: OpenFile): OpenFile => ({
    write: (bytes, position) => ended().then(() => file.write(bytes, position)),
    sync: () => ended().then(() => file.sync()),
    truncate: (bytes) => ended().then(() => file.truncate(bytes)),
    close: () => file.close(),
  });
  return {
    faults,
    files: {
      ...files,
      create: (path) => ended().then(async () => wrap(path, await files.create(path))),
      open: async (path) => wrap(path, await files.open(path)),
      syncDirectory: (path) => ended().then(() => files.syncDirectory(path)),
      remove: (path) => ended().then(() => files.remove(path)),
      async readRange(path, position, bytes) {
        const read = await files.readRange(path, position, bytes);
        if (!path.includes(faults.where)) return read;
        faults.readBytes += read.length;
        const middle = read.length >> 1;
        if (faults.flipReads) read[middle] = (read[middle] ?? 0) ^ 1;
        return read;
      },
      async rename(from, to) {
        await ended();
        if (from.includes(faults.where) && faults.rename !== undefined) throw diskError(faults.rename);
        await files.rename(from, to);
      },
      async makeDirectory(path) {
        await ended();
        if (faults.makeDirectory !== undefined) throw diskError(faults.makeDirectory);
        await files.makeDirectory(path);
      },
    },
  };
}

function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}
