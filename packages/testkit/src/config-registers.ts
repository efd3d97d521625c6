import type { ConfigWrite } from "@nacre/core/config";
// Types only: nothing of the server is loaded, so that its own tests can use this machine.
import type { Applied, ConfigHead, LogEntry, StagedRow } from "@nacre/server/storage";
import { configName, contentOf } from "./config-store-suite.ts";
import { type RegisterCommand, RegisterMachine, type RegisterResult } from "./log-suite.ts";

const by = { user: "", ip: "" };

/** String registers that are configurations as well: a put or a removal writes content and history of the same name. */
export class ConfigRegisterMachine extends RegisterMachine {
  readonly heads = new Map<string, ConfigHead>();
  readonly staged: StagedRow[] = [];
  readonly savedIndexes: number[] = [];

  loadConfig(head: ConfigHead): void {
    this.heads.set(head.name.dataId, head);
  }

  loadStaged(staged: StagedRow): void {
    this.staged.push(staged);
  }

  saved(index: number): void {
    this.savedIndexes.push(index);
  }

  override apply(entry: LogEntry<RegisterCommand>): Applied<RegisterResult> {
    const applied = super.apply(entry);
    const { command } = entry;
    return command.type === "break" ? applied : { ...applied, configs: this.#configs(entry, command, applied) };
  }

  #configs(
    { index, at }: LogEntry<RegisterCommand>,
    command: Exclude<RegisterCommand, { type: "break" }>,
    applied: Applied<RegisterResult>,
  ): ConfigWrite[] {
    const name = configName(command.key);
    const isNew = applied.ok && applied.result.before === undefined;
    const op = command.type === "remove" ? "D" : isNew ? "I" : "U";
    const history: ConfigWrite = { kind: "history", nid: index, name, gray: undefined, op, at, by };
    if (command.type === "remove") return [history, { kind: "removeConfig", name }];
    const content = contentOf(this.registers.get(command.key) ?? "");
    const fields = { tags: [`tag-${index % 3}`, "every"] };
    return [history, { kind: "putConfig", name, id: index, content, fields, revision: index, at, by }];
  }
}
