import type { FuzzTarget } from "../target.ts";
import { Life } from "./life.ts";

/** Seeds of connections follow from the seed of the run, and each replays by itself. */
export function lifeSeed(seed: number, nth: number): number {
  return (Math.imul(seed ^ (nth * 0x9e37_79b1), 0x85eb_ca6b) ^ nth) >>> 0;
}

/** The HTTP/2 machine and gRPC on top of it: a case is one piece of input to a connection. */
export const grpcMachine: FuzzTarget = {
  name: "gRPC machine: connections, valid and mutated, inputs",
  weight: 0,
  counts: { long: 20_000_000, short: 2_000_000 },
  cases(count, seed) {
    let inputs = 0;
    for (let nth = 0; inputs < count; nth++) {
      const own = lifeSeed(seed, nth);
      const life = new Life(own);
      try {
        life.run();
      } catch (cause) {
        const message = `connection of seed ${own}, input ${life.inputs}: ${(cause as Error).message}`;
        throw new Error(message, { cause });
      }
      inputs += life.inputs;
    }
  },
};
