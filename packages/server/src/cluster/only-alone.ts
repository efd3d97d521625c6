import { RegistryError } from "@nacre/protocol";
import type { DurableLog } from "../storage/port.ts";

const SENTENCE =
  "configurations, namespaces, persistent instances and what operators set (weights, metadata, switches) are not " +
  "replicated between members in this version, so a member that has others does not change them; change them on a " +
  "server that runs alone";

/**
 * Changes of durable data while this member has no others. Members that each wrote their own would differ in silence.
 *
 * @param held  called after the first change: from then on this member has something of its own to lose.
 */
export function onlyAlone<C, R>(
  durable: DurableLog<C, R>,
  { others, held }: { readonly others: () => boolean; readonly held: () => void },
): Pick<DurableLog<C, R>, "propose" | "appliedIndex"> {
  let told = durable.appliedIndex > 0;
  return {
    async propose(command) {
      if (others()) throw new RegistryError("unavailable", SENTENCE);
      const result = await durable.propose(command);
      if (!told) held();
      told = true;
      return result;
    },
    get appliedIndex() {
      return durable.appliedIndex;
    },
  };
}
