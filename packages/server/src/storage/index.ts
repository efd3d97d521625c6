export { type DurableLogOptions, LOG_LIMITS, type LogLimits, openDurableLog } from "./durable-log.ts";
export type { Files, OpenFile } from "./files.ts";
export type { StorageLogger } from "./logger.ts";
export { type MemoryLogOptions, openMemoryLog } from "./memory-log.ts";
export type { Applied, DurableLog, LogEntry, LogStatus, RowWrite, StateMachine } from "./port.ts";
