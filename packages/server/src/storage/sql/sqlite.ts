import type Database from "better-sqlite3";

/** A query with its values. */
export interface Query {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** Runs queries at once, with prepared statements kept by their text: the log's order needs no promises. */
export class Sqlite {
  readonly database: Database.Database;
  /** As many as there are texts in the source. */
  readonly #statements = new Map<string, Database.Statement<unknown[], unknown>>();

  constructor(database: Database.Database) {
    this.database = database;
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
      statement = this.database.prepare<unknown[], unknown>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
