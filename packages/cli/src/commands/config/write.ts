import { createReadStream } from "node:fs";
import { extname } from "node:path";
import { Option } from "commander";
import { fieldOf, type Http } from "../../client/http.ts";
import type { ConfigName, Publish, Remote } from "../../client/model.ts";
import { md5Of } from "../../client/v1.ts";
import { asked, publishCall, shown } from "../../client/v3.ts";
import { CliError, unreadable } from "../../failure.ts";
import type { Context, Register } from "../../index.ts";
import { open, type ScopedOptions, scopedOptions, show } from "../remote.ts";
import { existing, nameIn } from "./read.ts";
import { ifMd5Option, ipsIn } from "./values.ts";

const TYPES = ["properties", "xml", "json", "text", "html", "yaml", "toml"] as const;
const TYPE_OF_ENDING: Readonly<Record<string, string>> = {
  ".properties": "properties",
  ".xml": "xml",
  ".json": "json",
  ".txt": "text",
  ".html": "html",
  ".htm": "html",
  ".yaml": "yaml",
  ".yml": "yaml",
  ".toml": "toml",
};
/** As the servers have it: what is longer is refused there, and reading it would only fill memory. */
const CONTENT_BYTES_MAX = 64 * 1024 * 1024;

interface SetOptions extends ScopedOptions {
  readonly file?: string;
  readonly type?: string;
  readonly tags?: string;
  readonly desc?: string;
  readonly app?: string;
  readonly ifMd5?: string;
  readonly validate?: boolean;
  readonly dryRun?: boolean;
  readonly betaIps?: string;
  readonly tag?: string;
}

/** `nacre config set`. */
export const setCommand: Register = (parent, context) => {
  const command = parent
    .command("set <dataId> [content]")
    .description("Publish a configuration: the content given, a file, or what comes on stdin.")
    .option("--file <path>", "publish the content of this file")
    .addOption(new Option("--type <type>", "what the content is (default: by the ending of the name)").choices(TYPES))
    .option("--tags <a,b>", "tags")
    .option("--desc <text>", "description")
    .option("--app <name>", "application it belongs to")
    .addOption(ifMd5Option())
    .option("--validate", "refuse a content that does not parse as its type (Nacre)")
    .option("--dry-run", "write nothing; say whom the change would reach (Nacre)")
    .addOption(
      new Option("--beta-ips <ip,ip>", "publish for clients at these addresses only").argParser(ipsIn).conflicts("tag"),
    )
    .option("--tag <name>", "publish for clients with this tag only");
  scopedOptions(command, context).action(async (dataId: string, given: string | undefined, options: SetOptions) => {
    const content = await contentOf(given, options.file, context);
    if (content === "")
      throw new CliError("usage", "The content is empty, which no server stores: see nacre config rm.");
    const { http, remote } = await open(options, context);
    const name = nameIn(dataId, options);
    if (options.validate === true || options.dryRun === true) await mustBeNacre(http);
    const publish: Publish = { ...name, content, ...fieldsIn(dataId, options) };
    if (options.dryRun === true) return showReach(http, publish, options, context);
    // Nacos clears the fields that a publish does not name; a change of the content must not lose a description.
    const held = await remote.config(name);
    await remote.publish({
      ...publish,
      type: publish.type ?? held?.type,
      app: publish.app ?? held?.app,
      tags: publish.tags ?? held?.tags,
      description: publish.description ?? held?.description,
      use: held?.use,
      effect: held?.effect,
      schema: held?.schema,
    });
    // What the server encrypts has an MD5 that only the server knows.
    const md5 = dataId.startsWith("cipher-") ? (await existing(remote, name)).md5 : md5Of(content);
    const created = held === undefined;
    show(context, options, { ...name, md5, created }, () => `Published ${which(options)}${shown(name)}: md5 ${md5}.\n`);
  });
};

/** `nacre config rm`: asks nothing; history keeps what it removes. */
export const removeCommand: Register = (parent, context) => {
  const command = parent
    .command("rm <dataId>")
    .description("Remove a configuration, or one gray version of it. Asks nothing.")
    .addOption(new Option("--beta", "only the version for some addresses").conflicts("tag"))
    .option("--tag <name>", "only the version for this tag");
  scopedOptions(command, context).action(
    async (dataId: string, options: ScopedOptions & { beta?: boolean; tag?: string }) => {
      const { remote } = await open(options, context);
      const name = nameIn(dataId, options);
      // Servers answer a removal of nothing like any other.
      if (options.beta === true || options.tag !== undefined) await existingGray(remote, name, options);
      else await existing(remote, name);
      if (options.beta === true) await remote.removeBeta(name);
      else await remote.remove(name, options.tag);
      show(context, options, { ...name, removed: true }, () => `Removed ${which(options)}${shown(name)}.\n`);
    },
  );
};

