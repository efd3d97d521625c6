import type Database from "better-sqlite3";

/** A query as Kysely compiles it. */
export interface Query {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** Searches have one text for each combination of filters; those used longest ago are compiled again when asked for. */
const STATEMENTS_MAX = 200;

/** Runs compiled queries at once, with prepared statements kept by their text: the log's order needs no promises. */
export class Sqlite {
  readonly database: Database.Database;
  readonly #statements = new Map<string, Database.Statement<unknown[], unknown>>();

  constructor(database: Database.Database) {
    this.database = database;
  }

  all<T>({ sql, parameters }: Query): T[] {
    return this.#statement(sql).all(...parameters) as T[];
  }

  get<T>({ sql, parameters }: Query): T | undefined {
    return this.#statement(sql).get(...parameters) as T | undefined;
  }

  /** @returns the number of rows changed. */
  run({ sql, parameters }: Query): number {
    return this.#statement(sql).run(...parameters).changes;
  }

  #statement(sql: string): Database.Statement<unknown[], unknown> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare<unknown[], unknown>(sql);
      if (this.#statements.size >= STATEMENTS_MAX) {
        const [oldest] = this.#statements.keys();
        if (oldest !== undefined) this.#statements.delete(oldest);
      }
    } else {
      this.#statements.delete(sql);
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}
