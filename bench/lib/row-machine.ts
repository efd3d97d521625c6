import type { Applied, LogEntry, StateMachine } from "@nacre/server/storage";

export interface Command {
  readonly key: string;
  readonly value: string;
}

/** Keeps rows in memory: what a log costs by itself. */
export class Machine implements StateMachine<Command, number> {
  readonly rows = new Map<string, string>();

  load(row: { readonly key: string; readonly value: string }): void {
    this.rows.set(row.key, JSON.parse(row.value));
  }

  apply({ index, command }: LogEntry<Command>): Applied<number> {
    this.rows.set(command.key, command.value);
    return { ok: true, result: index, rows: [{ kind: "k", key: command.key, value: JSON.stringify(command.value) }] };
  }

  replace(): never {
    throw new Error("the state is not replaced here");
  }
}
