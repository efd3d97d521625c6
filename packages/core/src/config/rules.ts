import { type ConfigName, ruleBroken } from "@nacre/protocol";
import { type Refusal, refusal } from "../lib/refusal.ts";
import { BATCH_ITEMS_MAX, type ConfigCommand, type ConfigFields, type Content } from "./commands.ts";
import { type ConfigOptions, type ConfigState, findItem } from "./state.ts";

/** Lengths in UTF-16 units; the columns of every database hold this much. */
const TAGS_MAX = 5;
const LENGTH_MAX = {
  tag: 64,
  appName: 128,
  description: 128,
  use: 32,
  effect: 32,
  schema: 32_768,
  encryptedDataKey: 1024,
  user: 128,
  namespaceId: 128,
  namespaceDescription: 256,
} as const;

/** Rules of names and sizes. What is in the log already is not judged by them again. */
export function commandBroken(options: ConfigOptions, command: ConfigCommand): Refusal | undefined {
  const refused = "by" in command ? tooLong("src_user", command.by.user, LENGTH_MAX.user) : undefined;
  if (refused !== undefined) return refused;
  switch (command.type) {
    case "publishConfig":
      return (
        nameRefused(options, command.name) ?? contentRefused(options, command.content) ?? fieldsRefused(command.fields)
      );
    case "removeConfigs":
      return batchRefused(command.names.length);
    case "stageConfigs": {
      const refused = batchRefused(command.items.length);
      if (refused !== undefined) return refused;
      for (const { name, content, fields } of command.items) {
        const broken = nameRefused(options, name) ?? contentRefused(options, content) ?? fieldsRefused(fields);
        if (broken !== undefined)
          return refusal(broken.failure, `dataId '${name.dataId}' in group '${name.group}': ${broken.message}`);
      }
      return undefined;
    }
    case "createNamespace":
    case "updateNamespace":
      return namespaceRefused(command);
    default:
      return undefined;
  }
}

/** The bounds of this member that the command would pass (G11). */
export function boundReached(state: ConfigState, command: ConfigCommand): Refusal | undefined {
  const { options } = state;
  switch (command.type) {
    case "publishConfig": {
      const item = findItem(state, command.name);
      const { gray } = command;
      const grays = item?.grays ?? [];
      if (
        gray !== undefined &&
        grays.length >= options.grayVersionsMax &&
        grays.every(({ name }) => name !== gray.name)
      )
        return refusal(
          "grayVersionsOverMax",
          `'${command.name.dataId}' has the most gray versions it may (nacos.config.gray.version.max.count = ${options.grayVersionsMax}): remove one first`,
        );
      return item === undefined || (item.formal === undefined && grays.length === 0)
        ? configsRefused(state, 1)
        : undefined;
    }
    case "commitConfigs": {
      const heads = state.staged.get(command.importId)?.heads ?? [];
      if (state.counts.items + heads.length <= options.configsMax) return undefined;
      let added = 0;
      for (const { key, repeats } of heads) {
        const item = state.items.get(key);
        if (!repeats && (item === undefined || (item.formal === undefined && item.grays.length === 0))) added++;
      }
      return configsRefused(state, added);
    }
    case "createNamespace":
      return state.namespaces.size >= options.namespacesMax
        ? refusal(
            "overThreshold",
            `this member holds the most namespaces it may (nacre.namespaces.max = ${options.namespacesMax})`,
          )
        : undefined;
    default:
      return undefined;
  }
}

function configsRefused({ counts, options }: ConfigState, added: number): Refusal | undefined {
  return counts.items + added > options.configsMax
    ? refusal(
        "overThreshold",
        `this member holds ${counts.items} configurations and may hold ${options.configsMax} (nacre.config.items.max)`,
      )
    : undefined;
}

function batchRefused(count: number): Refusal | undefined {
  return count > BATCH_ITEMS_MAX
    ? refusal("invalidParameter", `one command carries at most ${BATCH_ITEMS_MAX} configurations, not ${count}`)
    : undefined;
}

function nameRefused({ checkParams }: ConfigOptions, { namespace, group, dataId }: ConfigName): Refusal | undefined {
  for (const [param, value] of [
    ["dataId", dataId],
    ["group", group],
  ] as const)
    if (value.trim() === "") return refusal("parameterMissing", `Param '${param}' is required and must not be blank.`);
  const broken = checkParams
    ? (ruleBroken("namespace", namespace) ?? ruleBroken("dataId", dataId) ?? ruleBroken("group", group))
    : undefined;
  return broken === undefined ? undefined : refusal("invalidParameter", broken);
}

function contentRefused({ contentBytesMax }: ConfigOptions, content: Content): Refusal | undefined {
  // A blank content is not told from a missing one by half of the clients.
  if (!/\S/.test(content.text))
    return refusal("invalidParameter", "Param 'content' is required and must not be blank.");
  if (content.bytes > contentBytesMax)
    return refusal(
      "invalidParameter",
      `Param 'content' is illegal, ${content.bytes} bytes are more than ${contentBytesMax} (maxContent).`,
    );
  return tooLong("encryptedDataKey", content.encryptedDataKey, LENGTH_MAX.encryptedDataKey);
}

/** The dialects name it differently, and the core does not know which one asks. */
const TAGS = "'config_tags' ('configTags' in v2 and v3)";

function fieldsRefused({ tags, appName, description, use, effect, schema }: ConfigFields): Refusal | undefined {
  if (tags !== undefined && tags.length > TAGS_MAX)
    return refusal("invalidParameter", `Param ${TAGS} is illegal, more than ${TAGS_MAX} tags.`);
  for (const tag of tags ?? []) {
    if (tag.length > LENGTH_MAX.tag)
      return refusal("invalidParameter", `Param ${TAGS} is illegal, a tag should not exceed ${LENGTH_MAX.tag}.`);
  }
  return (
    tooLong("appName", appName, LENGTH_MAX.appName) ??
    tooLong("desc", description, LENGTH_MAX.description) ??
    tooLong("use", use, LENGTH_MAX.use) ??
    tooLong("effect", effect, LENGTH_MAX.effect) ??
    tooLong("schema", schema, LENGTH_MAX.schema)
  );
}

function tooLong(param: string, value: string | undefined, lengthMax: number): Refusal | undefined {
  return value !== undefined && value.length > lengthMax
    ? refusal("invalidParameter", `Param '${param}' is illegal, the param length should not exceed ${lengthMax}.`)
    : undefined;
}

function namespaceRefused({ id, name, description }: { id: string; name: string; description: string }) {
  if (id.length > LENGTH_MAX.namespaceId || !/^[\w-]+$/.test(id))
    return refusal(
      "namespaceIllegal",
      `namespaceId [${id.slice(0, 200)}] must be 1 to ${LENGTH_MAX.namespaceId} letters, digits, '_' or '-'`,
    );
  if (name.trim() === "") return refusal("namespaceIllegal", "namespaceName is required and must not be blank");
  const broken = ruleBroken("namespaceShowName", name);
  if (broken !== undefined) return refusal("namespaceIllegal", broken);
  return description.length > LENGTH_MAX.namespaceDescription
    ? refusal("namespaceIllegal", `namespaceDesc must not be longer than ${LENGTH_MAX.namespaceDescription} characters`)
    : undefined;
}
