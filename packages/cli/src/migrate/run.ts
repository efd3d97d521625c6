import { DEFAULT_NAMESPACE } from "../client/bodies.ts";
import { NoAnswer } from "../client/http.ts";
import type { ConfigName, ConfigRow, NamespaceRow, Policy, Publish, Remote } from "../client/model.ts";
import { pagesOf } from "../client/v3.ts";
import { CliError } from "../failure.ts";
import { each } from "./each.ts";
import type { Progress } from "./progress.ts";
import type { StateFile } from "./state-file.ts";

export const PAGE_SIZE = 100;
const CONCURRENCY = 8;

/** One run from a source to a target. */
export interface Migration {
  readonly source: Remote;
  readonly sourceIsNacre: boolean;
  /** Up to 2.x a namespace `public` may exist beside the default one; undefined where they are one. */
  readonly spelledPublic: Remote | undefined;
  readonly target: Remote;
  /** The target refuses to insert what is there, and to replace another version than it is told: it is a Nacre. */
  readonly targetIsNacre: boolean;
  /** Only these namespaces; empty for all. */
  readonly only: readonly string[];
  readonly policy: Policy;
  readonly dryRun: boolean;
  readonly state: StateFile;
  readonly progress: Progress;
  readonly stopped: AbortSignal;
}

export interface Report {
  namespaces: number;
  copied: number;
  /** Has the same MD5 in the target. */
  same: number;
  /** Differs in the target and was left as it is. */
  skipped: number;
  gray: number;
  failed: number;
  /** The first of them. */
  readonly failures: (ConfigName & { readonly why: string })[];
  /** What this source and this target cannot carry over. */
  readonly notes: Set<string>;
}

export function newReport(): Report {
  return { namespaces: 0, copied: 0, same: 0, skipped: 0, gray: 0, failed: 0, failures: [], notes: new Set() };
}

/**
 * Every configuration of the source that is still there, with its MD5, `CONCURRENCY` at a time. The next page is read while
 * the last ones of this one are worked on.
 */
export async function forAll(
  run: Migration,
  { source, namespace }: Part,
  work: (row: ConfigRow) => Promise<void>,
): Promise<{ seen: number; total: number }> {
  let seen = 0;
  let total = 0;
  async function* rows(): AsyncGenerator<ConfigRow> {
    for await (const page of pagesOf((of) => source.configs({ namespace }, of), PAGE_SIZE)) {
      seen += page.items.length;
      total = page.total;
      yield* page.items;
    }
  }
  await each(rows(), CONCURRENCY, async (listed) => {
    if (run.stopped.aborted) {
      throw new CliError("failed", "Stopped on a signal: the same command goes on where this one ended.");
    }
    const row = { ...listed, namespace };
    // Some lists leave the MD5 out.
    const md5 = row.md5 !== "" ? row.md5 : (await source.config(row))?.md5;
    if (md5 !== undefined) await work({ ...row, md5 });
  });
  return { seen, total };
}

function sourcesOf({ source, spelledPublic }: Migration, namespace: string): Remote[] {
  return namespace === DEFAULT_NAMESPACE && spelledPublic !== undefined ? [source, spelledPublic] : [source];
}

export async function namespacesOf({ source, only }: Migration, report: Report): Promise<NamespaceRow[]> {
  const row = (id: string): NamespaceRow => ({ id, name: id, description: "", configCount: 0, quota: 0 });
  const listed = await source.namespaces().catch((thrown: unknown) => {
    if (!(thrown instanceof CliError) || thrown instanceof NoAnswer) throw thrown;
    report.notes.add(`The source lists no namespaces (${thrown.message}) name those to copy with --namespace.`);
    return [row(DEFAULT_NAMESPACE)];
  });
  return only.length === 0 ? listed : only.map((id) => listed.find((one) => one.id === id) ?? row(id));
}

/** What one list of the source shows. */
export interface Part {
  readonly source: Remote;
  readonly namespace: string;
  /** Configurations, when they were counted. */
  readonly count: number;
}

export async function partsOf(run: Migration, namespaces: readonly NamespaceRow[]): Promise<Part[]> {
  const parts: Part[] = [];
  for (const { id: namespace } of namespaces) {
    for (const source of sourcesOf(run, namespace)) {
      const { total: count } = await source.configs({ namespace }, { page: 1, size: 1 });
      parts.push({ source, namespace, count });
    }
  }
  return parts;
}

type Stored = Pick<Publish, "content" | "type" | "app" | "encryptedDataKey" | "user">;

/** What is blank is left to the target. */
export function publishOf(
  { namespace, group, dataId }: ConfigName,
  { content, type, app, encryptedDataKey, user }: Stored,
): Publish {
  return {
    namespace,
    group,
    dataId,
    content,
    type: type || undefined,
    app: app || undefined,
    encryptedDataKey: encryptedDataKey || undefined,
    user: user || undefined,
  };
}

export function countIn(parts: readonly Part[]): number {
  return parts.reduce((total, { count }) => total + count, 0);
}
