import type { Admission, Effect } from "@nacre/core/raft";
import { wasApplied } from "@nacre/core/raft";
import type { Packet, RaftMember } from "./raft-sim-member.ts";
import type { Command, Entry, Operation } from "./raft-sim-model.ts";

const FORWARD_MS = 600;
const RETRY_MS = 60;

export type Outcome =
  | { readonly type: "done"; readonly output: number }
  /** It was, but a snapshot took the place of its entry, so that nobody here knows what came of it. */
  | { readonly type: "applied" }
  /** It was not applied, and never will be. */
  | { readonly type: "notApplied" }
  | { readonly type: "unknown" };

interface Write {
  readonly number: number;
  readonly command: Command;
  readonly giveUpAt: number;
  readonly answer: (outcome: Outcome) => void;
  /** Of those that were sent or proposed, how many may be in a log some time. */
  copies: number;
  retryAt: number;
}

interface Read {
  readonly operation: Operation;
  readonly giveUpAt: number;
  readonly answer: (outcome: Outcome) => void;
  /** Once it is known. */
  index: number | undefined;
  retryAt: number;
}

type Asked =
  | { readonly type: "write"; readonly write: Write }
  | { readonly type: "forward"; readonly from: string; readonly id: number; readonly command: Command }
  | { readonly type: "read"; readonly read: Read }
  | { readonly type: "readFor"; readonly from: string; readonly id: number };

/** The part of a member's shell that proposes for clients: forwarding, retries, sessions, outcomes. */
export class RaftClients {
  readonly #member: RaftMember;
  #writes = new Map<number, Write>();
  #reads = new Set<Read>();
  #asked = new Map<number, Asked>();
  #forwarded = new Map<number, Write>();
  #asking = new Map<number, Read>();
  #nextNumber = 1;
  #isOpen = false;

  constructor(member: RaftMember) {
    this.#member = member;
  }

  start(): void {
    this.#writes.clear();
    this.#reads.clear();
    this.#asked.clear();
    this.#forwarded.clear();
    this.#asking.clear();
    this.#nextNumber = 1;
    this.#isOpen = false;
    const { id, life } = this.#member;
    const command: Command = { type: "open", member: id, life };
    this.#writes.set(0, { number: 0, command, giveUpAt: Infinity, answer: () => {}, copies: 0, retryAt: 0 });
  }

