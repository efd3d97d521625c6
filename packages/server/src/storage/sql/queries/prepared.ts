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

/** What `fixed` takes: names of the values, and numbers that are the same every time. */
export interface Prepared {
  readonly sql: string;
  readonly parameters: readonly (string | number)[];
}

export function prepared(built: { compile(): { sql: string; parameters: readonly unknown[] } }): Prepared {
  const { sql, parameters } = built.compile();
  return { sql, parameters: parameters.map((parameter) => nameOrNumber(parameter, sql)) };
}

function nameOrNumber(parameter: unknown, sql: string): string | number {
  if (typeof parameter === "number") return parameter;
  if (parameter instanceof Placeholder) return parameter.name;
  throw new Error(`a fixed query holds ${String(parameter)}: write it as a literal: ${sql}`);
}
