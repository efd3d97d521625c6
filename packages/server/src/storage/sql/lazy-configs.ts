import type { ConfigStore } from "../config-store.ts";

/** A store whose queries are loaded when it is first asked: a server without configurations does not pay for them. */
export function lazyConfigs(load: () => Promise<ConfigStore>): ConfigStore {
  return {
    content: async (...args) => (await load()).content(...args),
    config: async (...args) => (await load()).config(...args),
    gray: async (...args) => (await load()).gray(...args),
    byIds: async (...args) => (await load()).byIds(...args),
    search: async (...args) => (await load()).search(...args),
    async *scan(...args) {
      yield* (await load()).scan(...args);
    },
    history: async (...args) => (await load()).history(...args),
    historyRow: async (...args) => (await load()).historyRow(...args),
    historyBefore: async (...args) => (await load()).historyBefore(...args),
    historyAfter: async (...args) => (await load()).historyAfter(...args),
    newestHistory: async (...args) => (await load()).newestHistory(...args),
    oldestHistoryAt: async () => (await load()).oldestHistoryAt(),
  };
}