  /** Nobody is left to answer. */
  crash(): void {
    for (const { answer } of [...this.#writes.values(), ...this.#reads]) answer({ type: "unknown" });
    this.#writes.clear();
    this.#reads.clear();
  }

  submit(operation: Operation, deadlineMs: number, answer: (outcome: Outcome) => void): void {
    const { world, id, life, core } = this.#member;
    const giveUpAt = world.now + deadlineMs;
    if (core === undefined) return answer({ type: "notApplied" });
    if (operation.type === "get") {
      const read: Read = { operation, giveUpAt, answer, index: undefined, retryAt: 0 };
      this.#reads.add(read);
      return this.#sendRead(read);
    }
    const number = this.#nextNumber++;
    let low = number;
    for (const one of this.#writes.keys()) if (one > 0 && one < low) low = one;
    const command: Command = { type: "write", stamp: { member: id, life, number, low }, operation };
    const write: Write = { number, command, giveUpAt, answer, copies: 0, retryAt: 0 };
    this.#writes.set(number, write);
    if (this.#isOpen) this.#sendWrite(write);
  }

  commandOf(token: number): Command | undefined {
    const asked = this.#asked.get(token);
    if (asked?.type === "write") return asked.write.command;
    return asked?.type === "forward" ? asked.command : undefined;
  }

  leaderChanged(): void {
    for (const write of this.#writes.values()) write.retryAt = Math.min(write.retryAt, this.#member.world.now + 5);
  }

  pump(): void {
    const { now } = this.#member.world;
    for (const write of [...this.#writes.values()]) {
      if (now >= write.giveUpAt) this.#end(write, { type: write.copies === 0 ? "notApplied" : "unknown" });
      else if (now >= write.retryAt && (this.#isOpen || write.number === 0)) this.#sendWrite(write);
    }
    for (const read of [...this.#reads]) {
      if (now >= read.giveUpAt) this.#endRead(read, { type: "unknown" });
      else if (read.index === undefined && now >= read.retryAt) this.#sendRead(read);
    }
  }

  perform(effect: Effect): void {
    switch (effect.type) {
      case "refused":
      case "lost":
        for (const token of effect.tokens) this.#notTaken(token);
        return;
      case "overtaken":
        for (const token of effect.tokens) {
          const asked = this.#asked.get(token);
          this.#asked.delete(token);
          if (asked?.type !== "write" || asked.write.command.type !== "write") continue;
          const { sessions } = this.#member.machine;
          if (wasApplied(sessions, asked.write.command.stamp) === false) asked.write.copies--;
        }
        return;
      case "readReady":
        for (const token of effect.tokens) this.#readReady(token, effect.index);
        return;
      case "readFailed":
        for (const token of effect.tokens) this.#readReady(token, undefined);
        return;
      default:
        return;
    }
  }

  receive(from: RaftMember, packet: Exclude<Packet, { type: "raft" }>): void {
    const { world } = this.#member;
    const token = world.token();
    switch (packet.type) {
      case "forward":
        this.#asked.set(token, { type: "forward", from: from.id, id: packet.id, command: packet.command });
        return this.#member.feed({ type: "propose", proposals: [{ token, bytes: 20 }] });
      case "forwardEnded": {
        const write = this.#forwarded.get(packet.id);
        this.#forwarded.delete(packet.id);
        if (write === undefined) return;
        write.copies--;
        write.retryAt = Math.min(write.retryAt, world.now + RETRY_MS);
        return;
      }
      case "askIndex":
        this.#asked.set(token, { type: "readFor", from: from.id, id: packet.id });
        return this.#member.feed({ type: "readRequested", token });
      case "index": {
        const read = this.#asking.get(packet.id);
        this.#asking.delete(packet.id);
        if (read === undefined || !this.#reads.has(read)) return;
        if (packet.index === undefined) read.retryAt = world.now + RETRY_MS;
        else read.index ??= packet.index;
        return this.readable();
      }
    }
  }

  applied({ command }: Entry, admission: Admission | undefined, output: number): void {
    const { id, life } = this.#member;
    if (command?.type === "open" && command.member === id && command.life === life) this.#opened();
    if (command?.type !== "write" || command.stamp.member !== id || command.stamp.life !== life) return;
    const write = this.#writes.get(command.stamp.number);
    if (write === undefined) return;
    if (admission === "apply") this.#end(write, { type: "done", output });
    else if (admission === "repeat") this.#end(write, { type: "unknown" });
    else this.#end(write, { type: "notApplied" });
  }

  installed(): void {
    const { sessions } = this.#member.machine;
    for (const write of [...this.#writes.values()]) {
      const { command } = write;
      if (command.type === "write" && wasApplied(sessions, command.stamp) === true)
        this.#end(write, { type: "applied" });
      const { id, life } = this.#member;
      if (command.type === "open" && sessions.newest.get(id)?.life === life) this.#opened();
    }
  }

  #opened(): void {
    this.#writes.delete(0);
    this.#isOpen = true;
    for (const write of [...this.#writes.values()]) this.#sendWrite(write);
  }

  /** Reads whose index is applied are answered. */
  readable(): void {
    const { machine } = this.#member;
    for (const read of [...this.#reads])
      if (read.index !== undefined && machine.index >= read.index)
        this.#endRead(read, { type: "done", output: machine.registers.get(read.operation.key) ?? 0 });
  }

  #sendWrite(write: Write): void {
    const { world, core, id } = this.#member;
    write.retryAt = world.now + RETRY_MS;
    const leader = core?.leader;
    if (leader === undefined) return;
    write.retryAt = world.now + FORWARD_MS;
    write.copies++;
    const token = world.token();
    if (leader === id) {
      this.#asked.set(token, { type: "write", write });
      this.#member.feed({ type: "propose", proposals: [{ token, bytes: 20 }] });
      if (world.breakage.answersEarly === true && core?.role === "leader" && this.#asked.has(token))
        this.#end(write, { type: "done", output: 1 });
    } else {
      this.#forwarded.set(token, write);
      world.post(this.#member, leader, { type: "forward", id: token, command: write.command });
    }
  }

  #sendRead(read: Read): void {
    const { world, core, id } = this.#member;
    read.retryAt = world.now + RETRY_MS;
    const leader = core?.leader;
    if (leader === undefined) return;
    read.retryAt = world.now + FORWARD_MS;
    const token = world.token();
    if (leader === id) {
      this.#asked.set(token, { type: "read", read });
      this.#member.feed({ type: "readRequested", token });
    } else {
      this.#asking.set(token, read);
      world.post(this.#member, leader, { type: "askIndex", id: token });
    }
  }

  /** It is in no log, and will be in none. */
  #notTaken(token: number): void {
    const { world } = this.#member;
    const asked = this.#asked.get(token);
    this.#asked.delete(token);
    if (asked?.type === "write") {
      asked.write.copies--;
      asked.write.retryAt = world.now + RETRY_MS;
    } else if (asked?.type === "forward") world.post(this.#member, asked.from, { type: "forwardEnded", id: asked.id });
  }

  #readReady(token: number, index: number | undefined): void {
    const { world } = this.#member;
    const asked = this.#asked.get(token);
    this.#asked.delete(token);
    if (asked?.type === "readFor") world.post(this.#member, asked.from, { type: "index", id: asked.id, index });
    if (asked?.type !== "read") return;
    if (index === undefined) asked.read.retryAt = world.now + RETRY_MS;
    else asked.read.index ??= index;
    // Not within the step that is under way.
    const { core } = this.#member;
    world.at(world.now, () => {
      if (this.#member.core === core) this.readable();
    });
  }

  #end(write: Write, outcome: Outcome): void {
    const { world, machine } = this.#member;
    this.#writes.delete(write.number);
    if (write.command.type === "write")
      for (const checker of world.checkers)
        checker.answered?.(world, this.#member, write.command.stamp, outcome, machine.index);
    write.answer(outcome);
  }

  #endRead(read: Read, outcome: Outcome): void {
    this.#reads.delete(read);
    read.answer(outcome);
  }
}
