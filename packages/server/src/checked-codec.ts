import { CONFIG_COMMANDS } from "@nacre/core/config";
import { NAMING_COMMANDS } from "@nacre/core/naming";
import { RegistryError } from "@nacre/protocol";
import { decodeCommand, encodeCommand } from "./config/command-codec.ts";
import { type CommandCodec, MalformedCommand, UnknownKind } from "./storage/port.ts";

/**
 * Commands of naming and configuration as the log holds them, looked at on both ways: what a later version writes, or a
 * member that is not ours, is told from what this version can apply before it comes to a core.
 */
export function checkedCodec<C extends { readonly type: string }>(): CommandCodec<C> {
  return {
    encode(command) {
      try {
        check(command);
      } catch (thrown) {
        throw new RegistryError("invalidParameter", (thrown as Error).message, { cause: thrown });
      }
      return encodeCommand(command);
    },
    decode(payload) {
      const command = decodeCommand<C>(payload, shapeOf);
      check(command);
      return command;
    },
  };
}

/** @throws UnknownKind, MalformedCommand */
function check(command: { readonly type: string }): void {
  const fault = shapeOf(command.type)(command, "");
  if (fault !== undefined) throw new MalformedCommand(command.type, fault.field, fault.rule);
}

/** @throws UnknownKind */
function shapeOf(type: string) {
  const shape = CONFIG_COMMANDS.get(type) ?? NAMING_COMMANDS.get(type);
  if (shape === undefined) throw new UnknownKind(type);
  return shape;
}
