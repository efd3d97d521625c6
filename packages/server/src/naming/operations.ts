/** What the HTTP dialects of naming have in common: parameters in, one question to naming, no answer shapes of their own. */
export * from "./operations/batch.ts";
export * from "./operations/beat.ts";
export * from "./operations/cluster.ts";
export * from "./operations/instance.ts";
export * from "./operations/operator.ts";
export * from "./operations/service.ts";
