import { createServer, type IncomingMessage } from "node:http";
import type { TestContext } from "node:test";
import { listening } from "./listening.fixture.ts";

export interface Passing {
  /** Without a context path. */
  readonly url: string;
  /** How often each `METHOD /path` was asked for. */
  readonly calls: Record<string, number>;
}

/** What becomes of a call: `pass`, `lose` its answer on the way back, or a status that is answered instead. */
export type Fate = "pass" | "lose" | number;

/**
 * A server that passes calls on to another one and counts them.
 *
 * @param meanwhile  runs before a call is passed on, and says what becomes of it.
 */
export async function passing(
  context: TestContext,
  to: string,
  meanwhile: (call: string) => Promise<Fate> = async () => "pass",
): Promise<Passing> {
  const { origin } = new URL(to);
  const calls: Record<string, number> = {};
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const { method = "", url = "" } = request;
    const call = `${method} ${url.replace(/^\/nacos/, "").replace(/\?.*/s, "")}`;
    calls[call] = (calls[call] ?? 0) + 1;
    const fate = await meanwhile(call);
    if (typeof fate === "number") return void response.writeHead(fate).end();
    const headers = Object.entries(request.headers).filter(([name]) => /^(content-type|casmd5|betaips)$/.test(name));
    const passed = await fetch(`${origin}${url}`, {
      method,
      headers: headers.map(([name, value]): [string, string] => [name, String(value)]),
      ...(body.length > 0 && { body: new Uint8Array(body) }),
    });
    const text = await passed.text();
    if (fate === "lose") return void request.socket.destroy();
    response.writeHead(passed.status, { "Content-Type": passed.headers.get("Content-Type") ?? "" }).end(text);
  });
  return { url: await listening(context, server), calls };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
