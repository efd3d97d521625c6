import { writeSync } from "node:fs";
import { nameOf, openConfigs } from "./kill.fixture.ts";
import { BY } from "./member.fixture.ts";

/**
 * Imports that the store's thread writes, and as a program a process that makes one after the other until it is killed:
 * `<folder> <round>`. Each is announced on stdout before it is asked for (`?`) and when it is acknowledged (`!`).
 */

/** More than the server writes itself. */
export const IMPORTED = 1_100;

async function importUntilKilled(directory: string, round: number): Promise<never> {
  const { configs } = await openConfigs(directory);
  for (let count = 1; ; count += 1) {
    const content = `round ${round}, import ${count}`;
    writeSync(1, `?${content}\n`);
    const items = Array.from({ length: IMPORTED }, (_, at) => ({ name: nameOf(`item.${at}`), content, fields: {} }));
    await configs.importAll(items, "OVERWRITE", BY);
    writeSync(1, `!${content}\n`);
  }
}

const [, program, directory, round] = process.argv;
if (program === import.meta.filename && directory !== undefined) await importUntilKilled(directory, Number(round));
