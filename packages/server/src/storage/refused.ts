import { type FailureName, RegistryError } from "@nacre/protocol";
import type { DurableLog } from "./port.ts";

interface Refusal {
  readonly failure: FailureName;
  readonly message: string;
}

/**
 * For a command that this member's state refuses, which is looked at before it goes into the log, where it would cost a sync. A member
 * may be behind others: it is looked at again when this one has everything that was acknowledged, so that nobody who goes
 * from member to member is told that what was just written is not there.
 *
 * @throws RegistryError the refusal; `unavailable` when it is not sure.
 */
export async function throwIfStillRefused(
  refuses: () => Refusal | undefined,
  log: Pick<DurableLog<never, unknown>, "readIndex">,
): Promise<void> {
  await log.readIndex();
  const refused = refuses();
  if (refused !== undefined) throw new RegistryError(refused.failure, refused.message);
}
