import { type ConfigCommand, type ConfigResult, isConfigCommand } from "@nacre/core/config";
import type { Command } from "@nacre/core/naming";
import { checkedCodec } from "./checked-codec.ts";
import type { Configs } from "./config/configs.ts";
import type { Naming } from "./naming/naming.ts";
import type { LogEntry, Replacing, StateMachine } from "./storage/port.ts";
import { inTurns, turn } from "./storage/turn.ts";

/** What the durable log of a server carries. */
export type AnyCommand = Command | ConfigCommand;
export type AnyResult = ConfigResult | undefined;

type Machines = readonly [naming: Pick<Naming, "machine">, configs: Pick<Configs, "machine">];

/** Naming and configuration behind one log: one sync makes a mixed batch durable, and one index orders everything. */
export function stateMachine(...[naming, configs]: Machines): StateMachine<AnyCommand, AnyResult> {
  const { loadConfig, loadStaged, saved } = configs.machine;
  let finishing = false;
  return {
    load: (row) => {
      if (!configs.machine.load(row)) naming.machine.load(row);
    },
    codec: checkedCodec(),
    loadConfig,
    loadStaged,
    saved,
    apply({ index, at, command }: LogEntry<AnyCommand>) {
      // What is compared already would be compared with something else.
      if (finishing) throw new Error(`entry ${index} came while another state took its place`);
      return isConfigCommand(command)
        ? configs.machine.apply({ index, at, command })
        : naming.machine.apply({ index, at, command });
    },
    replace() {
      const { finish, ...rest } = replacing(naming, configs);
      return {
        ...rest,
        finish: async (index, switchStore) => {
          finishing = true;
          await finish(index, switchStore).finally(() => {
            finishing = false;
          });
        },
      };
    },
  };
}

function replacing(...[naming, configs]: Machines): Replacing {
  const names = naming.machine.replace();
  const items = configs.machine.replace();
  return {
    row: (row) => {
      if (!items.load(row)) names.row(row);
    },
    config: items.loadConfig,
    staged: items.loadStaged,
    async finish(index, switchStore) {
      await inTurns(items.compare());
      await turn();
      // One turn, and the longest: a content that is read from here on is that of the heads from here on (G2).
      switchStore();
      items.switchOver(index);
      await turn();
      await inTurns(items.tell());
      // Naming reads nothing from the store, and is changed row by row behind it.
      await inTurns(names.change());
    },
  };
}
