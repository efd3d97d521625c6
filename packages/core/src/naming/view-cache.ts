import type { Service } from "./model.ts";
import type { View } from "./view.ts";

/** Views of one service that are kept for one revision: cluster filters that clients use at the same time. */
const VIEWS_PER_SERVICE_MAX = 16;

/**
 * Encoded lists of services, so that an unchanged service is encoded once. Bounded by the characters it holds, or by one
 * list when that alone is longer: the service for which none was made for the longest time makes room. A service that
 * changed loses its lists at once.
 */
export class ViewCache {
  readonly #charsMax: number;
  readonly #byService = new Map<Service, Map<string, View>>();
  #chars = 0;

  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  get chars(): number {
    return this.#chars;
  }

  /** Services with lists in here. */
  get size(): number {
    return this.#byService.size;
  }

  get(service: Service, key: string): View | undefined {
    return this.#byService.get(service)?.get(key);
  }

  put(service: Service, key: string, view: View): void {
    let views = this.#byService.get(service) ?? new Map<string, View>();
    let own = view.hosts.length;
    for (const { hosts } of views.values()) own += hosts.length;
    if (views.size >= VIEWS_PER_SERVICE_MAX || own > this.#charsMax) {
      this.drop(service);
      views = new Map();
    }
    views.set(key, view);
    this.#chars += view.hosts.length;
    // Last in the order of the map, so that everybody else makes room first.
    this.#byService.delete(service);
    this.#byService.set(service, views);
    for (const oldest of this.#byService.keys()) {
      if (this.#chars <= this.#charsMax || oldest === service) break;
      this.drop(oldest);
    }
  }

  drop(service: Service): void {
    const views = this.#byService.get(service);
    if (views === undefined) return;
    for (const view of views.values()) this.#chars -= view.hosts.length;
    this.#byService.delete(service);
  }
}
