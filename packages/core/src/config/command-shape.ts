import { CONFIG_TYPES, type ConfigName } from "@nacre/protocol";
import { type Fields, flag, integer, list, object, oneOf, optional, real, type Shape, text } from "../lib/shape.ts";
import {
  type CapacityDefaults,
  type ConfigCommand,
  type ConfigFields,
  type Content,
  type GrayTarget,
  type Operator,
  POLICIES,
  type PublishTerms,
  type StagedItem,
} from "./commands.ts";
import type { GrayRule } from "./gray-rule.ts";
import type { CapacityScope } from "./model.ts";

const count = integer(0);
const name = object<ConfigName>({ namespace: text, group: text, dataId: text });
const content = object<Content>({ text, md5: text, bytes: count, encryptedDataKey: text });
const fields = object<ConfigFields>({
  type: optional(oneOf(CONFIG_TYPES)),
  appName: optional(text),
  tags: optional(list(text)),
  description: optional(text),
  use: optional(text),
  effect: optional(text),
  schema: optional(text),
});
const rule = object<GrayRule>({ type: text, version: text, expr: text, priority: real });
const gray = object<GrayTarget>({ name: text, rule });
const terms = object<PublishTerms>({ expectedMd5: optional(text), insertOnly: optional(flag) });
const by = object<Operator>({ user: text, ip: text });
const capacity = optional(
  object<CapacityDefaults>({ namespaceQuota: real, groupQuota: real, clusterQuota: real, capacityBytesMax: real }),
);
const item = object<StagedItem>({ name, content, fields });
const namespace = { id: text, name: text, description: text };
const limit = optional(real);
const ofNamespace = object<{ readonly namespace: string }>({ namespace: text });
const ofGroup = object<{ readonly group: string }>({ group: text });
const scope: Shape<CapacityScope> = (value, field) =>
  typeof value === "object" && value !== null && "namespace" in value
    ? ofNamespace(value, field)
    : ofGroup(value, field);

type FieldsOf<T extends ConfigCommand["type"]> = Fields<Omit<Extract<ConfigCommand, { readonly type: T }>, "type">>;

const FIELDS: { readonly [T in ConfigCommand["type"]]: FieldsOf<T> } = {
  publishConfig: { name, gray: optional(gray), content, fields, terms, by, capacity },
  removeConfigs: { names: list(name), gray: optional(text), expectedMd5: optional(text), by },
  stageConfigs: { importId: text, items: list(item) },
  commitConfigs: { importId: text, items: optional(count), policy: oneOf(POLICIES), by, capacity },
  dropStaged: { importId: text },
  pruneHistory: { before: real },
  createNamespace: namespace,
  updateNamespace: namespace,
  deleteNamespace: { id: text },
  setCapacity: { scope, quota: limit, maxBytes: limit, maxAggrCount: limit, maxAggrSize: limit },
};

/** What each kind of command holds: all that `apply` relies on. */
export const CONFIG_COMMANDS: ReadonlyMap<string, Shape<unknown>> = new Map(
  Object.entries<Fields<unknown>>(FIELDS).map(([type, one]) => [type, object(one)]),
);

/** Whether a command of the log is one of configuration. */
export function isConfigCommand(command: { readonly type: string }): command is ConfigCommand {
  return CONFIG_COMMANDS.has(command.type);
}