/** Where the server lists beta alone, nobody can say whether there is a version for the tag. */
async function existingGray(remote: Remote, name: ConfigName, options: { beta?: boolean; tag?: string }) {
  const { all, versions } = await remote.grays(name);
  const { beta, tag } = options;
  const isThere = versions.some(({ rule }) =>
    beta === true ? rule.type === "beta" : rule.type === "tag" && rule.expr === tag,
  );
  if (isThere || (tag !== undefined && !all)) return;
  throw new CliError("notFound", `${remote.base} has not ${which(options)}${shown(name)}.`);
}

/** Names the gray version that was written, so that nobody takes it for the one that all read. */
function which({ betaIps, beta, tag }: { betaIps?: string; beta?: boolean; tag?: string }): string {
  if (betaIps !== undefined || beta === true) return "the version for some addresses of ";
  return tag === undefined ? "" : `the version for the tag ${tag} of `;
}

function fieldsIn(dataId: string, options: SetOptions) {
  const { file, type, tags, desc, app, ifMd5, betaIps, tag, validate } = options;
  const inferred = TYPE_OF_ENDING[extname(dataId).toLowerCase()] ?? TYPE_OF_ENDING[extname(file ?? "").toLowerCase()];
  return { type: type ?? inferred, tags, description: desc, app, ifMd5, betaIps, tag, validate };
}

async function contentOf(given: string | undefined, file: string | undefined, context: Context): Promise<string> {
  if (given !== undefined && file !== undefined) {
    throw new CliError("usage", "Give the content or --file, not both.");
  }
  if (given !== undefined && given !== "-") return given;
  const { stdin, stdinIsTerminal } = context.surroundings;
  if (file === undefined && given === undefined && stdinIsTerminal) {
    throw new CliError("usage", "Give the content, --file, or pipe it into this command.");
  }
  try {
    return await textOf(file === undefined ? stdin : createReadStream(file), file ?? "stdin");
  } catch (thrown) {
    throw thrown instanceof CliError ? thrown : unreadable(file ?? "stdin", thrown);
  }
}

/** Strict, so that what is stored is what was in the file, mark of byte order included. */
async function textOf(chunks: AsyncIterable<Uint8Array>, from: string): Promise<string> {
  const held: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    held.push(chunk);
    bytes += chunk.length;
    if (bytes > CONTENT_BYTES_MAX) throw new CliError("failed", `${from} is larger than any server stores (64 MiB).`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(held));
  } catch (cause) {
    throw new CliError("failed", `${from} is not UTF-8: convert it first.`, { cause });
  }
}

/** Servers ignore parameters that they do not know: one that has no dry run would publish. */
async function mustBeNacre(http: Http): Promise<void> {
  const answer = await http.call("GET", "/v3/admin/cs/history/diff");
  if (answer.status !== 404 && answer.status !== 410 && fieldOf(answer.json, "code") !== undefined) return;
  throw new CliError("failed", `${http.base} has neither --dry-run nor --validate: only Nacre does.`);
}

async function showReach(http: Http, publish: Publish, options: SetOptions, context: Context): Promise<void> {
  const { form, headers } = publishCall(publish);
  const call = { form: { ...form, dryRun: true }, headers };
  const reach = await asked(http, "POST", "/v3/admin/cs/config", shown(publish), call);
  const valid = fieldOf(reach, "valid") !== false;
  show(context, options, reach, () => {
    const listeners = Number(fieldOf(reach, "listeners") ?? 0);
    const versions = Object.entries((fieldOf(reach, "byVersion") as object | undefined) ?? {});
    const unanswered = (fieldOf(reach, "unanswered") as readonly string[] | undefined) ?? [];
    const changes = fieldOf(reach, "changes") === false ? "It would change nothing" : "It would change the content";
    return [
      ...(valid ? [] : [`The content is wrong: ${String(fieldOf(reach, "problem"))}`]),
      `${changes} and be told to ${listeners} ${listeners === 1 ? "listener" : "listeners"}.`,
      ...versions.map(([version, count]) => `  ${count}  ${version}`),
      ...unanswered.map((address) => `  not counted, because it did not answer: ${address}`),
      "",
    ].join("\n");
  });
  if (!valid) context.exit(1);
}
