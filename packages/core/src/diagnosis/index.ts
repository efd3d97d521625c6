export type * from "./facts.ts";
export * from "./finding.ts";
