import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";

const FOLDER = new URL("../../", import.meta.url);
const readme = readFileSync(new URL("README.md", FOLDER), "utf8");
const examples = Array.from(readme.matchAll(/```ts\n(.*?)```/gs), ([, code]) => code as string);

/** Runs an example as it is written, but on another port. */
function running(t: TestContext, example: string | undefined, port: string) {
  assert.match(example ?? "", /port: 50051/);
  const code = (example ?? "").replace("port: 50051", `port: ${port}`);
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", code], {
    cwd: FOLDER,
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill());
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

test("the examples of the README talk to each other, and the client's ends", { timeout: 30_000 }, async (t) => {
  const server = running(t, examples[0], "0");
  const line = await server.lines.next();
  const port = /^listening on port ([0-9]+)$/.exec(line.value ?? "")?.[1];
  assert.ok(port !== undefined, `${line.value}`);

  const client = running(t, examples[1], port);
  const said: string[] = [];
  const exited = once(client.child, "exit");
  for (let next = await client.lines.next(); !next.done; next = await client.lines.next()) said.push(next.value);
  assert.deepEqual(said, ["Hello you", "hi", "0  goodbye"]);
  assert.deepEqual(await exited, [0, null]);
  assert.equal((await server.lines.next()).value, "the chat ended: completed");
});
