import type Database from "better-sqlite3";
import type { RowWrite } from "../port.ts";
import type { Mark } from "../store.ts";

/** What entries write, on one connection and inside its caller's transaction. */
export interface EntryWrites {
  put(kind: string, key: string, value: string): void;
  /** @param configs  performs what the entries write of configurations. */
  perform(rows: readonly RowWrite[], configs: Generator<undefined, void> | undefined): Generator<undefined, void>;
  setMark(mark: Mark): void;
}

export function entryWrites(database: Database.Database): EntryWrites {
  const put = database.prepare<[string, string, string]>(
    "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
  );
  const remove = database.prepare<[string, string]>("DELETE FROM rows WHERE kind = ? AND key = ?");
  const setMark = database.prepare<[Mark]>(
    "UPDATE mark SET position = @index, term = @term, checksum = @checksum, configuration = @configuration",
  );
  return {
    put: (kind, key, value) => void put.run(kind, key, value),
    *perform(rows, configs) {
      for (const { kind, key, value } of rows) {
        if (value === undefined) remove.run(kind, key);
        else put.run(kind, key, value);
        yield;
      }
      if (configs !== undefined) yield* configs;
    },
    setMark: (mark) => void setMark.run(mark),
  };
}
