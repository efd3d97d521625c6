import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { describe, type TestContext, test } from "node:test";
import { DurableLoad } from "./durable-load.ts";

const WRITES = 300;
const EQUAL_MAX_MS = 500;

/** What a registry may get wrong. */
type Fault = "losesAcknowledged" | "doesWhatIsNotDone" | "readsOld" | "hidesOwn" | "memberDiffers";

describe("a load of durable changes", () => {
  test("finds nothing wrong with one copy of everything, whatever is not done or unknown", async (context) => {
    assert.deepEqual(await wrongOf(context, undefined), []);
  });

  for (const fault of ["losesAcknowledged", "doesWhatIsNotDone", "readsOld", "hidesOwn", "memberDiffers"] as const)
    test(`finds a registry that ${fault}`, async (context) => {
      const wrong = await wrongOf(context, fault);
      assert.ok(wrong.length > 0, "something is wrong");
    });
});

async function wrongOf(context: TestContext, fault: Fault | undefined): Promise<string[]> {
  const registry = new Registry(fault);
  const servers = await Promise.all(["a", "b"].map((name) => registry.listen(name)));
  context.after(() => {
    for (const { server } of servers) {
      server.close();
      server.closeAllConnections();
    }
  });
  const targets = servers.map(({ name, server }) => ({
    name,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/nacos`,
  }));
  const load = new DurableLoad({ members: () => targets, perSecond: 2000, clients: 4 });
  load.start();
  await registry.changed;
  await load.stop();
  registry.isOver = true;
  return load.verify(targets, EQUAL_MAX_MS);
}

/** One copy of configurations and instances behind two servers, with a fault once in a while. */
class Registry {
  readonly #fault: Fault | undefined;
  readonly #configs = new Map<string, string>();
  readonly #old = new Map<string, string>();
  readonly #instances = new Map<string, Map<string, string>>();
  readonly #enough = Promise.withResolvers<void>();
  isOver = false;
  #reads = 0;
  #writes = 0;

  constructor(fault: Fault | undefined) {
    this.#fault = fault;
  }

  get changed(): Promise<void> {
    return this.#enough.promise;
  }

  async listen(name: string): Promise<{ name: string; server: Server }> {
    const server = createServer(async (request, response) => {
      const [status, code, data] = await this.#answer(name, request);
      // An answer that nobody hears.
      if (status === 0) return void response.destroy();
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ code, data }));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return { name, server };
  }

  async #answer(name: string, request: IncomingMessage): Promise<[status: number, code: number, data: unknown]> {
    const url = new URL(request.url ?? "", "http://127.0.0.1");
    const body = new URLSearchParams(await text(request));
    const param = (key: string) => body.get(key) ?? url.searchParams.get(key) ?? "";
    if (request.method === "GET") {
      if (url.pathname.endsWith("/instance/list")) return [200, 0, this.#listed(param("serviceName"))];
      return this.#config(name, param("dataId"), url.searchParams.has("consistency"));
    }
    if (++this.#writes === WRITES) this.#enough.resolve();
    const isRefused = this.#writes % 25 === 10;
    if (this.#fault === "losesAcknowledged" && isRefused) return [200, 0, true];
    // Every one is done or is not, and clients are told the truth, or nothing.
    if (isRefused && this.#fault === undefined) return [503, 30000, "not done"];
    const isDone = this.#change(request, param);
    if (this.#fault === "doesWhatIsNotDone" && isRefused) return [503, 30000, "not done"];
    if (this.#writes % 25 === 0) return [0, 0, undefined];
    return isDone ? [200, 0, true] : [500, 20005, "another content"];
  }

  #config(name: string, dataId: string, isLinearizable: boolean): [number, number, unknown] {
    const newest = this.#configs.get(dataId);
    const content =
      this.#fault === "readsOld" && isLinearizable && ++this.#reads % 5 === 0
        ? this.#old.get(dataId)
        : this.#fault === "hidesOwn" && dataId.includes("own") && !this.isOver
          ? this.#old.get(dataId)
          : this.#fault === "memberDiffers" && this.isOver && name === "b"
            ? `${newest}?`
            : newest;
    return content === undefined ? [404, 20004, "no such config"] : [200, 0, { content }];
  }

  #change(request: IncomingMessage, param: (key: string) => string): boolean {
    if (request.url?.includes("/cs/config") === true) return this.#publish(param, request.headers.casmd5);
    const service = param("serviceName");
    const instances = this.#instances.get(service) ?? new Map<string, string>();
    this.#instances.set(service, instances);
    const address = `${param("ip")}:${param("port")}`;
    if (request.method === "DELETE") instances.delete(address);
    else instances.set(address, (JSON.parse(param("metadata")) as { value: string }).value);
    return true;
  }

  #publish(param: (key: string) => string, md5: string | string[] | undefined): boolean {
    const before = this.#configs.get(param("dataId"));
    const held = before === undefined ? "" : createHash("md5").update(before).digest("hex");
    if (md5 !== undefined && md5 !== held) return false;
    if (before !== undefined) this.#old.set(param("dataId"), before);
    this.#configs.set(param("dataId"), param("content"));
    return true;
  }

  #listed(service: string): object[] {
    return [...(this.#instances.get(service) ?? [])].map(([address, value]) => {
      const [ip, port] = address.split(":");
      return { ip, port: Number(port), metadata: { value } };
    });
  }
}
