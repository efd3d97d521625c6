import { type LookupAddress, lookup as systemLookup } from "node:dns";
import type { Clock } from "../../clock.ts";

export interface Resolved {
  readonly ips: readonly string[];
  readonly error?: string;
}

/** The addresses of a host, as the system finds them. Answers within 3 s and never throws. */
export type Resolve = (host: string) => Promise<Resolved>;

type Lookup = (host: string, done: (error: Error | null, found: readonly LookupAddress[]) => void) => void;

const ANSWER_MAX_MS = 3000;
/** The system's lookups occupy threads that files need too, and a name server that is silent occupies them for long. */
const LOOKUPS_MAX = 2;

export function newResolve(clock: Clock, lookup: Lookup = lookupAll): Resolve {
  /** One for each host at a time, whether it waits or runs; whoever asks meanwhile gets the same answer. */
  const asked = new Map<string, Promise<Resolved>>();
  const waiting: (() => void)[] = [];
  let running = 0;

  function next(): void {
    while (running < LOOKUPS_MAX) {
      const start = waiting.shift();
      if (start === undefined) return;
      running += 1;
      start();
    }
  }

  function ask(host: string): Promise<Resolved> {
    const held = asked.get(host);
    if (held !== undefined) return held;
    const { promise, resolve } = Promise.withResolvers<Resolved>();
    const settle = (answer: Resolved): void => {
      running -= 1;
      asked.delete(host);
      resolve(answer);
      next();
    };
    asked.set(host, promise);
    waiting.push(() => {
      try {
        lookup(host, (error, found) => settle(error === null ? answerOf(found) : failed(error)));
      } catch (thrown) {
        settle(failed(thrown as Error));
      }
    });
    next();
    return promise;
  }

  return (host) => {
    const { promise, resolve } = Promise.withResolvers<Resolved>();
    const timer = clock.schedule(ANSWER_MAX_MS, () =>
      resolve({ ips: [], error: `no answer within ${ANSWER_MAX_MS / 1000} s` }),
    );
    void ask(host).then((answer) => {
      timer.cancel();
      resolve(answer);
    });
    return promise;
  };
}

function lookupAll(host: string, done: Parameters<Lookup>[1]): void {
  systemLookup(host, { all: true, order: "verbatim" }, done);
}

function answerOf(found: readonly LookupAddress[]): Resolved {
  const ips = [...new Set(found.map(({ address }) => address))];
  return ips.length === 0 ? { ips, error: "it has no address" } : { ips };
}

/** The codes of the system in words; the code stays for whoever searches for it. */
function failed(error: NodeJS.ErrnoException): Resolved {
  const { code = error.message } = error;
  const words =
    code === "ENOTFOUND" ? "there is no such name" : code === "EAI_AGAIN" ? "the name service does not answer" : "";
  return { ips: [], error: words === "" ? code : `${words}, ${code}` };
}
