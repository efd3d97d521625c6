import type { Log } from "../connections/connections.ts";
import type { SetLogLevel } from "../naming/operations.ts";

/** A log whose least severity can be changed while it runs, as pino's can. */
export interface LeveledLog extends Log {
  level: string;
}

/**
 * Sets the level of the log. There is one log, so it changes whatever name is given: whoever asks for the details of
 * `naming-push` gets them, among others.
 */
export function levelSetter(log: LeveledLog): SetLogLevel {
  return (logName, wanted) => {
    const [before, level] = [log.level, wanted === "off" ? "silent" : wanted];
    const said = { before, after: level, logName: logName.slice(0, 128) };
    // Said while the louder of the two levels holds, so that the log itself shows why it went quiet.
    if (level === "silent" || level === "error") log.warn(said, "the log level was changed");
    log.level = level;
    if (level !== "silent" && level !== "error") log.warn(said, "the log level was changed");
  };
}
