/**
 * What the programs for both Node clients share. A program is run as `<program> <server> <strict server> <name>...` and
 * prints one JSON line per scenario. `{"ask":"restart"}` asks the runner to kill and restart the server; a line on
 * standard input says that it has.
 */
import { once } from "node:events";
import { isDeepStrictEqual } from "node:util";

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

  constructor(server: string) {
    this.#base = `http://${server}/nacos/v1/ns/instance`;
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

export function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Resolves when the server has been killed and has come back. */
export async function askForRestart(): Promise<void> {
  say({ ask: "restart" });
  await once(process.stdin, "data");
}

export async function run(scenarios: Scenarios): Promise<never> {
  for (const name of process.argv.slice(4)) {
    try {
      const detail = await scenarios[name]?.();
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
