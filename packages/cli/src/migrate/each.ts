/**
 * Runs `work` for all items, `concurrency` at a time; whoever is done takes the next item, and asks for it while others
 * still work. After the first failure nothing new is begun.
 */
export async function each<T>(
  items: AsyncIterable<T>,
  concurrency: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  let failed = false;
  const worker = async (): Promise<void> => {
    try {
      for (let next = await iterator.next(); next.done !== true && !failed; next = await iterator.next()) {
        await work(next.value);
      }
    } catch (thrown) {
      failed = true;
      throw thrown;
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: concurrency }, worker));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
}
