export * from "./checker.ts";
export * from "./params.ts";
export * from "./state.ts";
export * from "./step.ts";
