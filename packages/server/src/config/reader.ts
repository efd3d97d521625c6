import { type Chosen, type ConfigState, choose, type Event, findItem } from "@nacre/core/config";
import { type ConfigName, RegistryError } from "@nacre/protocol";
import type { Contents, HeldContent } from "./contents.ts";
import type { Asking } from "./service.ts";
import type { ConfigTimes } from "./times.ts";

/** A version that a caller gets, with its content. */
export interface Found extends Chosen {
  readonly version: NonNullable<Chosen["version"]>;
  readonly held: HeldContent;
}

export interface Missing {
  readonly version: undefined;
  /** The formal version exists, the gray one of the tag that was asked for does not. */
  readonly tagMissing: boolean;
}

export interface ReaderSetup {
  readonly state: ConfigState;
  readonly contents: Contents;
  readonly times: ConfigTimes;
  readonly now: () => number;
  readonly submit: (event: Event) => void;
}

/** Reads: the core says which version a caller gets, memory or the store give its content. */
export class Reader {
  readonly #setup: ReaderSetup;
  /** Answers that are being encoded: many may ask for a large one in the same moment. */
  readonly #encoding = new Map<HeldContent, Promise<Uint8Array>>();

  constructor(setup: ReaderSetup) {
    this.#setup = setup;
  }

  /** At once if the content is in memory: most reads are, and a promise each would cost them half their time. */
  find(name: ConfigName, asking: Asking): Found | Missing | Promise<Found | Missing> {
    const startedAt = this.#setup.now();
    const reading = this.#inMemory(name, asking);
    return reading === undefined
      ? this.#fromStore(name, asking).then((read) => this.#done(read, name, asking, startedAt))
      : this.#done(reading, name, asking, startedAt);
  }

  /** The answer around a content, encoded once for all who are given that version. A large one takes several turns. */
  encoded(found: Found, encode: (found: Found) => Uint8Array | Promise<Uint8Array>): Uint8Array | Promise<Uint8Array> {
    const { held } = found;
    const made = held.answer ?? this.#encoding.get(held);
    if (made !== undefined) return made;
    const answer = encode(found);
    if (answer instanceof Promise) return this.#encodingOf(held, answer);
    this.#setup.contents.keepAnswer(held, answer);
    return answer;
  }

  #encodingOf(held: HeldContent, encoding: Promise<Uint8Array>): Promise<Uint8Array> {
    const answer = encoding
      .then((bytes) => {
        this.#setup.contents.keepAnswer(held, bytes);
        return bytes;
      })
      .finally(() => this.#encoding.delete(held));
    this.#encoding.set(held, answer);
    return answer;
  }

  #done<R extends Found | Missing>(
    reading: R,
    name: ConfigName,
    { clientId, afterNotice = false }: Asking,
    startedAt: number,
  ): R {
    const { submit, times, now } = this.#setup;
    if (clientId !== undefined)
      submit({ type: "served", clientId, name, md5: reading.version?.md5 ?? "", afterNotice });
    times.read(now() - startedAt);
    return reading;
  }

  #inMemory(name: ConfigName, { labels, tag }: Asking): Found | Missing | undefined {
    const item = findItem(this.#setup.state, name);
    const { version, gray } = choose(item, labels, tag);
    if (item === undefined || version === undefined)
      return { version: undefined, tagMissing: item?.formal !== undefined };
    const held = this.#setup.contents.peek(item, version, gray);
    return held === undefined ? undefined : { version, gray, held };
  }

  async #fromStore(name: ConfigName, asking: Asking): Promise<Found | Missing> {
    const { state, contents } = this.#setup;
    for (;;) {
      const item = findItem(state, name);
      const { version, gray } = choose(item, asking.labels, asking.tag);
      if (item === undefined || version === undefined) return this.#inMemory(name, asking) as Missing;
      const held = contents.peek(item, version, gray) ?? (await contents.read(item, version, gray));
      const after = choose(findItem(state, name), asking.labels, asking.tag);
      // G2: what changed while it was read is read again.
      if (after.version !== version) continue;
      if (held !== undefined) return { version, gray, held };
      throw new RegistryError(
        "dataAccess",
        `the store holds no content of ${item.key}: stop the server, remove its store.db and start it again`,
      );
    }
  }
}
