import type { Service } from "./model.ts";
import type { View } from "./view.ts";

/** What is kept of one service for one revision: cluster filters that clients use at the same time, and the forms of each. */
const KEPT_PER_SERVICE_MAX = 32;

/**
 * A list of more characters is kept beside the messages around it, so that the next message need not choose and encode a
 * thousand instances again. Of a shorter one only what is asked for is kept, and twice as many services find room.
 */
const LONG_CHARS = 16_384;

/** What the cache's own clock counts in: small enough a number for centuries of it to fit into 31 bits. */
const CHARS_PER_TICK = 1024;

/** A complete message around a list, as text or as bytes. */
export type Message = Uint8Array | string;

/** What is kept of a service: lists by query, and messages by query and form. */
interface Kept {
  views: Map<string, View> | undefined;
  messages: Map<string, Message> | undefined;
  count: number;
  chars: number;
}

/**
 * Encoded lists of services and the messages around them, so that an unchanged service that is asked for is not encoded
 * each time. Bounded by the characters (or bytes) it holds, or by one list when that alone is longer: the service for
 * which nothing was made for the longest time makes room. A service that changed loses everything at once.
 *
 * It takes in what is made of a revision for the second time, and so soon that a cache of this size would still have held
 * the first. What is kept at once is mostly given up unread, when its service changes or others need the room, and that
 * costs far more than encoding it: it lives long enough to be moved among the old objects, and it takes a full collection
 * to get rid of it there.
 */
export class ViewCache {
  readonly #charsMax: number;
  readonly #byService = new Map<Service, Kept>();
  #chars = 0;
  /** Characters of everything that was ever made: how far two are apart tells how much else came between. */
  #made = 0;

  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  get chars(): number {
    return this.#chars;
  }

  /** Services of which something is in here. */
  get size(): number {
    return this.#byService.size;
  }

  view(service: Service, key: string): View | undefined {
    return this.#byService.get(service)?.views?.get(key);
  }

  message(service: Service, key: string): Message | undefined {
    return this.#byService.get(service)?.messages?.get(key);
  }

  putView(service: Service, key: string, view: View): void {
    const { length } = view.hosts;
    const kept = this.#admit(service, length);
    if (kept === undefined) return;
    kept.views ??= new Map();
    kept.views.set(key, view);
  }

  /** @param around  the list inside, when that is a long one: its message is kept if it is. */
  putMessage(service: Service, key: string, message: Message, around?: View): void {
    const kept =
      around === undefined ? this.#admit(service, message.length) : this.#follow(service, message.length, around);
    if (kept === undefined) return;
    kept.messages ??= new Map();
    kept.messages.set(key, message);
  }

  #admit(service: Service, chars: number): Kept | undefined {
    const again = this.#madeAgainSoon(service);
    this.#made += chars;
    return again ? this.#take(service, chars) : undefined;
  }

  #follow(service: Service, chars: number, view: View): Kept | undefined {
    this.#made += chars;
    const views = this.#byService.get(service)?.views;
    if (views === undefined || ![...views.values()].includes(view)) return undefined;
    return this.#take(service, chars);
  }

  #take(service: Service, chars: number): Kept {
    let kept = this.#byService.get(service);
    if (kept !== undefined && (kept.count >= KEPT_PER_SERVICE_MAX || kept.chars + chars > this.#charsMax)) {
      this.#giveUp(service);
      kept = undefined;
    }
    kept ??= { views: undefined, messages: undefined, count: 0, chars: 0 };
    kept.count++;
    kept.chars += chars;
    this.#chars += chars;
    // Last in the order of the map, so that everybody else makes room first.
    this.#byService.delete(service);
    this.#byService.set(service, kept);
    for (const oldest of this.#byService.keys()) {
      if (this.#chars <= this.#charsMax) break;
      if (oldest !== service) this.#giveUp(oldest);
    }
    return kept;
  }

  /** Whether what was made since the last time for this service would fit; notes that now there is something again. */
  #madeAgainSoon(service: Service): boolean {
    const before = service.viewMadeAt;
    service.viewMadeAt = Math.ceil(this.#made / CHARS_PER_TICK);
    return before !== undefined && (service.viewMadeAt - before) * CHARS_PER_TICK <= this.#charsMax;
  }

  /** Gives up what was made of a service that has changed. */
  drop(service: Service): void {
    // Of most services of a large member nothing was ever made.
    if (service.viewMadeAt === undefined) return;
    service.viewMadeAt = undefined;
    this.#giveUp(service);
  }

  #giveUp(service: Service): void {
    const kept = this.#byService.get(service);
    if (kept === undefined) return;
    this.#chars -= kept.chars;
    this.#byService.delete(service);
  }
}

export function isLong(view: View): boolean {
  return view.hosts.length > LONG_CHARS;
}
