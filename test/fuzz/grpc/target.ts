import type { FuzzTarget } from "../target.ts";
import { Life } from "./life.ts";
import { Pair } from "./pair.ts";

interface Run {
  inputs: number;
  run(): void;
}

/** The server's half against a client written for the purpose, and our client against our server. A case is one input. */
export const grpcMachine: readonly FuzzTarget[] = [
  ofConnections(
    "gRPC server: inputs, valid and mutated",
    { long: 20_000_000, short: 2_000_000 },
    (seed) => new Life(seed),
  ),
  ofConnections("gRPC client and server: inputs", { long: 4_000_000, short: 300_000 }, (seed) => new Pair(seed)),
];

function ofConnections(
  name: string,
  counts: { long: number; short: number },
  begin: (seed: number) => Run,
): FuzzTarget {
  return {
    name,
    weight: 0,
    counts,
    cases(count, seed) {
      let inputs = 0;
      for (let nth = 0; inputs < count; nth++) {
        const own = seedOf(seed, nth);
        const connection = begin(own);
        try {
          connection.run();
        } catch (cause) {
          const message = `connection of seed ${own}, input ${connection.inputs}: ${(cause as Error).message}`;
          throw new Error(message, { cause });
        }
        inputs += connection.inputs;
      }
    },
  };
}

/** Seeds of connections follow from the seed of the run, and each replays by itself. */
function seedOf(seed: number, nth: number): number {
  return (Math.imul(seed ^ (nth * 0x9e37_79b1), 0x85eb_ca6b) ^ nth) >>> 0;
}
