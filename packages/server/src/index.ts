/** Embedding: a server inside another program or a test. */
export { OptionError, type Options, optionsOf } from "./options.ts";
export { type RunningServer, StartError } from "./running.ts";
export { IN_MEMORY, startServer } from "./start.ts";
