import type { Register } from "../../index.ts";
import { diffCommand, historyCommand, rollbackCommand } from "./history.ts";
import { getCommand, listCommand } from "./read.ts";
import { exportCommand, importCommand } from "./transfer.ts";
import { watchCommand } from "./watch.ts";
import { removeCommand, setCommand } from "./write.ts";

const VERBS = [
  getCommand,
  setCommand,
  removeCommand,
  listCommand,
  historyCommand,
  rollbackCommand,
  diffCommand,
  exportCommand,
  importCommand,
  watchCommand,
];

/** `nacre config`: configurations of any Nacos server. */
export const configCommand: Register = (program, context) => {
  const parent = program.command("config").description("Read, write, compare and watch configurations.");
  for (const register of VERBS) register(parent, context);
};
