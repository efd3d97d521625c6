import { Worker } from "node:worker_threads";
import { type ConfigType, RegistryError } from "@nacre/protocol";
import { type Clock, systemClock, type Timer } from "../../clock.ts";
import { parseLarge } from "../../large-json.ts";
import { inTurns } from "../../storage/turn.ts";
import { CHECKED_TYPES, sentence } from "./problem.ts";
import type { Outcome, Task } from "./tasks.ts";

export interface ChecksOptions {
  /** How long one content may be checked, from when a thread takes it. */
  readonly limitMs: number;
  /** How long a thread without work stays. */
  readonly idleMs: number;
  /** Old generation of a thread's heap. */
  readonly heapMegabytesMax: number;
  readonly threadsMax: number;
  /** Checks that wait for a thread. */
  readonly waitingMax: number;
  readonly clock: Clock;
  /** Told the number of threads whenever it changes. */
  readonly onThreads: (count: number) => void;
}

export const CHECKS_DEFAULTS: ChecksOptions = {
  limitMs: 5000,
  idleMs: 30_000,
  heapMegabytesMax: 512,
  threadsMax: 2,
  waitingMax: 32,
  clock: systemClock,
  onThreads: () => {},
};

const YOUNG_MEGABYTES_MAX = 64;
const STACK_MEGABYTES = 4;

interface Job {
  readonly task: Task;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: RegistryError) => void;
}

interface Thread {
  readonly worker: Worker;
  job: Job | undefined;
  /** Of its limit while it works, of its end while it does not. */
  timer: Timer | undefined;
}

/**
 * Parses contents that others wrote, in threads with a limit of time and of memory, because a parser can not be
 * interrupted: at worst a hostile content costs the one who sent it an answer. Without work there is no thread, and
 * none of the parsers is in memory.
 */
export class Checks {
  readonly #options: ChecksOptions;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Job[] = [];
  #closed = false;

  constructor(options: Partial<ChecksOptions> = {}) {
    this.#options = { ...CHECKS_DEFAULTS, ...options };
  }

  /**
   * One sentence about the first thing that is wrong with a content, with line and column; undefined when nothing is.
   * A content that takes more time or memory than is allowed is wrong too. Types without a grammar are always right.
   *
   * @param schema  JSON schema for JSON and YAML; blank or absent is none, and other types pay no heed to it.
   * @throws RegistryError `overThreshold` when too many checks wait, `unavailable` after `close`.
   */
  async checkContent(type: ConfigType, text: string, schema = ""): Promise<string | undefined> {
    if (!CHECKED_TYPES.has(type)) return undefined;
    const outcome = await this.#run({ kind: "check", type, text, schema });
    return outcome.kind === "checked" ? outcome.problem : undefined;
  }

  /**
   * The data of a YAML document: maps, lists, null, and every other scalar as its text.
   *
   * @throws RegistryError `invalidParameter` with line and column; else as `checkContent`.
   */
  async readYaml(text: string): Promise<unknown> {
    const outcome = await this.#run({ kind: "yamlTexts", text });
    if (outcome.kind === "checked") throw new RegistryError("invalidParameter", outcome.problem ?? "not valid yaml");
    if (outcome.kind !== "data") return undefined;
    return (await inTurns(parseLarge(outcome.json, "data of a YAML document"))).data;
  }

  /** Ends all threads; what runs or waits is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    const jobs = [...this.#waiting.splice(0), ...[...this.#threads].flatMap(({ job }) => job ?? [])];
    for (const job of jobs) job.reject(stopping());
    await Promise.all([...this.#threads].map((thread) => this.#end(thread)));
  }

  async #run(task: Task): Promise<Outcome> {
    const outcome = await new Promise<Outcome>((resolve, reject) => {
      if (this.#closed) return reject(stopping());
      if (this.#waiting.length >= this.#options.waitingMax) return reject(tooMany(this.#options.waitingMax));
      this.#waiting.push({ task, resolve, reject });
      this.#assign();
    });
    if (outcome.kind === "failed") throw new RegistryError(outcome.failure, outcome.message);
    return outcome;
  }

  #assign(): void {
    while (this.#waiting.length > 0) {
      const idle = [...this.#threads].find(({ job }) => job === undefined);
      const thread = idle ?? (this.#threads.size < this.#options.threadsMax ? this.#start() : undefined);
      if (thread === undefined) return;
      const job = this.#waiting.shift();
      if (job !== undefined) this.#give(thread, job);
    }
  }

  #give(thread: Thread, job: Job): void {
    const { clock, limitMs } = this.#options;
    thread.timer?.cancel();
    thread.job = job;
    thread.timer = clock.schedule(limitMs, () => this.#stop(thread, `it takes more than ${limitMs} ms to check`));
    thread.worker.ref();
    thread.worker.postMessage(job.task);
  }

  #start(): Thread {
    const { heapMegabytesMax } = this.#options;
    const worker = new Worker(new URL(import.meta.url.endsWith(".ts") ? "worker.ts" : "worker.js", import.meta.url), {
      name: "content checks",
      resourceLimits: {
        maxOldGenerationSizeMb: heapMegabytesMax,
        maxYoungGenerationSizeMb: YOUNG_MEGABYTES_MAX,
        stackSizeMb: STACK_MEGABYTES,
      },
      // Flags of the process are not for this thread: an inspector or a test runner would follow into it.
      execArgv: [],
    });
    const thread: Thread = { worker, job: undefined, timer: undefined };
    worker.on("message", (outcome: Outcome) => this.#finish(thread, outcome));
    worker.on("error", (error: Error & { code?: string }) => {
      const outOfMemory = error.code === "ERR_WORKER_OUT_OF_MEMORY";
      if (outOfMemory) this.#stop(thread, `it takes more than ${heapMegabytesMax} MiB to check`);
      else this.#fail(thread, error);
    });
    worker.on("exit", () => this.#fail(thread, new Error("the thread ended")));
    this.#threads.add(thread);
    this.#options.onThreads(this.#threads.size);
    return thread;
  }

  #finish(thread: Thread, outcome: Outcome): void {
    const { job } = thread;
    if (job === undefined) return;
    const { clock, idleMs } = this.#options;
    thread.timer?.cancel();
    thread.job = undefined;
    thread.timer = clock.schedule(idleMs, () => void this.#end(thread));
    thread.worker.unref();
    job.resolve(outcome);
    this.#assign();
  }

  /** A content that is too much for a thread: the thread goes, its content is called wrong, the others go on. */
  #stop(thread: Thread, what: string): void {
    const { job } = thread;
    thread.job = undefined;
    void this.#end(thread);
    if (job === undefined) return;
    const type = job.task.kind === "check" ? job.task.type : "yaml";
    job.resolve({ kind: "checked", problem: sentence(type, { place: undefined, what }) });
    this.#assign();
  }

  #fail(thread: Thread, cause: Error): void {
    const { job } = thread;
    thread.job = undefined;
    void this.#end(thread);
    job?.reject(new RegistryError("serverError", "the content could not be checked: its thread ended", { cause }));
    if (!this.#closed) this.#assign();
  }

  async #end(thread: Thread): Promise<void> {
    thread.timer?.cancel();
    if (this.#threads.delete(thread)) this.#options.onThreads(this.#threads.size);
    await thread.worker.terminate();
  }
}

function tooMany(waitingMax: number): RegistryError {
  return new RegistryError("overThreshold", `${waitingMax} contents wait to be checked already; publish again later`);
}

function stopping(): RegistryError {
  return new RegistryError("unavailable", "the server stops and checks no more contents");
}
