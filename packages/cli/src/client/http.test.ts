import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { CliError } from "../failure.ts";
import { Http, NoAnswer } from "./http.ts";
import { probe, serverUrl } from "./probe.ts";

async function answering(context: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return `http://127.0.0.1:${address.port}`;
}

function callerOf(base: string, attemptsMax = 4) {
  const waits: number[] = [];
  const caller = { base, attemptsMax, timeoutMs: 1000, wait: async (ms: number) => void waits.push(ms) };
  return { caller, waits, http: new Http(caller) };
}

describe("a call", () => {
  test("is repeated with doubled pauses while failures may pass", async (context) => {
    let calls = 0;
    const base = await answering(context, (request, response) => {
      calls++;
      if (calls === 1) request.socket.destroy();
      else response.writeHead(calls < 4 ? 503 : 200).end("done");
    });
    const { http, waits } = callerOf(base);
    assert.equal((await http.call("GET", "/x")).text, "done");
    assert.deepEqual(waits, [250, 500, 1000]);
  });

  test("that loses a compare-and-set is answered at once, though its status is 500", async (context) => {
    for (const body of ["false", '{"code":20005}', '{"code":5034}']) {
      const base = await answering(context, (_, response) => void response.writeHead(500).end(body));
      const { http, waits } = callerOf(base);
      assert.equal((await http.call("POST", "/x")).status, 500);
      assert.deepEqual(waits, []);
    }
  });

  test("ends with what a server says that keeps failing, and as no answer when it is only busy", async (context) => {
    const status = { now: 500 };
    const base = await answering(context, (_, response) => void response.writeHead(status.now).end("why"));
    assert.equal((await callerOf(base).http.call("GET", "/x")).text, "why");
    status.now = 503;
    await assert.rejects(callerOf(base).http.call("GET", "/x"), NoAnswer);
  });

  test("to a port that speaks another protocol ends with which port to give", async (context) => {
    const server = createTcpServer((socket) => void socket.end("\0\0\u0012\u0004\0\0\0\0\0")).listen(0, "127.0.0.1");
    await once(server, "listening");
    context.after(() => void server.close());
    const { port } = server.address() as AddressInfo;
    await assert.rejects(callerOf(`http://127.0.0.1:${port}`, 1).http.call("GET", "/x"), {
      message: `http://127.0.0.1:${port} answers with something else than HTTP: give the main port of the server, and not the one for gRPC or for members.`,
    });
  });

  test("of a person is made once", async (context) => {
    let calls = 0;
    const base = await answering(context, (_, response) => {
      calls++;
      response.writeHead(503).end("busy");
    });
    assert.equal((await callerOf(base, 1).http.call("GET", "/x")).status, 503);
    assert.equal(calls, 1);
  });

  test("logs in once for many, and again when its token has run out", async (context) => {
    const valid = { token: "t1", logins: 0 };
    const base = await answering(context, (request, response) => {
      if (request.url === "/v3/auth/user/login") {
        valid.logins++;
        response.end(JSON.stringify({ accessToken: valid.token }));
      } else response.writeHead(request.headers.authorization === `Bearer ${valid.token}` ? 200 : 403).end();
    });
    const http = new Http({ ...callerOf(base).caller, username: "u", password: "p" });
    const statuses = async () =>
      (await Promise.all([1, 2, 3].map(() => http.call("GET", "/x")))).map(({ status }) => status);
    assert.deepEqual(await statuses(), [200, 200, 200]);
    assert.equal(valid.logins, 1);
    valid.token = "t2";
    assert.deepEqual(await statuses(), [200, 200, 200]);
    assert.equal(valid.logins, 2);
  });
});

describe("the address of a server", () => {
  test("may leave out http, and is refused when it is none", () => {
    assert.equal(serverUrl("localhost:8848").href, "http://localhost:8848/");
    assert.throws(() => serverUrl("ftp://x"), CliError);
  });

  test("without a path is tried with /nacos, then without; one with a path is taken as it is", async (context) => {
    const asked: string[] = [];
    const base = await answering(context, (request, response) => {
      asked.push(request.url ?? "");
      if (request.url === "/v3/admin/core/state/liveness") response.end('{"code":0}');
      else response.writeHead(404).end();
    });
    const { caller } = callerOf(base, 1);
    const { http, dialect } = await probe(`${base}/`, caller);
    assert.deepEqual([http.base, dialect], [base, "v3"]);
    assert.equal(asked[0], "/nacos/v3/admin/core/state/liveness");
    await assert.rejects(probe(`${base}/other/`, caller), /check the port and the context path/);
  });
});
