export * from "./connections.ts";
export type { Port } from "./dispatch.ts";
export * from "./handlers.ts";
