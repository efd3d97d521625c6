import { RegistryError } from "@nacre/protocol";

const MENDS: Record<string, string> = {
  ENOSPC: "free space on its disk",
  EDQUOT: "raise the disk quota of this user",
  EROFS: "mount its disk for writing",
  EIO: "check its disk for errors",
  EACCES: "let this user read and write the folder",
  EPERM: "let this user read and write the folder",
  ENOENT: "choose another folder with --data, no folder can be made there",
  ENOTDIR: "name a folder, not a file",
  EEXIST: "name a folder, not a file",
  EMFILE: "raise the limit of open files",
  ENFILE: "raise the limit of open files",
  SQLITE_FULL: "free space on its disk",
  SQLITE_CORRUPT: "restart, which rebuilds it from the snapshot and the log",
  SQLITE_NOTADB: "restart, which rebuilds it from the snapshot and the log",
};

/** The operating system's or SQLite's name for a failure, such as `ENOSPC`. */
export function failureCode(thrown: unknown): string {
  if (thrown instanceof Error && "code" in thrown && typeof thrown.code === "string") return thrown.code;
  return "unknown error";
}

/** Whether there was no space left, or no more of it for this user. */
export function isFull(thrown: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes(failureCode(thrown));
}

/** Whether SQLite says that its file is damaged. */
export function isDamage(thrown: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(failureCode(thrown));
}

/** What a person can do about a failed disk operation. */
export function mend(thrown: unknown): string {
  // SQLite adds details to its names, as in SQLITE_CORRUPT_VTAB.
  const code = failureCode(thrown).replace(/^(SQLITE_[A-Z]+).*/, "$1");
  return MENDS[code] ?? "see the cause in the server's own log";
}

/** `what` is a clause that names the file or folder: "the log in /data/log cannot be written". */
export function diskFailure(what: string, thrown: unknown): RegistryError {
  if (thrown instanceof RegistryError) return thrown;
  return new RegistryError("dataAccess", `${what} (${failureCode(thrown)}): ${mend(thrown)}`, { cause: thrown });
}
