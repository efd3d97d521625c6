const MEBIBYTE = 1024 * 1024;

/** What an archive may hold, so that nobody fills the memory with a small upload. */
export interface ArchiveLimits {
  /** Of any kind, metadata and folders included. */
  readonly entriesMax: number;
  /** All entries together, inflated: as many bytes are held in memory until the import is over. */
  readonly totalBytesMax: number;
  /** One content, inflated; beyond, it is not recognized and the others are. */
  readonly entryBytesMax: number;
  /** The metadata, inflated: 10,000 configurations have about 2 MiB. */
  readonly metadataBytesMax: number;
  /** How many times larger than the archive its entries may be together; looked at from `freeBytes` on. */
  readonly ratioMax: number;
  /** Up to here no ratio is suspicious: one content of 10 MiB may well be a thousand times smaller when packed. */
  readonly freeBytes: number;
}

export const ARCHIVE_LIMITS: ArchiveLimits = {
  // 10,000 configurations and their metadata.
  entriesMax: 10_001,
  totalBytesMax: 256 * MEBIBYTE,
  entryBytesMax: 10 * MEBIBYTE,
  metadataBytesMax: 8 * MEBIBYTE,
  ratioMax: 200,
  freeBytes: 32 * MEBIBYTE,
};
