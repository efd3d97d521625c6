import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { IN_MEMORY, type RunningServer, startServer } from "@nacre/server";
import { nacre, nacreBytes } from "../run.fixture.ts";
import { md5Of } from "./v1.ts";

let server: RunningServer;
let url: string;
let folder: string;
/** The form of the last PUT. */
let put = new URLSearchParams();
/** In front of a server: what is older than version 3 of the API goes through, the rest is not there. */
const old = createServer(async (request, response) => {
  if (/^\/nacos\/v3\//.test(request.url ?? "")) return response.writeHead(404).end('{"status":404}');
  const body = await new Response(request as unknown as ReadableStream).arrayBuffer();
  const headers = new Headers(request.headers as Record<string, string>);
  for (const name of ["host", "connection", "content-length", "transfer-encoding", "expect"]) headers.delete(name);
  const method = request.method ?? "GET";
  if (method === "PUT") put = new URLSearchParams(Buffer.from(body).toString());
  const address = new URL(request.url ?? "", server.url);
  const answer = await fetch(address, { method, headers, ...(body.byteLength > 0 && { body }) });
  response.writeHead(answer.status, { "Content-Type": answer.headers.get("Content-Type") ?? "text/plain" });
  return response.end(Buffer.from(await answer.arrayBuffer()));
});

before(async () => {
  server = await startServer({ port: 0, dataDir: IN_MEMORY, bindAddress: "127.0.0.1", logLevel: "error" });
  await server.ready();
  folder = await mkdtemp(join(tmpdir(), "nacre-cli-"));
  old.listen(0, "127.0.0.1");
  await once(old, "listening");
  const address = old.address();
  assert.ok(address !== null && typeof address === "object");
  url = `127.0.0.1:${address.port}`;
});
after(async () => {
  old.closeAllConnections();
  old.close();
  await server.stop(0);
  await rm(folder, { recursive: true, force: true });
});

const ask = (...argv: string[]) => nacre([...argv, "--server", url]);

async function done(...argv: string[]): Promise<string> {
  const { code, out, err } = await ask(...argv);
  assert.equal(code, 0, err);
  return out;
}

const json = async (...argv: string[]) => JSON.parse(await done(...argv, "--json"));

describe("a server without version 3 of the API", () => {
  test("has namespaces", async () => {
    await done("namespace", "create", "dev", "--name", "Dev");
    await done("namespace", "update", "dev", "--desc", "for trying");
    const { items } = await json("namespace", "ls");
    assert.deepEqual(
      items.map(({ id, name, description }: Record<string, string>) => [id, name, description]),
      [
        ["public", "public", "Default Namespace"],
        ["dev", "Dev", "for trying"],
      ],
    );
    assert.equal((await ask("namespace", "create", "dev")).code, 1, "it answers 200 and false");
    await done("namespace", "rm", "dev");
  });

  test("has configurations, their list, their gray versions and their zip", async () => {
    await done("config", "set", "a.yaml", "a: 1", "--desc", "what for", "--tags", "x");
    await done("config", "set", "a.yaml", "a: 2");
    const { description, tags, content, type } = await json("config", "get", "a.yaml");
    assert.deepEqual([description, tags, content, type], ["what for", "x", "a: 2", "yaml"]);
    await done("config", "set", "b.json", "{}", "--app", "shop");
    const names = async (...argv: string[]) =>
      (await json("config", "ls", ...argv)).items.map(({ dataId }: { dataId: string }) => dataId);
    assert.deepEqual(await names(), ["a.yaml", "b.json"]);
    assert.deepEqual(await names("--app", "shop"), ["b.json"]);
    assert.deepEqual(await names("--data-id", "*.yaml"), ["a.yaml"]);
    assert.deepEqual(await names("--search", "a: 2"), ["a.yaml"]);
    const lost = await ask("config", "set", "a.yaml", "3", "--if-md5", md5Of("other"));
    assert.match(lost.err, /holds another version of a\.yaml/);
    await done("config", "set", "a.yaml", "b", "--beta-ips", "10.0.0.1");
    await done("config", "rm", "a.yaml", "--beta");
    const { bytes } = await nacreBytes(["config", "export", "--server", url]);
    const zip = join(folder, "configs.zip");
    await writeFile(zip, bytes);
    assert.equal((await json("config", "import", zip, "--policy", "overwrite")).succeeded, 2);
    await done("config", "rm", "b.json");
    assert.equal((await ask("config", "get", "b.json")).code, 3);
  });

  test("is rolled back by publishing what a history row holds, or by removing what it made", async () => {
    await done("config", "set", "h", "1", "--desc", "kept");
    await done("config", "set", "h", "2");
    const [changed, made] = (await json("config", "history", "h")).items.map(({ nid }: { nid: string }) => nid);
    const nameless = await ask("config", "rollback", changed);
    assert.deepEqual([nameless.code, /rollback \d+ <dataId>/.test(nameless.err)], [2, true]);
    const lost = await ask("config", "rollback", changed, "h", "--if-md5", md5Of("other"));
    assert.deepEqual([lost.code, /holds another version of h than/.test(lost.err)], [1, true]);
    await done("config", "rollback", changed, "h");
    const { content, description } = await json("config", "get", "h");
    assert.deepEqual([content, description], ["1", "kept"]);
    assert.equal((await ask("config", "diff", "h", changed)).code, 0);
    await done("config", "rollback", made, "h");
    assert.equal((await ask("config", "get", "h")).code, 3);
  });

  test("is not rolled back to a content that it shows decrypted, under the key of the encrypted one", async (context) => {
    const row = {
      id: "7",
      dataId: "cipher-a",
      group: "DEFAULT_GROUP",
      opType: "U",
      content: "secret",
      md5: md5Of("x9f="),
    };
    const published: string[] = [];
    const decrypting = createServer((request, response) => {
      const path = request.url ?? "";
      if (path.startsWith("/nacos/v3/")) return response.writeHead(404).end();
      if (path.startsWith("/nacos/v1/console/")) return response.end('{"code":200,"data":[]}');
      if (request.method === "POST") published.push(path);
      return response.end(JSON.stringify({ ...row, encryptedDataKey: "key-1" }));
    }).listen(0, "127.0.0.1");
    await once(decrypting, "listening");
    context.after(() => {
      decrypting.closeAllConnections();
      decrypting.close();
    });
    const address = decrypting.address();
    assert.ok(address !== null && typeof address === "object");
    const { code, err } = await nacre(["config", "rollback", "7", "cipher-a", "--server", `127.0.0.1:${address.port}`]);
    assert.deepEqual([code, /gives row 7 decrypted only/.test(err), published], [1, true, []]);
  });

  test("has no dry run, no validation and no journal, and nothing is published by asking", async () => {
    for (const flag of ["--dry-run", "--validate"]) {
      const { code, err } = await ask("config", "set", "dry", "1", flag);
      assert.deepEqual([code, /has neither --dry-run nor --validate/.test(err)], [1, true]);
    }
    assert.equal((await ask("config", "get", "dry")).code, 3);
    assert.match((await ask("service", "why", "x")).err, /keeps no journal of causes: only Nacre answers why/);
  });

  test("has services and instances", async () => {
    await done("instance", "register", "orders", "10.0.0.1:80", "--weight", "2", "--metadata", "zone=a");
    await done("instance", "offline", "orders", "10.0.0.1:80");
    const [held] = (await json("service", "instances", "orders")).items;
    assert.deepEqual([held.enabled, held.weight, held.metadata], [false, 2, { zone: "a" }]);
    // Nacos sets what a PUT leaves out to its default.
    assert.deepEqual([put.get("enabled"), put.get("weight"), put.get("metadata")], ["false", "2", '{"zone":"a"}']);
    await done("instance", "online", "orders", "10.0.0.1:80");
    assert.equal((await json("service", "ls")).items[0].instances, 1);
    await done("service", "show", "orders");
    await done("instance", "deregister", "orders", "10.0.0.1:80");
    assert.equal((await ask("instance", "offline", "orders", "10.0.0.1:80")).code, 3);
    assert.equal((await ask("service", "show", "none")).code, 3);
  });
});
