import type { Method } from "./route.ts";

export interface Found<T> {
  /** What is served; undefined when nothing answers this method at this path. */
  readonly target: T | undefined;
  /** The values of the `:name` segments, decoded. */
  readonly segments: Readonly<Record<string, string>>;
  /** The methods that the path answers; empty for a path that is not served. */
  readonly allowed: readonly Method[];
}

type Targets<T> = Map<string, T>;

interface Pattern<T> {
  readonly parts: readonly string[];
  readonly targets: Targets<T>;
}

const NO_SEGMENTS: Readonly<Record<string, string>> = {};
const NONE: Found<never> = { target: undefined, segments: NO_SEGMENTS, allowed: [] };

/**
 * Finds what a path serves. Nearly all of the paths are fixed and found in one look-up; the few with `:name` segments
 * are tried one by one after them. HEAD is answered where GET is.
 */
export class Router<T> {
  readonly #fixed = new Map<string, Targets<T>>();
  readonly #patterns: Pattern<T>[] = [];

  /** @param path  begins with a slash; a segment that begins with `:` stands for any one segment. */
  add(method: Method, path: string, target: T): void {
    this.#targetsAt(path).set(method, target);
  }

  /**
   * @param path  begins with a slash and has no double ones; one at its end means nothing.
   * @throws URIError when its escapes are broken.
   */
  find(method: string, path: string): Found<T> {
    const wanted = method === "HEAD" ? "GET" : method;
    const bare = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
    // Escapes of what separates parts of a path stay as they are: they are no separators.
    const fixed = this.#fixed.get(bare.includes("%") ? decodeURI(bare) : bare);
    const target = fixed?.get(wanted);
    if (target !== undefined) return { target, segments: NO_SEGMENTS, allowed: [] };
    return this.#findPattern(wanted, bare, fixed);
  }

  #findPattern(method: string, path: string, fixed: Targets<T> | undefined): Found<T> {
    const parts = path.split("/");
    const allowed = new Set(fixed?.keys());
    for (const { parts: pattern, targets } of this.#patterns) {
      if (!matches(pattern, parts)) continue;
      const target = targets.get(method);
      if (target !== undefined) return { target, segments: segmentsOf(pattern, parts), allowed: [] };
      for (const other of targets.keys()) allowed.add(other);
    }
    return allowed.size === 0 ? NONE : { ...NONE, allowed: [...allowed] as Method[] };
  }

  #targetsAt(path: string): Targets<T> {
    const parts = path.split("/");
    const held = parts.some(isVariable)
      ? this.#patterns.find((pattern) => pattern.parts.join("/") === path)?.targets
      : this.#fixed.get(path);
    if (held !== undefined) return held;
    const targets: Targets<T> = new Map();
    if (parts.some(isVariable)) this.#patterns.push({ parts, targets });
    else this.#fixed.set(path, targets);
    return targets;
  }
}

function isVariable(part: string): boolean {
  return part.startsWith(":");
}

function matches(pattern: readonly string[], parts: readonly string[]): boolean {
  return (
    pattern.length === parts.length &&
    pattern.every((part, at) => (isVariable(part) ? parts[at] !== "" : part === decodeURI(parts[at] as string)))
  );
}

function segmentsOf(pattern: readonly string[], parts: readonly string[]): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [at, part] of pattern.entries())
    if (isVariable(part)) found[part.slice(1)] = decodeURIComponent(parts[at] as string);
  return found;
}
