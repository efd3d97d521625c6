import { IMPORT_ITEMS_MAX, type ImportPolicy, type Operator, POLICIES } from "@nacre/core/config";
import { type ConfigName, DEFAULT_NAMESPACE, FAILURES, RegistryError } from "@nacre/protocol";
import type { ConfigQuery, StoredConfig } from "../../storage/config-store.ts";
import type { Answer } from "../../transport/http/answers.ts";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import type { ArchiveForm } from "../archive/metadata.ts";
import type { Unrecognized } from "../archive/read-archive.ts";
import type { ConfigService, Imported, ImportItem } from "../service.ts";
import { portable, readable } from "./contents.ts";
import type { ConfigHttpDeps } from "./deps.ts";
import { queryIn } from "./lists.ts";
import { idsIn, type Spelling } from "./names.ts";

/** Rows read at a time with their contents. */
const ROWS_AT_A_TIME = 16;

/** Imports at a time: what is unpacked of each is in memory until it is over. */
const IMPORTS_MAX = 2;
const importing = new WeakMap<ConfigService, number>();

/** What `ids` names, or without ids what the other parameters match, as a zip that is made while it is sent. */
export async function exportAnswer(
  deps: Pick<ConfigHttpDeps, "configs" | "wall">,
  params: Params,
  spelling: Spelling,
  form: ArchiveForm,
): Promise<Answer> {
  const { configs } = deps;
  const ids = idsIn(params, "ids", IMPORT_ITEMS_MAX);
  const chosen: ConfigQuery = queryIn(params, { spelling, wildcards: true });
  const rows = ids.length > 0 ? byIds(configs, ids) : configs.store.scan(chosen);
  const at = new Date(deps.wall());
  const { archiveFileName, writeArchive } = await import("../archive/write-archive.ts");
  const bytes = await begun(writeArchive(sources(configs, rows), form, at));
  return {
    status: 200,
    type: "application/octet-stream;charset=UTF-8",
    headers: { "Content-Disposition": `attachment;filename=${archiveFileName(at)}` },
    body: bytes,
  };
}

async function* byIds(configs: ConfigService, ids: readonly number[]): AsyncGenerator<StoredConfig> {
  for (let from = 0; from < ids.length; from += ROWS_AT_A_TIME)
    yield* await configs.store.byIds(ids.slice(from, from + ROWS_AT_A_TIME));
}

async function* sources(configs: ConfigService, rows: AsyncIterable<StoredConfig>) {
  for await (const row of rows) yield { name: row.name, content: await readable(configs, row), fields: row.fields };
}

/** Waits for the first bytes: what fails before them is answered as a failure, not as a zip that breaks off. */
async function begun(bytes: AsyncGenerator<Uint8Array, void>): Promise<AsyncIterable<Uint8Array>> {
  const first = await bytes.next();
  return (async function* () {
    try {
      if (!first.done) yield first.value;
      yield* bytes;
    } finally {
      await bytes.return();
    }
  })();
}

export function policyIn(params: Params): ImportPolicy {
  const text = params.text("policy", "ABORT").trim().toUpperCase();
  const policy = POLICIES.find((known) => known === text);
  if (policy === undefined)
    throw new RegistryError("invalidParameter", `Param 'policy' is illegal, it should be ${POLICIES.join(", ")}.`);
  return policy;
}

/** What an import or a clone answers; lists only when they hold something. */
export type Transferred = Record<string, unknown>;

/**
 * The archive in the part `file`, into a namespace that exists.
 * @throws RegistryError one of the failures of imports; `namespaceNotFound`.
 */
export async function importFile(
  { configs, readYaml }: Pick<ConfigHttpDeps, "configs" | "readYaml">,
  call: Call,
  to: Target & { readonly accept: "any" | "described" },
): Promise<Transferred> {
  mustExist(configs, to);
  const file = call.file("file");
  if (file === undefined)
    throw new RegistryError("parameterMissing", "the zip is missing: send it as multipart/form-data in a part 'file'");
  if (file.length === 0) throw new RegistryError("importEmpty", "the file is empty");
  const others = importing.get(configs) ?? 0;
  if (others >= IMPORTS_MAX)
    throw new RegistryError("overThreshold", `${others} imports are running, the most there may be: try again later`);
  importing.set(configs, others + 1);
  try {
    const { readArchive } = await import("../archive/read-archive.ts");
    const { items, unrecognized } = await readArchive(file, { readYaml, accept: to.accept });
    const named = items.map((item) => ({ ...item, name: { ...item.name, namespace: to.namespace } }));
    return transferred(await configs.importAll(named, to.policy, to.by), unrecognized);
  } finally {
    importing.set(configs, (importing.get(configs) ?? 1) - 1);
  }
}

