import {
  type Configuration,
  type ConfigurationAt,
  type MemberId,
  NOBODY,
  remembers,
  type Snapshot,
  type Start,
} from "@nacre/core/raft";
import type { Storage } from "../storage/storage.ts";
import { readConfiguration } from "./codec.ts";

interface Found extends Pick<Storage<never, never>, "log" | "vote" | "snapshots" | "terms" | "configurations"> {
  readonly applier: { readonly appliedIndex: number };
}

/**
 * What the core is to know of a data folder.
 *
 * @param founder  the configuration with which the group begins, where the folder names none.
 */
export function startOf(storage: Found, self: MemberId, seed: number, founder: Configuration | undefined): Start {
  const { log, vote, snapshots, applier } = storage;
  const { term, vote: votedFor, trust } = vote.state;
  // Who has lost its files does not know who is in the group, whatever it was told at the beginning.
  const first = remembers(trust) ? (founder ?? NOBODY) : NOBODY;
  const { newest } = snapshots;
  const snapshot: Snapshot = {
    index: newest?.index ?? 0,
    term: newest?.term ?? 0,
    configuration: configurationOf(newest?.configuration) ?? first,
    bytes: Math.max(1, newest?.bytes ?? 1),
  };
  const configurations: ConfigurationAt[] = storage.configurations.map(({ index, text }) => ({
    index,
    configuration: readConfiguration(text),
  }));
  // Of a log from before there were groups: the first leader makes it an entry (R7).
  if (configurations.length === 0 && configurationOf(newest?.configuration) === undefined)
    configurations.push({ index: 0, configuration: first });
  const base = baseOf(storage, snapshot);
  return {
    self,
    seed,
    term,
    vote: votedFor,
    snapshot,
    baseIndex: base.index,
    baseTerm: base.term,
    lastIndex: log.lastIndex,
    runs: storage.terms,
    configurations,
    applied: applier.appliedIndex,
    trust,
  };
}

function configurationOf(text: string | undefined): Configuration | undefined {
  return text === undefined || text === "" ? undefined : readConfiguration(text);
}

/** The term of the entry before the first one is known of a snapshot only: else the first one stands for it. */
function baseOf({ log, terms }: Found, snapshot: Snapshot): { readonly index: number; readonly term: number } {
  const { firstIndex } = log;
  if (firstIndex === 1) return { index: 0, term: 0 };
  if (firstIndex - 1 === snapshot.index) return { index: snapshot.index, term: snapshot.term };
  return { index: firstIndex, term: terms[0]?.term ?? 0 };
}
