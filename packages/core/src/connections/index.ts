export * from "./balance.ts";
export type * from "./events.ts";
export * from "./state.ts";
export * from "./step.ts";
