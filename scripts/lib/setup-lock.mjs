// Plain JavaScript, as what uses it: on a fresh clone it runs on whatever Node the machine has.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const OVER = "over";
const BEAT_MS = 1000;
/** A process that has been killed beats no more. Long enough for a machine that is very busy. */
const STALE_MS = 15_000;
const LOOK_MS = 100;

/**
 * Runs `work` where `isDone` is false, in one process at a time: who comes meanwhile waits, and finds it done then.
 *
 * Each turn is a file with a number of its own, and the highest counts: nobody who takes the turn of a killed process can
 * remove that of somebody who was faster. A turn is held for as long as its file is touched and does not say that it is
 * over. Process ids would not do: they are used again, and containers have their own.
 *
 * @param folder  holds the turns, and nothing else.
 * @param waiting  called once when somebody else has the turn.
 */
export async function inTurn(folder, isDone, work, waiting) {
  let told = false;
  for (;;) {
    const newest = newestIn(folder);
    if (!isHeld(folder, newest)) {
      if (isDone()) return;
      if (take(folder, newest + 1)) return hold(folder, newest + 1, work);
    } else if (!told) {
      told = true;
      waiting();
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function hold(folder, number, work) {
  const path = join(folder, String(number));
  const end = () => writeFileSync(path, OVER);
  const beat = setInterval(() => utimesSync(path, new Date(), new Date()), BEAT_MS);
  process.once("exit", end);
  try {
    for (const older of numbersIn(folder)) if (older < number) rmSync(join(folder, String(older)), { force: true });
    await work();
  } finally {
    clearInterval(beat);
    process.off("exit", end);
    end();
  }
}

function take(folder, number) {
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(join(folder, String(number)), "", { flag: "wx" });
  } catch (thrown) {
    if (thrown.code === "EEXIST") return false;
    throw thrown;
  }
  // Who looked long ago may have taken a number that was removed since.
  return newestIn(folder) === number;
}

function isHeld(folder, number) {
  const path = join(folder, String(number));
  try {
    return readFileSync(path, "utf8") !== OVER && Date.now() - statSync(path).mtimeMs < STALE_MS;
  } catch (thrown) {
    // No turn yet, or a newer one has removed this: the next look shows it.
    if (thrown.code === "ENOENT") return number !== newestIn(folder);
    throw thrown;
  }
}

function newestIn(folder) {
  return Math.max(0, ...numbersIn(folder));
}

/** Nothing is written before there is something to do: a clone may be read-only. */
function numbersIn(folder) {
  return existsSync(folder) ? readdirSync(folder).map(Number).filter(Number.isSafeInteger) : [];
}
