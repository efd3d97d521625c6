export { refuses } from "./apply.ts";
export { capacityOf, type EffectiveCapacity, withCapacity } from "./capacity.ts";
export * from "./command-shape.ts";
export * from "./commands.ts";
export type * from "./events.ts";
export * from "./gray.ts";
export * from "./gray-rule.ts";
export * from "./listen-queries.ts";
export type * from "./model.ts";
export {
  findNamespace,
  holdsConfigs,
  itemsIn,
  listNamespaces,
  type NamespaceFigures,
  namespaceFixed,
} from "./namespaces.ts";
export { beginReplacement, compare, noteReplaced, type Replacement, switchOver } from "./replace.ts";
export { commandBroken } from "./rules.ts";
export {
  type ConfigOptions,
  type ConfigState,
  DEFAULT_CONFIG_OPTIONS,
  findItem,
  newConfig,
  type StagedHead,
} from "./state.ts";
export { load, loadConfig, loadStaged, nextWakeAt, step } from "./step.ts";