export interface Target {
  readonly namespace: string;
  readonly policy: ImportPolicy;
  readonly by: Operator;
  readonly missing: "namespaceNotFound" | "importNamespaceMissing";
}

/** One configuration to copy, and what it is to be called; as it is called when a name is absent. */
export interface CloneItem {
  readonly id: number;
  readonly dataId: string | undefined;
  readonly group: string | undefined;
}

/** @param keys  how the dialect writes the fields of an item. */
export function cloneItemsOf(
  body: unknown,
  keys: { readonly id: string; readonly dataId: string; readonly group: string },
): readonly CloneItem[] {
  if (!Array.isArray(body) || body.length > IMPORT_ITEMS_MAX)
    throw new RegistryError("badRequest", `the body must be a JSON array of ${IMPORT_ITEMS_MAX} items at most`);
  return body.map((item: unknown, at) => {
    const fields = new Map(Object.entries(typeof item === "object" && item !== null ? item : {}));
    const text = (key: string): string | undefined => {
      const value: unknown = fields.get(key);
      if (value === undefined || value === null || value === "") return undefined;
      if (typeof value === "string") return value.trim();
      throw new RegistryError("badRequest", `item ${at}: '${key}' must be a text`);
    };
    const id = Number(fields.get(keys.id) ?? Number.NaN);
    if (!Number.isSafeInteger(id)) throw new RegistryError("badRequest", `item ${at}: '${keys.id}' must be an id`);
    return { id, dataId: text(keys.dataId), group: text(keys.group) };
  });
}

export async function clone(configs: ConfigService, wanted: readonly CloneItem[], to: Target): Promise<Transferred> {
  if (wanted.length === 0) throw new RegistryError("importNothingSelected", "no configuration is selected");
  mustExist(configs, to);
  let found = 0;
  async function* copies(): AsyncGenerator<ImportItem> {
    for (let from = 0; from < wanted.length; from += ROWS_AT_A_TIME) {
      const slice = wanted.slice(from, from + ROWS_AT_A_TIME);
      const rows = new Map((await configs.store.byIds(slice.map(({ id }) => id))).map((row) => [row.id, row]));
      for (const { id, dataId, group } of slice) {
        const row = rows.get(id);
        if (row === undefined) continue;
        found++;
        const { name, fields } = row;
        const copy = { namespace: to.namespace, dataId: dataId ?? name.dataId, group: group ?? name.group };
        yield { name: copy, ...(await portable(configs, row)), fields };
      }
    }
  }
  const imported = await configs.importAll(copies(), to.policy, to.by);
  if (found === 0) throw new RegistryError("importEmpty", "none of the selected configurations exists");
  return transferred(imported, []);
}

function mustExist(configs: ConfigService, { namespace, missing }: Target): void {
  const exists =
    namespace === DEFAULT_NAMESPACE ||
    configs.state.namespaces.has(namespace) ||
    configs.state.counts.byNamespace.has(namespace);
  if (!exists) throw new RegistryError(missing, `namespace '${namespace}' does not exist; create it first`);
}

function transferred({ succeeded, failed, skipped }: Imported, unrecognized: readonly Unrecognized[]): Transferred {
  const names = (all: readonly ConfigName[]) => all.map(({ dataId, group }) => ({ dataId, group }));
  return {
    succCount: succeeded,
    skipCount: skipped.length,
    ...(skipped.length > 0 && { skipData: names(skipped) }),
    ...(failed.length > 0 && { failData: names(failed) }),
    unrecognizedCount: unrecognized.length,
    ...(unrecognized.length > 0 && { unrecognizedData: unrecognized }),
  };
}

/** Failures of imports are answered with HTTP 200 and a count of none, so that consoles show their text. */
export function importFailure(thrown: unknown): { readonly code: number; readonly message: string } {
  if (
    thrown instanceof RegistryError &&
    (FAILURES[thrown.failure].http === 200 || thrown.failure === "namespaceNotFound")
  )
    return { code: FAILURES[thrown.failure].api, message: thrown.message };
  throw thrown;
}
