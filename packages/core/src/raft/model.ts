export type MemberId = string;
/** A position in the log; the first entry has 1. */
export type Index = number;
export type Term = number;
/** The shell's name of a proposal, a read or a change; never used twice in one process. */
export type Token = number;

/** Who decides and who only follows. A member is in one of them, or in neither. */
export interface Configuration {
  readonly voters: readonly MemberId[];
  readonly learners: readonly MemberId[];
}

/** A configuration and its place in the log. It counts from there on, committed or not. */
export interface ConfigurationAt {
  readonly index: Index;
  readonly configuration: Configuration;
}

/** Entries of one term that follow each other: from `first` up to the next run. */
export interface Run {
  readonly first: Index;
  readonly term: Term;
}

/** The newest snapshot: it stands in for the log up to `index`. */
export interface Snapshot {
  readonly index: Index;
  readonly term: Term;
  readonly configuration: Configuration;
  readonly bytes: number;
}

/**
 * What is left of what this member had acknowledged. `logLost`: entries are gone, term and vote are not. `allLost`: it
 * cannot say either for whom it voted. See DESIGN.md, "Damage". `stateLost`: everything is there, but it led to another
 * state here than elsewhere. See DESIGN.md, "A state that differs".
 */
export type Trust = "whole" | "logLost" | "allLost" | "stateLost";

/** Whether votes and acknowledgements count. */
export function remembers(trust: Trust): boolean {
  return trust === "whole" || trust === "stateLost";
}

export const NOBODY: Configuration = { voters: [], learners: [] };
