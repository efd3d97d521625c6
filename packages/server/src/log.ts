import { type DestinationStream, destination, type Logger, pino } from "pino";
import type { Options } from "./options.ts";
import { VERSION } from "./version.ts";

/**
 * The log of a server, on standard error: standard output is for the lines that people read at start. JSON is written
 * in the background, so that a slow terminal or pipe does not hold the event loop.
 */
export function openLog({ logLevel, logFormat }: Pick<Options, "logLevel" | "logFormat">): Logger {
  const settings = {
    level: logLevel,
    base: { version: VERSION },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(settings, logFormat === "text" ? plainText : destination({ dest: 2, sync: false }));
}

/** One line a record for a terminal: time, level, text, and the rest as JSON. */
const plainText: DestinationStream = {
  write(line) {
    const { time, level, msg, version: _, ...rest } = JSON.parse(line) as Record<string, string>;
    const details = Object.keys(rest).length === 0 ? "" : ` ${JSON.stringify(rest)}`;
    process.stderr.write(`${time} ${String(level).toUpperCase().padEnd(5)} ${msg}${details}\n`);
  },
};
