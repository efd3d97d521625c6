/** What is wrong with a value: the path of a field in it, and the rule that the field breaks, as a clause. */
export interface Fault {
  readonly field: string;
  readonly rule: string;
}

/**
 * Looks at a value of which nothing is known.
 *
 * @param field  the path to the value.
 * @returns what is wrong with it first; nothing for a `T`. Never throws, whatever the value is.
 */
export interface Shape<T> {
  (value: unknown, field: string): Fault | undefined;
  /** For the compiler alone: it ties a shape to its type. */
  readonly of?: T;
}

/** A shape that a field may do without. */
export interface OptionalShape<T> extends Shape<T | undefined> {
  readonly isOptional: true;
}

/** A shape for each field of `T`: one that is left out does not compile. */
export type Fields<T> = {
  readonly [K in keyof T]-?: undefined extends T[K] ? OptionalShape<T[K]> : Shape<T[K]>;
};

const rule = (says: string, holds: (value: unknown) => boolean) => (value: unknown, field: string) =>
  holds(value) ? undefined : { field, rule: says };

export const text: Shape<string> = rule("must be text", (value) => typeof value === "string");
export const flag: Shape<boolean> = rule("must be true or false", (value) => typeof value === "boolean");
/** Finite. */
export const real: Shape<number> = rule("must be a number", Number.isFinite);

export function integer(least: number, most = Number.MAX_SAFE_INTEGER): Shape<number> {
  const isOne = (value: unknown) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
  return rule(`must be a whole number from ${least} to ${most}`, isOne);
}

export function oneOf<T extends string>(values: readonly T[]): Shape<T> {
  return rule(`must be one of ${values.join(", ")}`, (value) => values.includes(value as T));
}

export function optional<T>(shape: Shape<T>): OptionalShape<T> {
  const look: Shape<T | undefined> = (value, field) => (value === undefined ? undefined : shape(value, field));
  return Object.assign(look, { isOptional: true as const });
}

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return (value, field) => {
    if (!Array.isArray(value)) return { field, rule: "must be a list" };
    for (const [at, one] of value.entries()) {
      const fault = item(one, `${field}[${at}]`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

/** Any names, each with a text. */
export const textMap: Shape<Readonly<Record<string, string>>> = (value, field) => {
  if (!isObject(value)) return { field, rule: "must be an object" };
  for (const one of Object.values(value)) if (typeof one !== "string") return { field, rule: "must hold texts only" };
  return undefined;
};

/** An object with these fields. What else it has is not looked at. */
export function object<T>(fields: Fields<T>): Shape<T> {
  const all = Object.entries<Shape<unknown>>(fields);
  return (value, field) => {
    if (!isObject(value)) return { field, rule: "must be an object" };
    for (const [name, shape] of all) {
      const fault = shape(own(value, name), field === "" ? name : `${field}.${name}`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

/** One of several kinds of objects, which the text in `tag` tells apart. */
export function variant<K extends string, T extends Readonly<Record<K, string>>>(
  tag: K,
  kinds: { readonly [N in T[K]]: Fields<Omit<Extract<T, Readonly<Record<K, N>>>, K>> },
): Shape<T> {
  const shapes = new Map(Object.entries<Fields<unknown>>(kinds).map(([kind, fields]) => [kind, object(fields)]));
  return (value, field) => {
    if (!isObject(value)) return { field, rule: "must be an object" };
    const shape = shapes.get(own(value, tag) as string);
    if (shape !== undefined) return shape(value, field);
    return { field: field === "" ? tag : `${field}.${tag}`, rule: `must be one of ${[...shapes.keys()].join(", ")}` };
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function own(value: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}
