import type { Service } from "./model.ts";
import type { View } from "./view.ts";

/** Views of one service that are kept for one revision: cluster filters that clients use at the same time. */
const VIEWS_PER_SERVICE_MAX = 16;

/**
 * Encoded lists of services, so that an unchanged service is encoded once. Bounded by the characters it holds: the
 * service whose lists were made first makes room. A service that changed loses its lists at once.
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

  get(service: Service, key: string): View | undefined {
    return this.#byService.get(service)?.get(key);
  }

  put(service: Service, key: string, view: View): void {
    let views = this.#byService.get(service);
    if (views === undefined || views.size >= VIEWS_PER_SERVICE_MAX) {
      if (views !== undefined) this.drop(service);
      views = new Map();
      this.#byService.set(service, views);
    }
    views.set(key, view);
    this.#chars += view.hosts.length;
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
