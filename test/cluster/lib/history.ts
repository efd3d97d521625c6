/**
 * What was registered and what viewers were shown, with times; and what that proves. Pure: the recorder adds entries,
 * scenarios ask. A viewer is a member as seen by an observer on it, or an SDK as seen by its application.
 */

/** An instance as a list shows it. */
export interface Host {
  /** `ip:port` */
  readonly address: string;
  readonly healthy: boolean;
}

export type Entry =
  | {
      readonly type: "view";
      readonly at: number;
      readonly viewer: string;
      readonly service: string;
      readonly hosts: readonly Host[];
      /** Grows with each change of the list at this viewer. */
      readonly version?: number;
    }
  /** The viewer is not looking from here on; what it last showed says nothing about the time until its next view. */
  | { readonly type: "lost"; readonly at: number; readonly viewer: string }
  /** The registration was acknowledged. */
  | { readonly type: "registered"; readonly at: number; readonly service: string; readonly address: string }
  /** The deregistration was acknowledged, or whoever kept the instance alive has ended. */
  | { readonly type: "ended"; readonly at: number; readonly service: string; readonly address: string };

/** What is judged; all if absent. */
export interface Scope {
  /** Only what went on after this moment. */
  readonly from?: number;
  readonly viewers?: readonly string[];
  readonly services?: readonly string[];
}

export interface Bounds {
  /** A live instance may be absent from a view for so long, at its registration or later. */
  readonly missingMaxMs: number;
  /** An instance that has ended may be shown for so long. */
  readonly ghostMaxMs: number;
  /** A live instance may be shown as unhealthy for so long; absent: not judged. */
  readonly unhealthyMaxMs?: number;
}

/** The longest of each kind in all views, and where it was. */
export interface Worst {
  readonly ms: number;
  readonly where: string;
}

export interface Measured {
  readonly missing: Worst;
  readonly ghost: Worst;
  readonly unhealthy: Worst;
  /** Views without any instance of a service that had live ones for longer than `missingMaxMs`. */
  readonly empty: readonly string[];
  /** Views that were older than the one before them. */
  readonly disorder: readonly string[];
}

const NONE: Worst = { ms: 0, where: "" };

/** From `from` to `to` a viewer showed `hosts`. */
interface Span {
  readonly from: number;
  readonly to: number;
  readonly hosts: ReadonlyMap<string, Host>;
}

/** From `from` to `to` an instance was alive. */
interface Life {
  readonly from: number;
  to: number;
}

export class History {
  readonly entries: Entry[] = [];

  add(entry: Entry): void {
    this.entries.push(entry);
  }

