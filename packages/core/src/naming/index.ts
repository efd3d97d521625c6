export { heardAt, patienceOf } from "./beats.ts";
export * from "./causes.ts";
export { NAMING_COMMANDS } from "./command-shape.ts";
export type * from "./commands.ts";
export { contentsOf, servicesOf, shownAs } from "./copies.ts";
export { refuses } from "./durable.ts";
export type * from "./events.ts";
export { heartbeatOf, instanceIdOf, instanceKey, overridden, WEIGHT_MAX } from "./instance.ts";
export * from "./listing.ts";
export { isOwn, showsOver } from "./lives.ts";
export type * from "./model.ts";
export { isSuperseded } from "./news.ts";
export { isLeft } from "./pauses.ts";
export { DEFAULT_CLUSTER_METADATA } from "./persistent.ts";
export { beginReplacement, type Replacement, readRow, replacements } from "./replace.ts";
export { ROW, rowsOf } from "./rows.ts";
export * from "./selector.ts";
export * from "./shown.ts";
export { contentHashOf, shownOf } from "./stack.ts";
export {
  DEFAULT_NAMING_OPTIONS,
  findService,
  type NamingOptions,
  type NamingState,
  newNaming,
  type Turn,
  wallAt,
} from "./state.ts";
export { addressId, load, nextWakeAt, step } from "./step.ts";
export * from "./switches.ts";
export {
  choose,
  instancesOf,
  instanceText,
  messageOf,
  protectionFires,
  serviceInfoText,
  type View,
  type ViewQuery,
  viewOf,
} from "./view.ts";
