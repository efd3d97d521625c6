import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { COMPILED, MAIN } from "./command.ts";
import { endsWithUs } from "./ends-with-us.ts";

const SAYS = { ready: /^Ready/, started: /^Nacre \S+ started/ };
const TWIST = join(import.meta.dirname, "twist.ts");
const START_MAX_MS = 45_000;
/** Enough of a member's words to see what it did in a scenario. */
const PRINTED_MAX_CHARACTERS = 200_000;

export interface MemberSetup {
  readonly name: string;
  /** How others know it. */
  readonly host: string;
  readonly port: number;
  /** Where it listens, if not on `host`. */
  readonly bind?: string;
  readonly flags?: readonly string[];
  /** The addresses of all members, as it is told them; empty for one that is started by itself. */
  readonly list: readonly string[];
  /** The list stands in a file rather than on the command line. */
  readonly hasFiles?: boolean;
  /** The data folder, if not one of its own. */
  readonly data?: string;
  /** See twist.ts; the clock of the member follows `clockFile`, and its store fails while there is a `storeFile`. */
  readonly twist?: { readonly protocol?: string; readonly hasClock?: boolean; readonly hasStore?: boolean };
}

/** One start of a member, until its process ends. */
export interface Life {
  /** Somebody ended it as a power cut does: whoever asked it something is told nothing. */
  isKilled: boolean;
  /** It was told to stop in order. */
  isStopping: boolean;
}

/** A member of a cluster in a process of its own, with a data folder that it keeps over restarts. */
export class MemberProcess {
  setup: MemberSetup;
  /** What each start of it printed, the newest part last. */
  printed = "";
  readonly #folder: string;
  #starts = 0;
  #isReady = false;
  #life: Life = { isKilled: false, isStopping: false };
  #child: ChildProcess | undefined;

  private constructor(setup: MemberSetup, folder: string) {
    this.setup = setup;
    this.#folder = folder;
  }

  /** Makes the folder; nothing runs yet. */
  static async create(setup: MemberSetup): Promise<MemberProcess> {
    return new MemberProcess(setup, await mkdtemp(join(tmpdir(), `nacre-member-${setup.name}-`)));
  }

  get name(): string {
    return this.setup.name;
  }

  /** As it stands in lists of members. */
  get address(): string {
    return `${this.setup.host}:${this.setup.port}`;
  }

  /** Where it listens: around what stands between it and its peers. */
  get bind(): string {
    return this.setup.bind ?? this.setup.host;
  }

  get url(): string {
    return `http://${this.bind}:${this.setup.port}/nacos`;
  }

