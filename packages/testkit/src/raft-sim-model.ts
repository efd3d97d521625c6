import {
  type Admission,
  admit,
  type Configuration,
  loadSessions,
  newSessions,
  openSession,
  type SessionRow,
  type Sessions,
  type Snapshot,
  type Stamp,
  sessionRows,
} from "@nacre/core/raft";

/** What clients do to registers: enough to see writes that are lost, doubled or out of order. */
export type Operation =
  | { readonly type: "set"; readonly key: string; readonly value: number }
  | { readonly type: "add"; readonly key: string; readonly value: number }
  | { readonly type: "cas"; readonly key: string; readonly expected: number; readonly value: number }
  | { readonly type: "get"; readonly key: string };

export type Command =
  | { readonly type: "open"; readonly member: string; readonly life: number }
  | { readonly type: "write"; readonly stamp: Stamp; readonly operation: Operation };

/** An entry of the log; one object wherever it is, so that equal is identical. */
export interface Entry {
  readonly term: number;
  readonly command: Command | undefined;
  readonly configuration: Configuration | undefined;
  /** Of its leader's clock. */
  readonly time: number;
}

/** Everything that the machine holds at one index. */
export interface Saved {
  readonly index: number;
  readonly time: number;
  readonly registers: readonly (readonly [string, number])[];
  readonly sessions: readonly SessionRow[];
}

export interface SavedSnapshot extends Snapshot {
  readonly saved: Saved;
}

/** What a deliberately broken machine does otherwise. */
export interface MachineBreakage {
  readonly appliesTwice?: boolean;
  readonly usesOwnClock?: boolean;
  readonly forgetsInSnapshots?: boolean;
}

export class Machine {
  index = 0;
  time = 0;
  readonly registers = new Map<string, number>();
  sessions: Sessions = newSessions();
  readonly #broken: MachineBreakage;

  constructor(broken: MachineBreakage, saved?: Saved) {
    this.#broken = broken;
    if (saved === undefined) return;
    this.index = saved.index;
    this.time = saved.time;
    for (const [key, value] of saved.registers) this.registers.set(key, value);
    this.sessions = loadSessions(saved.sessions);
  }

  save(): Saved {
    const registers = [...this.registers].sort(([a], [b]) => (a < b ? -1 : 1));
    if (this.#broken.forgetsInSnapshots === true) registers.pop();
    return { index: this.index, time: this.time, registers, sessions: sessionRows(this.sessions) };
  }

  /** @param now the member's own clock, which a sound machine does not look at. */
  apply(entry: Entry, now: number): { readonly admission: Admission | undefined; readonly output: number } {
    this.index++;
    this.time = Math.max(this.time, this.#broken.usesOwnClock === true ? now : entry.time);
    const { command } = entry;
    if (command?.type === "open") openSession(this.sessions, command.member, command.life, this.time);
    if (command?.type !== "write") return { admission: undefined, output: 0 };
    const admission = admit(this.sessions, command.stamp, this.time);
    if (admission !== "apply" && !(admission === "repeat" && this.#broken.appliesTwice === true))
      return { admission, output: 0 };
    const done = applyTo(this.registers.get(command.operation.key) ?? 0, command.operation);
    this.registers.set(command.operation.key, done.state);
    return { admission, output: done.output };
  }

  /** Equal for equal states; cheap, so that every index can be compared. */
  hash(): string {
    let sessions = "";
    for (const [member, { life, low, applied }] of this.sessions.newest)
      sessions += `${member}${life}.${low}.${applied.size} `;
    return `${this.time}|${[...this.registers].sort().join()}|${sessions.split(" ").sort().join(" ")}`;
  }
}

/** One register, as the machine has it and as the checker of histories expects it. */
export function applyTo(state: number, operation: Operation): { readonly state: number; readonly output: number } {
  switch (operation.type) {
    case "get":
      return { state, output: state };
    case "set":
      return { state: operation.value, output: operation.value };
    case "add":
      return { state: state + operation.value, output: state + operation.value };
    case "cas": {
      const isDone = state === operation.expected;
      return { state: isDone ? operation.value : state, output: isDone ? 1 : 0 };
    }
  }
}
