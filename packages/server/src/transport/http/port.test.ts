import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, test } from "node:test";
import { TestHttp } from "../../naming/http.fixture.ts";
import { type Answer, text } from "./answers.ts";
import type { HttpServerSetup } from "./http-server.ts";
import type { Route } from "./route.ts";
import { plain } from "./rows.ts";
import { exchange } from "./wire.fixture.ts";

let http: TestHttp | undefined;
afterEach(() => http?.close());

function serving(routes: readonly Route[], some: Partial<HttpServerSetup> = {}): TestHttp {
  http = new TestHttp(some, () => routes);
  return http;
}

describe("a call that waits", () => {
  const local = { port: 0, host: "127.0.0.1" };
  const aborted = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });

  test("is told when its caller has gone", async () => {
    const parked = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const { server } = serving([
      plain("/wait", async (_params, { cut }) => {
        parked.resolve();
        await aborted(cut);
        gone.resolve();
        return text("");
      }),
    ]);
    const port = await server.listen(local);
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    await parked.promise;
    socket.destroy();
    await gone.promise;
  });

  test("is told when the port closes, and its answer closes the connection", async () => {
    const parked = Promise.withResolvers<void>();
    const { server } = serving([
      plain("/wait", async (_params, { cut }) => {
        parked.resolve();
        await aborted(cut);
        return text("over");
      }),
    ]);
    const port = await server.listen(local);
    const answered = fetch(`http://127.0.0.1:${port}/wait`);
    await parked.promise;
    const closed = server.close(60_000);
    const answer = await answered;
    assert.deepEqual([await answer.text(), answer.headers.get("connection")], ["over", "close"]);
    await closed;
  });
});

describe("the port", () => {
  const local = { port: 0, host: "127.0.0.1" };
  const answerOf = (url: string, agent: Agent) =>
    new Promise<number>((resolve, reject) => {
      get(url, { agent }, (response) => {
        response.resume().once("end", () => resolve(response.statusCode ?? 0));
      }).once("error", reject);
    });

  test("closes although a client keeps its connection", async () => {
    const { server } = serving([]);
    const port = await server.listen(local);
    const agent = new Agent({ keepAlive: true });
    assert.equal(await answerOf(`http://127.0.0.1:${port}/nacos/v1/ns/operator/metrics`, agent), 200);
    await server.close(0);
    agent.destroy();
  });

  test("lets a call finish that runs when it closes, and ends it once the grace is over", async () => {
    const running = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const answer = Promise.withResolvers<Answer>();
    const hold = (which: number, held: Promise<Answer>) => () => {
      running[which]?.resolve();
      return held;
    };
    const never = new Promise<Answer>(() => {});
    const { server, clock } = serving([plain("/slow", hold(0, answer.promise)), plain("/stuck", hold(1, never))]);
    const port = await server.listen(local);
    const agent = new Agent();
    const slow = answerOf(`http://127.0.0.1:${port}/slow`, agent);
    const stuck = answerOf(`http://127.0.0.1:${port}/stuck`, agent).then(
      () => "answered",
      () => "ended",
    );
    await Promise.all(running.map(({ promise }) => promise));
    const closed = server.close(1000);
    answer.resolve(text("x"));
    assert.equal(await slow, 200);
    clock.advance(1000);
    assert.equal(await stuck, "ended");
    await closed;
  });

  test("refuses what comes over an open connection once it is closed", async () => {
    const running = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Answer>();
    const { server } = serving([
      plain("/slow", () => {
        running.resolve();
        return answer.promise;
      }),
    ]);
    const port = await server.listen(local);
    const socket = connect(port, "127.0.0.1").setEncoding("latin1");
    let answers = "";
    socket.on("data", (text: string) => {
      answers += text;
    });
    socket.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    await running.promise;
    const closed = server.close(60_000);
    // Connections that run a call are still open, and their clients may write the next one.
    await new Promise(setImmediate);
    const refused = await server.app.inject("/slow");
    assert.deepEqual([refused.statusCode, refused.headers.connection], [503, "close"]);
    answer.resolve(text("x"));
    await Promise.all([closed, once(socket, "close")]);
    assert.match(answers, /^HTTP\/1\.1 200 /);
  });

  test("answers what is no request, and one that is too large, with an error object", async () => {
    const { server } = serving([], { headerBytesMax: 16 * 1024 });
    const port = await server.listen(local);
    for (const [bytes, status, message] of [
      ["garbage\r\n\r\n", 400, "this is no HTTP request"],
      [
        `GET /${"x".repeat(20_000)} HTTP/1.1\r\n`,
        431,
        "the request line and the headers are larger than this server takes",
      ],
    ] as const) {
      const [head = "", body = ""] = (await exchange(port, bytes)).split("\r\n\r\n");
      assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} .*\r\nconnection: close$`, "s"));
      const { status: said, message: why } = JSON.parse(body) as Record<string, unknown>;
      assert.deepEqual([said, why], [status, message]);
    }
  });

  test("takes no more connections of one address than it may", async () => {
    const { server } = serving([], { connectionsPerIpMax: 1 });
    const port = await server.listen(local);
    const first = connect(port, "127.0.0.1");
    await once(first, "connect");
    const second = connect(port, "127.0.0.1");
    await once(second, "close");
    first.destroy();
  });
});