  /** What happened up to a moment. `missingMaxMs` decides only which empty views count. */
  measure(until: number, missingMaxMs: number, scope: Scope = {}): Measured {
    const { from = 0 } = scope;
    let missing = NONE;
    let ghost = NONE;
    let unhealthy = NONE;
    const empty: string[] = [];
    const worse = (before: Worst, ms: number, where: () => string) =>
      ms > before.ms ? { ms, where: where() } : before;
    for (const service of scope.services ?? this.services()) {
      const lives = this.#lives(service);
      for (const viewer of this.viewers(service)) {
        if (scope.viewers?.includes(viewer) === false) continue;
        const spans = this.#spans(viewer, service, until).filter((span) => span.to > from);
        const at = (address: string) => `${address} of ${service} at ${viewer}`;
        for (const [address, all] of lives) {
          for (const life of all) {
            const absent = longest(spans, life, from, (span) => !span.hosts.has(address));
            missing = worse(missing, absent, () => at(address));
            const sick = longest(spans, life, from, (span) => span.hosts.get(address)?.healthy === false);
            unhealthy = worse(unhealthy, sick, () => at(address));
          }
          ghost = worse(ghost, longestGhost(spans, all, address, from, until), () => at(address));
        }
        for (const span of spans) {
          if (span.hosts.size > 0 || span.from < from) continue;
          const alive = [...lives].find(([, all]) =>
            all.some((life) => life.from + missingMaxMs < span.from && life.to > span.from),
          );
          if (alive !== undefined) empty.push(`${service} at ${viewer} although ${alive[0]} lives`);
        }
      }
    }
    return { missing, ghost, unhealthy, empty, disorder: this.#disorder(until, scope) };
  }

  /** Sentences about what broke a bound; none if all is well. */
  faults(bounds: Bounds, until: number, scope: Scope = {}): string[] {
    const { missing, ghost, unhealthy, empty, disorder } = this.measure(until, bounds.missingMaxMs, scope);
    const { missingMaxMs, ghostMaxMs, unhealthyMaxMs = Number.POSITIVE_INFINITY } = bounds;
    return [
      ...tooLong("missing", missing, missingMaxMs),
      ...tooLong("shown after its end", ghost, ghostMaxMs),
      ...tooLong("unhealthy although alive", unhealthy, unhealthyMaxMs),
      ...empty.map((where) => `empty list: ${where}`),
      ...disorder.map((where) => `older list after a newer one: ${where}`),
    ];
  }

  /** What is wrong with the last view of each viewer: not what lives, or nothing known. */
  unsettled(viewers: readonly string[], until: number, services: Iterable<string> = this.services()): string[] {
    return [...services].flatMap((service) => {
      const wanted = this.alive(service, until).join(" ");
      return viewers.flatMap((viewer) => {
        const shown = this.shown(viewer, service, until);
        if (shown === undefined) return [`${viewer} shows nothing of ${service}`];
        const got = shown
          .map(({ address, healthy }) => (healthy ? address : `${address} (unhealthy)`))
          .sort()
          .join(" ");
        return got === wanted ? [] : [`${viewer} shows of ${service} <${got}>, alive are <${wanted}>`];
      });
    });
  }

  /** What a viewer showed at a moment; undefined when it was not looking. */
  shown(viewer: string, service: string, at: number): readonly Host[] | undefined {
    for (let i = this.entries.length - 1; i >= 0; i--) {
      const entry = this.entries[i];
      if (entry === undefined || entry.at > at || !("viewer" in entry) || entry.viewer !== viewer) continue;
      if (entry.type === "lost") return undefined;
      if (entry.service === service) return entry.hosts;
    }
    return undefined;
  }

  /** Sorted addresses. */
  alive(service: string, at: number): string[] {
    return [...this.#lives(service)]
      .filter(([, all]) => all.some((life) => life.from <= at && at < life.to))
      .map(([address]) => address)
      .sort();
  }

  /** The last moment at which any viewer showed the instance, and healthy if `healthy` is set. */
  lastShown(service: string, address: string, until: number, isHealthy = false): number | undefined {
    let last: number | undefined;
    for (const viewer of this.viewers(service))
      for (const span of this.#spans(viewer, service, until)) {
        const host = span.hosts.get(address);
        if (host !== undefined && (host.healthy || !isHealthy)) last = Math.max(last ?? 0, span.to);
      }
    return last;
  }

  /** Line by line what changed from a moment on, for people who look for the cause of a fault. */
  changes(from: number, linesMax: number): string[] {
    const before = new Map<string, ReadonlyMap<string, boolean>>();
    const lines: string[] = [];
    for (const entry of this.entries) {
      let what = "";
      if (entry.type === "view") {
        const key = `${entry.viewer} ${entry.service}`;
        const now = new Map(entry.hosts.map(({ address, healthy }) => [address, healthy]));
        const old = before.get(key);
        before.set(key, now);
        const added = [...now].filter(([address, healthy]) => old?.get(address) !== healthy);
        const removed = [...(old?.keys() ?? [])].filter((address) => !now.has(address));
        const shown = added.map(([address, healthy]) => `${healthy ? "+" : "?"}${address}`);
        what = `${key}, ${now.size} shown: ${[...shown, ...removed.map((address) => `-${address}`)].join(" ")}`;
      } else what = entry.type === "lost" ? `${entry.viewer} lost` : `${entry.service} ${entry.address} ${entry.type}`;
      if (entry.at >= from) lines.push(`+${Math.round(entry.at - from)} ms ${what}`);
    }
    return lines.slice(-linesMax);
  }

  services(): Set<string> {
    return new Set(this.entries.flatMap((entry) => ("service" in entry ? [entry.service] : [])));
  }

  viewers(service: string): Set<string> {
    return new Set(
      this.entries.flatMap((entry) => (entry.type === "view" && entry.service === service ? [entry.viewer] : [])),
    );
  }

  #spans(viewer: string, service: string, until: number): Span[] {
    const spans: Span[] = [];
    let open: { from: number; hosts: ReadonlyMap<string, Host> } | undefined;
    const close = (to: number) => {
      if (open !== undefined) spans.push({ ...open, to });
      open = undefined;
    };
    for (const entry of this.entries) {
      if (entry.at > until) break;
      if (!("viewer" in entry) || entry.viewer !== viewer) continue;
      if (entry.type === "lost") close(entry.at);
      else if (entry.service === service) {
        close(entry.at);
        open = { from: entry.at, hosts: new Map(entry.hosts.map((host) => [host.address, host])) };
      }
    }
    close(until);
    return spans;
  }

  #disorder(until: number, { from = 0, viewers, services }: Scope): string[] {
    const newest = new Map<string, number>();
    const found: string[] = [];
    for (const entry of this.entries) {
      if (entry.at > until) break;
      if (entry.type === "lost")
        for (const key of [...newest.keys()]) if (key.startsWith(`${entry.viewer} `)) newest.delete(key);
      if (entry.type !== "view" || entry.version === undefined) continue;
      if (viewers?.includes(entry.viewer) === false || services?.includes(entry.service) === false) continue;
      const key = `${entry.viewer} ${entry.service}`;
      if (entry.version < (newest.get(key) ?? 0) && entry.at >= from) found.push(`${entry.service} at ${entry.viewer}`);
      newest.set(key, entry.version);
    }
    return found;
  }

