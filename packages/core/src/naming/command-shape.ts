import type { ServiceName } from "@nacre/protocol";
import type { Checker } from "../health/checker.ts";
import {
  type Fields,
  flag,
  integer,
  list,
  object,
  oneOf,
  optional,
  real,
  type Shape,
  text,
  textMap,
  variant,
} from "../lib/shape.ts";
import { CAUSES } from "./causes.ts";
import type { Command, HealthChange, OverrideEdit, ServiceEdit } from "./commands.ts";
import type { Caller, InstanceInput } from "./events.ts";
import type { ClusterMetadata, Override } from "./model.ts";
import type { Selector } from "./selector.ts";

const port = integer(0, 65_535);
const service = object<ServiceName>({ namespace: text, group: text, name: text });
const caller = object<Caller>({ ip: text, app: text, agent: text });
const instance = object<InstanceInput>({
  ip: text,
  port,
  weight: real,
  healthy: flag,
  enabled: flag,
  clusterName: text,
  metadata: textMap,
  instanceId: text,
});
const selector = variant<"type", Selector>("type", {
  none: {},
  label: { expression: text, labels: list(text) },
});
const edit = object<ServiceEdit>({ protectThreshold: real, selector, metadata: textMap });
const checker = variant<"type", Checker>("type", {
  TCP: {},
  NONE: {},
  HTTP: { path: text, headers: text, expectedResponseCode: real },
  MYSQL: { user: text, pwd: text, cmd: text },
});
const cluster = object<ClusterMetadata>({
  healthChecker: checker,
  healthyCheckPort: real,
  useInstancePort: flag,
  metadata: textMap,
});
const override = object<Override>({ weight: optional(real), enabled: optional(flag), metadata: textMap });
const overrideEdit = variant<"how", OverrideEdit>("how", {
  replace: { override },
  patch: { weight: optional(real), enabled: optional(flag), metadata: optional(textMap) },
  mergeMetadata: { metadata: textMap },
  removeMetadata: { keys: list(text) },
  drop: {},
});
const change = object<HealthChange>({
  service,
  instance: text,
  healthy: flag,
  cause: oneOf(CAUSES),
  detail: text,
});

type FieldsOf<T extends Command["type"]> = Fields<Omit<Extract<Command, { readonly type: T }>, "type">>;

const FIELDS: { readonly [T in Command["type"]]: FieldsOf<T> } = {
  registerPersistent: { service, instance, caller },
  deregisterPersistent: { service, ip: text, port: real, caller },
  setHealth: { changes: list(change) },
  createService: { service, ephemeral: flag, edit },
  updateService: { service, edit },
  deleteService: { service },
  updateCluster: { service, cluster: text, metadata: cluster },
  setOverrides: { service, instances: list(text), edit: overrideEdit, caller },
  setSwitch: { entry: text, value: text },
};

/** What each kind of command holds: all that `apply` relies on. */
export const NAMING_COMMANDS: ReadonlyMap<string, Shape<unknown>> = new Map(
  Object.entries<Fields<unknown>>(FIELDS).map(([type, fields]) => [type, object(fields)]),
);
