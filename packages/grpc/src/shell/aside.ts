/** As if an event handler had thrown it: nobody may miss it, and the connection must not suffer. */
export function uncaught(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}

/** What the application wants to be told, so that it cannot break off what runs: what it throws is uncaught. */
export function aside<Args extends readonly unknown[]>(tell: (...args: Args) => void): (...args: Args) => void {
  return (...args) => {
    try {
      tell(...args);
    } catch (error) {
      uncaught(error);
    }
  };
}
