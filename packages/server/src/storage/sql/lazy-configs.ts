import type { ConfigStore } from "../config-store.ts";

/**
 * A store whose queries are loaded when it is first asked: a server without configurations does not pay for them.
 *
 * @param holdsHistory  asked by itself, because history is cleaned on every server, whether it has some or not.
 * @param failed  what a caller is told of something that a query threw.
 */
export function lazyConfigs(
  load: () => Promise<ConfigStore>,
  holdsHistory: () => boolean,
  failed: (thrown: unknown) => unknown,
): ConfigStore {
  async function ask<T>(question: (store: ConfigStore) => Promise<T>): Promise<T> {
    try {
      return await question(await load());
    } catch (thrown) {
      throw failed(thrown);
    }
  }
  return {
    content: (...args) => ask((store) => store.content(...args)),
    config: (...args) => ask((store) => store.config(...args)),
    gray: (...args) => ask((store) => store.gray(...args)),
    byIds: (...args) => ask((store) => store.byIds(...args)),
    search: (...args) => ask((store) => store.search(...args)),
    async *scan(...args) {
      try {
        yield* (await load()).scan(...args);
      } catch (thrown) {
        throw failed(thrown);
      }
    },
    history: (...args) => ask((store) => store.history(...args)),
    historyRow: (...args) => ask((store) => store.historyRow(...args)),
    historyBefore: (...args) => ask((store) => store.historyBefore(...args)),
    historyAfter: (...args) => ask((store) => store.historyAfter(...args)),
    newestHistory: (...args) => ask((store) => store.newestHistory(...args)),
    async oldestHistoryAt() {
      try {
        return holdsHistory() ? await (await load()).oldestHistoryAt() : undefined;
      } catch (thrown) {
        throw failed(thrown);
      }
    },
  };
}
