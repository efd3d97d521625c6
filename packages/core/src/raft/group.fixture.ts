import type { Effect, Order } from "./events.ts";
import type { Message } from "./messages.ts";
import { type Configuration, type ConfigurationAt, NOBODY, type Run, type Snapshot, type Trust } from "./model.ts";
import type { RaftOptions } from "./options.ts";
import { newRaft, type Raft } from "./state.ts";
import { nextAt, step } from "./step.ts";

interface Sent {
  readonly from: string;
  readonly to: string;
  readonly message: Message;
  readonly after: number;
}

/** A few members whose network and disks do nothing by themselves. Each command tells what came of it. */
export class Group {
  now = 0;
  readonly cores = new Map<string, Raft>();
  readonly #options: Partial<RaftOptions>;
  readonly #queue: Sent[] = [];
  readonly #cut = new Set<string>();
  readonly #synced = new Map<string, number>();
  #lines: string[] = [];
  #tokens = 0;

  constructor(options: Partial<RaftOptions> = {}) {
    this.#options = options;
  }

  /** @returns what happened, a line each. */
  run(command: string): string[] {
    this.#lines = [];
    const [verb = "", ...words] = command.split(" ");
    const [first = "", second = "", third = ""] = words;
    switch (verb) {
      case "group":
        for (const id of words) this.start(id, { voters: words, learners: [] });
        break;
      case "newcomer":
        this.start(first, NOBODY);
        break;
      case "damaged":
        this.start(first, NOBODY, second === "allLost" ? "allLost" : "logLost", Number(third));
        break;
      case "at":
        this.#at(Number(first));
        break;
      // Until the next one does something by itself.
      case "next":
        this.#at(Math.min(...[...this.cores.values()].map(nextAt)));
        break;
      // As time goes by, with everything arriving at once.
      case "run":
        while (Math.min(...[...this.cores.values()].map(nextAt)) <= Number(first)) {
          this.#at(Math.min(...[...this.cores.values()].map(nextAt)));
          this.#settle();
        }
        this.#at(Number(first));
        break;
      case "quietly":
        this.run(command.slice("quietly ".length));
        return [];
      case "sync":
        for (const id of words.length > 0 ? words : this.cores.keys()) this.#sync(id);
        break;
      case "fail":
        this.#feed(first, { type: "persistFailed", number: Number(second) });
        break;
      case "deliver":
        this.#deliver(words);
        break;
      case "settle":
        this.#settle();
        break;
      case "drop":
        this.#lines.push(`${this.#queue.splice(0).length} messages lost`);
        break;
      case "cut":
        for (const id of words.slice(1)) for (const way of [`${first}>${id}`, `${id}>${first}`]) this.#cut.add(way);
        break;
      case "heal":
        this.#cut.clear();
        break;
      // The second one's link to the first has ended.
      case "unreachable":
        this.#feed(second, { type: "peerUnreachable", id: first });
        break;
      case "propose": {
        const count = Number(second);
        const proposals = Array.from({ length: count }, () => ({ token: ++this.#tokens, bytes: Number(third || 10) }));
        this.#feed(first, { type: "propose", proposals });
        break;
      }
      case "read":
        this.#feed(first, { type: "readRequested", token: ++this.#tokens });
        break;
      case "change":
        this.#feed(first, {
          type: "change",
          token: ++this.#tokens,
          order: { type: second as Order["type"], id: third },
        });
        break;
      case "transfer":
        this.#feed(first, { type: "transfer", to: second === "" ? undefined : second });
        break;
      case "compact":
        this.#compact(first, Number(second), Number(third));
        break;
      case "diskRefuses":
      case "diskTakes":
        this.#feed(first, { type: verb });
        break;
      case "show":
        for (const [id, core] of this.cores) this.#lines.push(`${id}: ${show(core)}`);
        break;
      default:
        throw new Error(`no command '${verb}'`);
    }
    return this.#lines;
  }

  start(id: string, configuration: Configuration, trust: Trust = "whole", term = 0, log: readonly number[] = []): Raft {
    const snapshot: Snapshot = { index: 0, term: 0, configuration, bytes: 1 };
    const runs: Run[] = [];
    log.forEach((of, at) => {
      if (runs.at(-1)?.term !== of) runs.push({ first: at + 1, term: of });
    });
    const configurations: ConfigurationAt[] = [];
    const seed = id.charCodeAt(0);
    const facts = { baseIndex: 0, baseTerm: 0, lastIndex: log.length, runs, configurations, applied: 0 };
    const core = newRaft({ self: id, seed, term, vote: undefined, snapshot, ...facts, trust }, this.now, this.#options);
    this.cores.set(id, core);
    this.#synced.set(id, 0);
    return core;
  }

  #at(now: number): void {
    for (;;) {
      const due = [...this.cores].map(([id, core]) => ({ id, at: nextAt(core) })).filter(({ at }) => at <= now);
      const next = due.sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.now = Math.max(this.now, next.at);
      this.#feed(next.id, { type: "tick" });
    }
    this.now = now;
  }

  #sync(id: string): void {
    const issued = this.cores.get(id)?.issued ?? 0;
    if (issued <= (this.#synced.get(id) ?? 0)) return;
    this.#synced.set(id, issued);
    this.#feed(id, { type: "persisted", number: issued });
  }

  #deliver(ways: readonly string[]): void {
    const due = this.#queue.splice(0);
    for (const sent of due) {
      const { from, to, message, after } = sent;
      const isChosen = ways.length === 0 || ways.includes(`${from}>${to}`) || ways.includes(to);
      const isWaiting = after > (this.#synced.get(from) ?? 0);
      if (!isChosen || isWaiting) this.#queue.push(sent);
      else if (!this.#cut.has(`${from}>${to}`)) this.#feed(to, { type: "received", from, message });
    }
  }

  /** Everything that is under way arrives, and is written. */
  #settle(): void {
    for (let round = 0; round < 60; round++) {
      for (const id of this.cores.keys()) this.#sync(id);
      if (this.#queue.length === 0) return;
      this.#deliver([]);
    }
    throw new Error("does not come to rest");
  }

  #compact(id: string, index: number, bytes: number): void {
    this.#feed(id, { type: "snapshotTaken", index, bytes });
    this.#feed(id, { type: "logCut", first: index + 1 });
  }

  #feed(id: string, event: Parameters<typeof step>[1]): void {
    const core = this.cores.get(id);
    if (core === undefined) return;
    for (const effect of step(core, event, this.now)) {
      if (effect.type === "send") this.#queue.push({ ...effect, from: id });
      if (effect.type === "commit") this.#applied.push({ id, index: effect.index });
      const line = brief(effect);
      if (line !== undefined) this.#lines.push(`${id}: ${line}`);
    }
    for (const { id: of, index } of this.#applied.splice(0)) this.#feed(of, { type: "applied", index });
  }

  readonly #applied: { readonly id: string; readonly index: number }[] = [];
}

function show({ role, term, log, commit, told, leader, configuration, trust }: Raft): string {
  const terms = [];
  for (let index = log.baseIndex + 1; index <= log.last; index++) terms.push(log.termOf(index));
  const base = log.baseIndex > 0 ? `${log.baseIndex}/${log.termOf(log.baseIndex)} | ` : "";
  const lost = trust === "whole" ? "" : `, ${trust}`;
  const committed = told === commit ? `${commit}` : `${commit} (told ${told})`;
  return `${role} in ${term}, of ${leader ?? "nobody"}; log ${base}${terms.join(" ")}; commit ${committed}; ${who(configuration)}${lost}`;
}

function who({ voters, learners }: Configuration): string {
  return `voters ${voters.join(" ") || "none"}${learners.length > 0 ? `, learners ${learners.join(" ")}` : ""}`;
}

function brief(effect: Effect): string | undefined {
  switch (effect.type) {
    case "send":
      return `> ${effect.to} ${said(effect.message)}${effect.after > 0 ? ` (after ${effect.after})` : ""}`;
    case "persist": {
      const { hard, snapshot, cutFrom, first, last } = effect;
      const parts = [
        hard === undefined ? "" : `term ${hard.term} vote ${hard.vote ?? "none"}`,
        snapshot === undefined ? "" : `snapshot ${snapshot.index}/${snapshot.term}`,
        cutFrom === undefined ? "" : `cut ${cutFrom}`,
        last < first ? "" : `entries ${first}..${last}`,
      ];
      return `persist ${effect.number}: ${parts.filter((part) => part !== "").join(", ")}`;
    }
    case "accepted":
      return `accepted ${effect.proposals.map(({ token }) => `#${token}`).join(" ")} at ${effect.first}/${effect.term}`;
    case "made": {
      const what = effect.configuration === undefined ? "nothing" : who(effect.configuration);
      return `made ${effect.index}/${effect.term}: ${what}`;
    }
    case "configurationChanged":
      return `${effect.committed ? "committed" : "uses"} ${effect.index}: ${who(effect.configuration)}`;
    default: {
      const { type, ...rest } = effect;
      return `${type} ${Object.entries(rest)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => `${name} ${Array.isArray(value) ? value.map((one) => `#${one}`).join(" ") : value}`)
        .join(", ")}`;
    }
  }
}

function said(message: Message): string {
  const { type, term, ...rest } = message;
  if (message.type === "append") {
    const { prevIndex, prevTerm, lastIndex, runs, commit } = message;
    const entries = lastIndex === prevIndex ? "nothing" : `${prevIndex + 1}..${lastIndex}`;
    const terms = runs.map((run) => `${run.term} from ${run.first}`).join(", ");
    return `append ${term}: after ${prevIndex}/${prevTerm} ${entries}${terms === "" ? "" : ` (${terms})`}, commit ${commit}`;
  }
  const fields = Object.entries(rest).filter(
    ([, value]) => typeof value !== "object" && value !== "whole" && value !== undefined,
  );
  return `${type} ${term}: ${fields.map(([name, value]) => `${name} ${value}`).join(", ")}`;
}
