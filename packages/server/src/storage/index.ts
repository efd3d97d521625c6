export type {
  ConfigHead,
  ConfigQuery,
  ConfigStore,
  HistoryQuery,
  HistoryRow,
  PageOf,
  StoredConfig,
  StoredGray,
} from "./config-store.ts";
export { type DurableLogOptions, LOG_LIMITS, type LogLimits, openDurableLog } from "./durable-log.ts";
export type { Files, OpenFile } from "./files.ts";
export type { StorageLogger } from "./logger.ts";
export { type MemoryLogOptions, openMemoryLog } from "./memory-log.ts";
export type {
  Applied,
  CommandCodec,
  DurableLog,
  LogEntry,
  LogStatus,
  OpenedLog,
  Replacing,
  RowWrite,
  StagedRow,
  StateMachine,
  Writes,
} from "./port.ts";
