import type { Scale } from "../../lib/bench.ts";
import type { ServerName, Subject } from "./echo-server.ts";

/** What is measured of each server, on each Node, in several rounds. */
export interface GrpcBench {
  /** What `--only` takes. */
  readonly name: string;
  readonly title: string;
  /** How the figures are measured, in sentences for the reader of the page. */
  readonly method: string;
  readonly figures: readonly Figure[];
  /** Absent: the three that give the same answers. */
  readonly servers?: readonly ServerName[];
  rounds(scale: Scale): number;
  /** One round of one server. `remark` is for what the reader should know about these very figures. */
  measure(subject: Subject, scale: Scale, remark: (text: string) => void): Promise<readonly Sample[]>;
}

export interface Figure {
  /** With its unit; the heading of its table. */
  readonly name: string;
  readonly digits: number;
  /** It helps to read the others; its ratios say nothing. */
  readonly aside?: boolean;
}

export interface Sample {
  /** What was asked of the server: `10 x 10`. */
  readonly load: string;
  /** By the names of the figures. */
  readonly values: Readonly<Record<string, number>>;
}

/** The values of all rounds, in the order of the rounds. */
export interface Row {
  readonly node: string;
  readonly load: string;
  readonly server: string;
  readonly values: Readonly<Record<string, readonly number[]>>;
}

export interface GrpcSection {
  readonly title: string;
  readonly method: string;
  readonly figures: readonly Figure[];
  readonly rows: readonly Row[];
  readonly remarks: readonly string[];
  readonly measuredAt: string;
  readonly tookSeconds: number;
}

/** Collects the samples of a section. */
export class Rows {
  readonly #rows = new Map<string, { node: string; load: string; server: string; values: Record<string, number[]> }>();

  add({ server, runtime }: Subject, sample: Sample): void {
    const { load, values } = sample;
    const node = runtime.version;
    const key = `${node} ${load} ${server}`;
    const row = this.#rows.get(key) ?? { node, load, server, values: {} };
    this.#rows.set(key, row);
    for (const [name, value] of Object.entries(values)) {
      row.values[name] ??= [];
      row.values[name].push(value);
    }
  }

  all(): Row[] {
    return [...this.#rows.values()];
  }
}
