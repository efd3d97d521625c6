/** Lets the event loop take one turn: what waits for sockets and timers comes first. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