  get grpc(): string {
    return `${this.bind}:${this.setup.port + 1000}`;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** It said that it is ready, and nobody has killed it since. */
  get isReady(): boolean {
    return this.isRunning && this.#isReady;
  }

  /** The present one, or the last. */
  get life(): Readonly<Life> {
    return this.#life;
  }

  get pid(): number | undefined {
    return this.isRunning ? this.#child?.pid : undefined;
  }

  /** Of everything durable; kept over restarts. */
  get dataFolder(): string {
    return this.setup.data ?? join(this.#folder, "data");
  }

  /** The file that holds the list of members, where a cluster is made from files. */
  get listFile(): string {
    return join(this.#folder, "cluster.conf");
  }

  /** Writes the file of members at once, as careful operators do; they are told of the others. */
  async writeList(text: string): Promise<void> {
    await writeFile(this.listFile, text);
  }

  /** Sets its wall clock apart, with `hasClock`. It follows within a moment. */
  async setClock(aheadMs: number): Promise<void> {
    // In one step: a reader meanwhile would find an empty file.
    await writeFile(`${this.#clockFile}.new`, String(aheadMs));
    await rename(`${this.#clockFile}.new`, this.#clockFile);
  }

  get #clockFile(): string {
    return join(this.#folder, "clock");
  }

  /** With `hasStore`: from now on its store takes nothing, or does again. It follows at once. */
  async breakStore(isBroken: boolean): Promise<void> {
    await (isBroken ? writeFile(this.#storeFile, "") : rm(this.#storeFile, { force: true }));
  }

  get #storeFile(): string {
    return join(this.#folder, "store-is-broken");
  }

  #twisted(): Record<string, string> {
    const { twist } = this.setup;
    if (twist === undefined) return {};
    const { protocol, hasClock = false, hasStore = false } = twist;
    return {
      NODE_OPTIONS: `--import=${TWIST}`,
      ...(protocol === undefined ? {} : { TWIST_PROTOCOL: protocol }),
      ...(hasClock ? { TWIST_CLOCK_FILE: this.#clockFile } : {}),
      ...(hasStore ? { TWIST_STORE_FILE: this.#storeFile } : {}),
    };
  }

  /**
   * Starts it and resolves when it says that it is ready, with the milliseconds that took. One that the others refuse
   * never says so: for that, wait until its ports are open.
   */
  async start(until: "ready" | "started" = "ready"): Promise<number> {
    if (this.isRunning) throw new Error(`${this.name} runs already`);
    const { host, port, flags = [], list, hasFiles = false } = this.setup;
    this.#isReady = false;
    this.#life = { isKilled: false, isStopping: false };
    const startedAt = performance.now();
    const data = this.dataFolder;
    await mkdir(data, { recursive: true });
    if (hasFiles && this.#starts === 0) await this.writeList(`${list.join("\n")}\n`);
    const lookup = hasFiles ? ["--nacre.cluster.file", this.listFile] : ["--members", list.join(",")];
    const mode = list.length === 0 ? [] : ["--mode", "cluster", ...lookup];
    const words = ["start", ...mode, "--port", String(port), "--bind", this.bind, "--ip", host];
    const child = spawn(process.execPath, [MAIN, ...words, "--nacos.console.port", "-1", "--data", data, ...flags], {
      // A folder of its own: the file of members is looked for in the working directory, too.
      cwd: this.#folder,
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILED, ...this.#twisted() },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = endsWithUs(child);
    this.#say(`--- ${this.name}: start ${++this.#starts}`);
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on("line", (line) => this.#say(line));
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const tooLate = setTimeout(
      () => reject(new Error(`${this.name} is not ready in time:\n${this.tail()}`)),
      START_MAX_MS,
    );
    createInterface({ input: child.stdout }).on("line", (line) => SAYS[until].test(line) && resolve());
    child.once("exit", (code, signal) =>
      reject(new Error(`${this.name} ended with ${code ?? signal}:\n${this.tail()}`)),
    );
    try {
      await ready;
      this.#isReady = until === "ready";
    } finally {
      clearTimeout(tooLate);
    }
    return performance.now() - startedAt;
  }

  /** As a power cut ends it, but for its sockets, which the machine closes. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** As a service manager ends it. @returns the milliseconds it took. */
  async terminate(): Promise<number> {
    const startedAt = performance.now();
    await this.#end("SIGTERM");
    return performance.now() - startedAt;
  }

  /** Resolves when its process has ended, by whatever. */
  async ended(): Promise<void> {
    if (this.#child !== undefined && this.isRunning) await once(this.#child, "exit");
  }

  /** Stops its clock as a long pause of the machine does; nobody is told. */
  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Before a start: as on a new disk. */
  async emptyFolder(): Promise<void> {
    await rm(this.dataFolder, { recursive: true, force: true });
  }

  /** Before its first start: as an image of the other one's machine has it. */
  async copyIdentityOf(other: MemberProcess): Promise<void> {
    await mkdir(this.dataFolder, { recursive: true });
    await copyFile(join(other.dataFolder, "member.json"), join(this.dataFolder, "member.json"));
  }

  /** Ends it, however it is, and removes its folder. */
  async dispose(): Promise<void> {
    this.thaw();
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** The end of what it printed. */
  tail(characters = 4000): string {
    return this.printed.slice(-characters);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    const gone = once(child, "exit");
    if (signal === "SIGKILL") {
      this.#isReady = false;
      this.#life.isKilled = true;
    } else this.#life.isStopping = true;
    child.kill(signal);
    await gone;
  }

  #say(line: string): void {
    this.printed = `${this.printed}${line}\n`.slice(-PRINTED_MAX_CHARACTERS);
  }
}
