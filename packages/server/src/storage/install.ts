import type { Applier } from "./applier.ts";
import { diskFailure } from "./disk-failure.ts";
import type { Files } from "./files.ts";
import type { LogFile } from "./log-file.ts";
import type { Replacing, StateMachine } from "./port.ts";
import { fillStore } from "./restore.ts";
import type { IncomingSnapshot, ReceivedSnapshot } from "./snapshot-transfer.ts";
import type { Snapshots } from "./snapshots.ts";
import type { Replacement, Store } from "./store.ts";
import type { StoreSaver } from "./store-saver.ts";
import { inTurns } from "./turn.ts";

export interface InstallParts<C, R> {
  readonly files: Files;
  readonly machine: StateMachine<C, R>;
  readonly log: LogFile;
  readonly store: Store;
  readonly storePath: string;
  readonly saver: StoreSaver;
  readonly applier: Applier<C, R>;
  readonly snapshots: Snapshots;
}

/**
 * Puts a received snapshot in the place of log, store and machine (L13): fills a transaction of the store and a machine
 * beside the one that serves, then marks the file as the one that counts, switches, and begins the log anew behind it.
 *
 * @throws see `Storage.install`.
 */
export async function installSnapshot<C, R>(incoming: IncomingSnapshot, parts: InstallParts<C, R>): Promise<void> {
  const { log, store, saver, applier, snapshots } = parts;
  const received = await incoming.complete();
  const { mark, bytes } = received;
  await snapshots.without(async () => {
    const replacement = store.replace();
    await applier.replace(async () => {
      await switchState(received, replacement, parts);
      saver.replaced();
      return store.mark;
    });
    try {
      await log.restartAfter(mark.index);
      await received.finish();
    } catch (thrown) {
      // A start would drop what was appended from now on.
      log.stop(`snapshot ${mark.index} could not be put in its place`, thrown);
      throw diskFailure(`snapshot ${mark.index} cannot be put in the place of the log`, thrown);
    }
    await remove(replacement, saver);
    return { ...mark, bytes };
  });
}

/** The old state or the new one, in store and machine alike, is what is there when this ends. */
async function switchState<C, R>(
  received: ReceivedSnapshot,
  next: Replacement,
  { files, machine, log, storePath, saver }: InstallParts<C, R>,
): Promise<void> {
  const { mark } = received;
  let isBegun = false;
  try {
    await saver.perform(next.removals());
    next.begin();
    await fillStore(files, received.path, next, () => saver.wrote());
    await saver.perform(next.indexes());
    const replacing = machine.replace();
    await give(replacing, next);
    await inTurns(next.prepare());
    isBegun = true;
    await received.begin();
    await replacing.finish(mark.index, () => next.commit(mark));
  } catch (thrown) {
    await remove(next, saver);
    await received.giveUp().catch((failed: unknown) => {
      if (isBegun) log.stop(`snapshot ${mark.index} could be neither used nor removed`, failed);
    });
    throw diskFailure(`the store ${storePath} cannot take snapshot ${mark.index}`, thrown);
  }
}

/** What is left over is in nobody's way, and the next replacement tries again. */
async function remove(replacement: Replacement, saver: StoreSaver): Promise<void> {
  await saver.perform(replacement.removals()).catch(() => {});
}

/** Gives a machine what the store will hold, as a start would. */
async function give(replacing: Replacing, next: Replacement): Promise<void> {
  function* rows(): Generator<undefined, void> {
    for (const row of next.rows()) {
      replacing.row(row);
      yield;
    }
  }
  await inTurns(rows());
  for await (const head of next.heads()) replacing.config(head);
  for await (const staged of next.staged()) replacing.staged(staged);
}
