import { RegistryError } from "@nacre/protocol";
import type { DurableLog } from "../storage/port.ts";

const SENTENCE =
  "this server keeps nothing on disk, so it is no voter of a group, and changes no durable data while other members know " +
  "it: give it a data folder";

/**
 * Changes of the durable data of a server that keeps nothing, while it has no others: it would differ from them in silence.
 *
 * @param held  called after the first change: from then on this member has something of its own to lose.
 */
export function onlyAlone<C, R>(
  durable: DurableLog<C, R>,
  { others, held }: { readonly others: () => boolean; readonly held: () => void },
): Pick<DurableLog<C, R>, "propose" | "readIndex" | "appliedIndex"> {
  let told = durable.appliedIndex > 0;
  return {
    async propose(command) {
      if (others()) throw new RegistryError("unavailable", SENTENCE);
      const result = await durable.propose(command);
      if (!told) held();
      told = true;
      return result;
    },
    readIndex: () => durable.readIndex(),
    get appliedIndex() {
      return durable.appliedIndex;
    },
  };
}
