import type { Clock } from "../../clock.ts";
import type { Log } from "../../connections/connections.ts";
import type { GroupHandle } from "./group-log.ts";

/** Another leader has to commit something of its own before it changes voters. */
const RETRY_MS = 50;

export interface LeavingGroup {
  readonly clock: Clock;
  readonly log: Log;
  readonly group: Pick<GroupHandle, "group" | "order">;
  readonly self: string;
}

/**
 * Lets another voter lead, if this member does: a stop that is planned costs the others no election timeout. This member
 * stays a voter, and proposes through the other one. Nothing of it is waited for beyond `until` (monotonic).
 */
export async function handOver({ clock, log, group }: LeavingGroup, until: number): Promise<void> {
  const status = group.group;
  if (status?.role !== "leader" || status.configuration.voters.length < 2) return;
  const handed = group.order({ type: "transfer", id: undefined }).catch((thrown: unknown) => {
    log.info({ reason: (thrown as Error).message }, "the leadership could not be handed over");
  });
  await within(clock, until, handed);
}

/** Takes this member out of its group, if others are in it. Nothing is waited for beyond `until` (monotonic). */
export async function leaveGroup(parts: LeavingGroup, until: number): Promise<void> {
  const { clock, log, group, self } = parts;
  for (let reason = "there was no time left"; ; ) {
    const { voters = [], learners = [] } = group.group?.configuration ?? {};
    const isIn = voters.includes(self) || learners.includes(self);
    const hasOthers = voters.some((id) => id !== self);
    if (!isIn || !hasOthers) return;
    if (clock.now() >= until) {
      log.warn(
        { reason },
        "this member could not be taken out of its group; order it at another one: nacre cluster forget",
      );
      return;
    }
    const removed = group.order({ type: "remove", id: self }).then(
      () => true,
      (thrown: unknown) => {
        reason = (thrown as Error).message;
        return false;
      },
    );
    // Its own log may not hear any more that it was taken out.
    if ((await within(clock, until, removed)) === true) return;
    await within(clock, Math.min(until, clock.now() + RETRY_MS), new Promise(() => {}));
  }
}

/** @returns undefined when it took longer. */
async function within<T>(clock: Clock, until: number, work: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = clock.schedule(Math.max(0, until - clock.now()), () => late.resolve(undefined));
  return Promise.race([work, late.promise]).finally(() => timer.cancel());
}
