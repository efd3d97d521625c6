import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { TestContext } from "node:test";

/** What a scripted server was asked, as `POST /path?query body`. */
export interface Scripted {
  /** What `--server` takes. */
  readonly server: string;
  readonly asked: string[];
}

/**
 * A server that answers like version 3, and the calls whose path ends so with this data.
 *
 * @param answers  by the end of the path; a number stands for a status with a sentence.
 */
export async function scripted(
  context: TestContext,
  answers: Readonly<Record<string, unknown>>,
  statuses: Readonly<Record<string, number>> = {},
): Promise<Scripted> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => {
      const path = request.url?.split("?")[0] ?? "";
      const key = Object.keys(answers).find((end) => path.endsWith(end));
      if (key !== undefined) asked.push(`${request.method} ${request.url?.replace("/nacos", "")} ${body}`.trim());
      const status = key === undefined ? 200 : (statuses[key] ?? 200);
      response.writeHead(status, { "Content-Type": "application/json" });
      const data = key === undefined ? "ok" : answers[key];
      response.end(JSON.stringify({ code: status === 200 ? 0 : 30000, message: "as told", data }));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return { server: `127.0.0.1:${address.port}`, asked };
}
