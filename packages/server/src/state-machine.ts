import { type ConfigCommand, type ConfigResult, isConfigCommand } from "@nacre/core/config";
import type { Command } from "@nacre/core/naming";
import { decodeCommand, encodeCommand } from "./config/command-codec.ts";
import type { Configs } from "./config/configs.ts";
import type { Naming } from "./naming/naming.ts";
import type { LogEntry, StateMachine } from "./storage/port.ts";

/** What the durable log of a server carries. */
export type AnyCommand = Command | ConfigCommand;
export type AnyResult = ConfigResult | undefined;

/** Naming and configuration behind one log: one sync makes a mixed batch durable, and one index orders everything. */
export function stateMachine(
  naming: Pick<Naming, "machine">,
  configs: Pick<Configs, "machine">,
): StateMachine<AnyCommand, AnyResult> {
  const { loadConfig, loadStaged, saved } = configs.machine;
  return {
    load: (row) => {
      if (!configs.machine.load(row)) naming.machine.load(row);
    },
    codec: { encode: encodeCommand, decode: decodeCommand },
    loadConfig,
    loadStaged,
    saved,
    apply: ({ index, at, command }: LogEntry<AnyCommand>) =>
      isConfigCommand(command)
        ? configs.machine.apply({ index, at, command })
        : naming.machine.apply({ index, at, command }),
  };
}
