import { writeSync } from "node:fs";
import { ConfigRegisterMachine } from "@nacre/testkit/config-registers";
import { put } from "@nacre/testkit/log-suite";
import { openDurableLog } from "./durable-log.ts";

/**
 * Writes until it is killed: `<data folder> <round>`. Each acknowledged command is one line `<index> <key> <value>` on
 * stdout, written synchronously after the answer, so that a line that was read is a command that was acknowledged.
 */
const [directory = "", round = ""] = process.argv.slice(2);
const WRITERS = 24;

const log = await openDurableLog({
  directory,
  machine: new ConfigRegisterMachine(),
  limits: { segmentBytes: 8 * 1024, snapshotLogBytes: 20 * 1024, batchEntriesMax: 8 },
});

async function write(writer: number): Promise<never> {
  for (let count = 1; ; count += 1) {
    const key = `${round}/${writer}/${count}`;
    const { index } = await log.propose(put(key, `${round}/${writer}`));
    print(`${index} ${key}\n`);
  }
}

/** The pipe does not block, so that a full one is tried again until the reader has made room. */
function print(line: string): void {
  const bytes = Buffer.from(line);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (thrown) {
      if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EAGAIN")) throw thrown;
    }
  }
}

await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
