import type { Query } from "../sqlite.ts";

/** Stands in a built query for a value that is known when it runs. */
class Placeholder {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** A placeholder that queries take for a value. */
export function param<T = never>(name: string): T {
  return new Placeholder(name) as T;
}

/** Builds once, runs often: compiling costs many times what SQLite needs for a lookup. */
export function prepared(built: { compile(): Query }): (values: object) => Query {
  const { sql, parameters } = built.compile();
  const simple = parameters.map((parameter) => (parameter instanceof Placeholder ? parameter.name : undefined));
  return (values) => ({
    sql,
    parameters: parameters.map((parameter, at) => {
      const name = simple[at];
      return name === undefined ? parameter : (values as Record<string, unknown>)[name];
    }),
  });
}
