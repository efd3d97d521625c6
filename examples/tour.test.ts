import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { IN_MEMORY, startServer } from "@nacre/server";

test("the tour of the README shows a registration, its push and its end", async (t) => {
  const server = await startServer({ port: 0, dataDir: IN_MEMORY, bindAddress: "127.0.0.1", logLevel: "error" });
  t.after(() => server.stop(0));
  const tour = fileURLToPath(new URL("tour.ts", import.meta.url));
  const ran = await promisify(execFile)(process.execPath, [tour, `127.0.0.1:${server.httpPort}`]);
  assert.match(ran.stdout, /pushed: 10\.0\.0\.1:8080 \(weight 1\), 10\.0\.0\.2:8080 \(weight 3\)/);
  assert.match(ran.stdout, /the consumer would call 10\.0\.0\.[12]/);
  assert.match(ran.stdout, /pushed: nobody\ndone\n$/);
});
