/**
 * What the programs for both Node clients share. A program is run as `<program> <server> <strict server> <name>...` and
 * prints one JSON line per scenario. A line `{"ask": …}` asks the runner for something, which it answers with a line on
 * standard input.
 */
import { isDeepStrictEqual } from "node:util";
import { say } from "./say.ts";

export const GROUP = "DEFAULT_GROUP";

export const METADATA = {
  城市: "杭州",
  emoji: "🚀👩‍💻",
  quotes: 'a=b&c,"d"\\e+f%20 g',
  large: "x".repeat(10_000),
};

export interface Host {
  readonly ip: string;
  readonly port: number;
  readonly weight?: number;
  readonly ephemeral?: boolean;
  readonly metadata?: Record<string, string>;
}

export type Scenarios = Record<string, () => Promise<string>>;

/** The server as seen over its HTTP API, which no client has a hand in. */
export class Api {
  readonly #base: string;

  /** @param servers  the first of them is asked. */
  constructor(servers: string) {
    this.#base = `http://${servers.split(",")[0]}/nacos/v1/ns/instance`;
  }

  async hosts(serviceName: string, groupName = GROUP, namespaceId = "public"): Promise<Host[]> {
    const text = await this.#call("GET", "/list", { serviceName, groupName, namespaceId });
    return (JSON.parse(text) as { hosts: Host[] }).hosts;
  }

  async addresses(serviceName: string, groupName = GROUP, namespaceId = "public"): Promise<string> {
    return addresses(await this.hosts(serviceName, groupName, namespaceId));
  }

  async publish(serviceName: string, ip: string, more: Record<string, string> = {}): Promise<void> {
    await this.#call("POST", "", { serviceName, ip, port: "8080", ...more });
  }

  async #call(method: string, path: string, parameters: Record<string, string>): Promise<string> {
    const answer = await fetch(`${this.#base}${path}?${new URLSearchParams(parameters)}`, { method });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text;
  }
}

/** Sorted `ip:port`. */
export function addresses(hosts: readonly { ip: string; port: number }[]): string {
  return hosts
    .map(({ ip, port }) => `${ip}:${port}`)
    .sort()
    .join(" ");
}

/** Waits until `actual` gives `want`; what it throws meanwhile counts as "not yet". */
export async function eventually<T>(
  seconds: number,
  what: string,
  want: T,
  actual: () => T | Promise<T>,
): Promise<void> {
  const giveUpAt = performance.now() + seconds * 1000;
  for (;;) {
    let got: unknown;
    try {
      got = await actual();
    } catch (notYet) {
      got = notYet;
    }
    if (isDeepStrictEqual(got, want)) return;
    if (performance.now() > giveUpAt) {
      throw new Error(`not within ${seconds} s: ${what}: want <${want}>, last <${got}>`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const answers: string[] = [];
let answered: () => void = () => {};
let earlier: Promise<unknown> = Promise.resolve();
let unread = "";
// Not readline: it ends lines at U+2028 too, which texts within JSON may hold.
process.stdin.setEncoding("utf8").on("data", (chunk: string) => {
  const lines = (unread + chunk).split("\n");
  unread = lines.pop() ?? "";
  answers.push(...lines);
  if (lines.length > 0) answered();
});

/** Has the runner do something from outside. Requests wait for one another: answers come in their order. */
export function ask(what: string, fields: object = {}): Promise<Record<string, unknown>> {
  const answer = earlier.then(async () => {
    const came = new Promise<void>((resolve) => {
      answered = resolve;
    });
    say({ ...fields, ask: what });
    await came;
    const line = JSON.parse(answers.shift() ?? "{}") as Record<string, unknown>;
    if (line.error !== undefined) throw new Error(`${what}: ${line.error}`);
    return line;
  });
  earlier = answer.catch(() => undefined);
  return answer;
}

/** Both parameters connect what the scenarios of one half need; they are called with the first of its scenarios. */
export async function run(naming: () => Promise<Scenarios>, configs: () => Promise<Scenarios>): Promise<never> {
  const made = new Map<typeof naming, Promise<Scenarios>>();
  for (const name of process.argv.slice(4)) {
    try {
      const make = name.startsWith("config-") ? configs : naming;
      const scenarios = made.get(make) ?? make();
      made.set(make, scenarios);
      const detail = await (await scenarios)[name]?.();
      if (detail === undefined) throw new Error(`no scenario ${name}`);
      say({ name, ok: true, detail });
    } catch (failure) {
      process.stderr.write(`${failure instanceof Error ? failure.stack : failure}\n`);
      say({ name, ok: false, detail: String(failure) });
    }
  }
  // The clients offer no close that ends their timers.
  process.exit(0);
}

/** The addresses of the server under test and of the one with default limits. */
export function servers(): { server: string; strictServer: string } {
  const [, , server, strictServer] = process.argv;
  if (server === undefined || strictServer === undefined) throw new Error("usage: <server> <strict server> <name>...");
  return { server, strictServer };
}
