import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { Group } from "./group.fixture.ts";

const FOLDER = new URL("transcripts/", import.meta.url);
/** Small, so that a page shows windows, pieces and chunks. */
const OPTIONS = { messageBytesMax: 40, messageEntriesMax: 4, messagesInFlightMax: 2, chunkBytes: 100 };

/** Lines of a script begin with `>`, or `#` for what people should know; the rest is what must come of them. */
describe("the script of a transcript gives what it says:", () => {
  for (const name of readdirSync(FOLDER).sort())
    test(name.replace(".txt", ""), () => {
      const file = new URL(name, FOLDER);
      const text = readFileSync(file, "utf8");
      const told = tell(text);
      if (process.env.UPDATE === "1") writeFileSync(file, told);
      else assert.equal(text, told, "UPDATE=1 writes what it gives now, to be read as a diff");
    });
});

function tell(text: string): string {
  const group = new Group(OPTIONS);
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) lines.push(...(lines.at(-1)?.startsWith("#") === false ? [""] : []), line);
    if (!line.startsWith("> ")) continue;
    lines.push(line, ...group.run(line.slice(2)).map((told) => `  ${told}`));
  }
  return `${lines.join("\n")}\n`;
}
