import { RegistryError } from "@nacre/protocol";

/** What a data folder has lost of what had been acknowledged, as far as it can be told. */
export interface Damage {
  readonly part: "log" | "snapshots" | "vote";
  /** The file or folder in which it was met. */
  readonly path: string;
  /** From this record on the log cannot be relied on. */
  readonly fromIndex: number;
}

/** Acknowledged records, or what stands in for them, are damaged or missing. The sentence says where, and the mend. */
export class DamageError extends RegistryError {
  readonly damage: Damage;

  constructor(damage: Damage, sentence: string, options?: ErrorOptions) {
    super("dataAccess", sentence, options);
    this.damage = damage;
  }
}

/** A file of this name in a data folder says what is to be set aside, until all of it is (see `quarantine.ts`). */
export const QUARANTINE_MARKER = "quarantine.json";