  #lives(service: string): Map<string, Life[]> {
    const lives = new Map<string, Life[]>();
    for (const entry of this.entries) {
      if (!("address" in entry) || entry.service !== service) continue;
      const all = lives.get(entry.address) ?? [];
      lives.set(entry.address, all);
      const last = all.at(-1);
      const isAlive = last !== undefined && last.to === Number.POSITIVE_INFINITY;
      if (entry.type === "ended" && isAlive) last.to = entry.at;
      if (entry.type === "registered" && !isAlive) all.push({ from: entry.at, to: Number.POSITIVE_INFINITY });
    }
    return lives;
  }
}

function tooLong(what: string, { ms, where }: Worst, maxMs: number): string[] {
  return ms > maxMs ? [`${where}: ${what} for ${Math.round(ms)} ms, allowed are ${maxMs} ms`] : [];
}

/** The longest time without a break, within a life, that matching spans cover. */
function longest(spans: readonly Span[], life: Life, from: number, matches: (span: Span) => boolean): number {
  let longestMs = 0;
  let run: { from: number; to: number } | undefined;
  for (const span of spans) {
    const begin = Math.max(span.from, life.from, from);
    const end = Math.min(span.to, life.to);
    if (end <= begin) continue;
    if (!matches(span)) run = undefined;
    else if (run !== undefined && run.to === begin) run.to = end;
    else run = { from: begin, to: end };
    if (run !== undefined) longestMs = Math.max(longestMs, run.to - run.from);
  }
  return longestMs;
}

/** From an end to the last moment at which the instance was shown before it lived again. */
function longestGhost(
  spans: readonly Span[],
  lives: readonly Life[],
  address: string,
  from: number,
  until: number,
): number {
  let longestMs = 0;
  lives.forEach((life, i) => {
    const next = lives[i + 1]?.from ?? until;
    for (const span of spans) {
      const end = Math.min(span.to, next);
      if (span.hosts.has(address) && end > life.to && Math.max(span.from, life.to) < end && end > from)
        longestMs = Math.max(longestMs, end - life.to);
    }
  });
  return longestMs;
}
