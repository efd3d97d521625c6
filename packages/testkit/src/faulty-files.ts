import type { Files, OpenFile } from "@nacre/server/storage";

/** What goes wrong at present. Only files whose path holds `where` are concerned. */
export interface Faults {
  where: string;
  /** Fails writes with this error code, after `afterBytes` bytes of the write have reached the file. */
  write: { readonly code: string; readonly afterBytes: number } | undefined;
  sync: string | undefined;
  truncate: string | undefined;
  makeDirectory: string | undefined;
  /** Holds every sync until the promise resolves: a disk that is slow for as long as the test likes. */
  syncGate: Promise<void> | undefined;
  /** Holds every write likewise. */
  writeGate: Promise<void> | undefined;
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
    syncGate: undefined,
    writeGate: undefined,
    writes: [],
    syncs: 0,
  };
  const wrap = (path: string, file: OpenFile): OpenFile => {
    if (!path.includes(faults.where)) return file;
    return {
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
    };
  };
  return {
    faults,
    files: {
      ...files,
      create: async (path) => wrap(path, await files.create(path)),
      open: async (path) => wrap(path, await files.open(path)),
      async makeDirectory(path) {
        if (faults.makeDirectory !== undefined) throw diskError(faults.makeDirectory);
        await files.makeDirectory(path);
      },
    },
  };
}

function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}
