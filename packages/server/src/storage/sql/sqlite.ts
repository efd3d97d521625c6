import type Database from "better-sqlite3";

/** A query with its values. */
export interface Query {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** Runs queries at once, with prepared statements kept by their text: the log's order needs no promises. */
export class Sqlite {
  readonly database: Database.Database;
  readonly #rename: (sql: string) => string;
  /** As many as there are texts in the source. */
  readonly #statements = new Map<string, Database.Statement<unknown[], unknown>>();

  /** @param rename  of the tables that a text names. */
  constructor(database: Database.Database, rename = (sql: string) => sql) {
    this.database = database;
    this.#rename = rename;
  }

  all<T>({ sql, parameters }: Query): T[] {
    return this.#statement(sql)
      .pluck(false)
      .all(...parameters) as T[];
  }

  /** The values of the first column: an object for each row would cost more than finding it. */
  column<T>({ sql, parameters }: Query): T[] {
    return this.#statement(sql)
      .pluck(true)
      .all(...parameters) as T[];
  }

  get<T>({ sql, parameters }: Query): T | undefined {
    return this.#statement(sql)
      .pluck(false)
      .get(...parameters) as T | undefined;
  }

  /** @returns the number of rows changed. */
  run({ sql, parameters }: Query): number {
    return this.#statement(sql).run(...parameters).changes;
  }

  #statement(sql: string): Database.Statement<unknown[], unknown> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare<unknown[], unknown>(this.#rename(sql));
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
