import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { TestHttp } from "../../naming/http.fixture.ts";
import { type Answer, text } from "./answers.ts";
import type { Route } from "./route.ts";
import { plain } from "./rows.ts";

const HOST = "127.0.0.1";
const IDLE_MS = 5_000;
const LATE_MS = 60_000;
const REQUEST = "GET /now HTTP/1.1\r\nHost: x\r\n\r\n";

let http: TestHttp | undefined;
afterEach(() => http?.close());

/** A client that keeps its half of a connection open until it is told to end it, and whatever it is sent. */
class Client {
  readonly socket: Socket;
  received = "";
  /** The connection's end as the client sees it: in order, or reset. */
  readonly ended: Promise<string>;

  constructor(port: number) {
    this.socket = connect({ port, host: HOST, allowHalfOpen: true }).setEncoding("latin1");
    this.socket.on("data", (text: string) => {
      this.received += text;
    });
    this.ended = new Promise((resolve) => {
      this.socket.once("end", () => resolve("in order")).once("error", ({ message }) => resolve(message));
    });
  }

  async answer(): Promise<string> {
    while (!this.received.includes("\r\n\r\n")) await once(this.socket, "data");
    return this.received;
  }

  /** One answer over a connection that stays open. */
  async asks(): Promise<void> {
    this.socket.write(REQUEST);
    assert.match(await this.answer(), /^HTTP\/1\.1 200 (?!.*connection: close)/s);
    this.received = "";
  }
}

function served(more: readonly Route[] = []) {
  let calls = 0;
  const now = plain("/now", () => {
    calls++;
    return text("x");
  });
  http = new TestHttp({}, () => [now, ...more]);
  const { server, clock } = http;
  return { server, clock, calls: () => calls, port: server.listen({ port: 0, host: HOST }) };
}

/** A call that is answered when the test says so. */
function held() {
  const begun = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Answer>();
  const route = plain("/slow", () => {
    begun.resolve();
    return answer.promise;
  });
  return { begun: begun.promise, answer, route };
}

const LAST_ANSWER = /^HTTP\/1\.1 200 .*connection: close\r\n/is;

describe("a port whose server leaves", () => {
  test("serves as before, and says with each answer that it is the last one of its connection", async () => {
    const { server, port } = served();
    const client = new Client(await port);
    await client.asks();
    server.leave();
    client.socket.write(REQUEST);
    assert.match(await client.answer(), LAST_ANSWER);
    assert.equal(await client.ended, "in order");
    client.socket.end();
    const another = new Client(await port);
    another.socket.write(REQUEST);
    assert.match(await another.answer(), LAST_ANSWER);
    another.socket.end();
  });
});

describe("a port that retires", () => {
  test("answers the call that is under way as before, as the last one, and refuses connections", async () => {
    const slow = held();
    const { server, port } = served([slow.route]);
    const client = new Client(await port);
    client.socket.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    await slow.begun;
    const retired = server.retire(0, LATE_MS);
    await refuses(await port);
    slow.answer.resolve(text("done"));
    assert.match(await client.answer(), LAST_ANSWER);
    assert.equal(await client.ended, "in order");
    client.socket.end();
    await retired;
  });

  test("answers all who had connected before, although it had not come to take their connections", async () => {
    const { server, port } = served();
    const listening = await port;
    const clients = Array.from({ length: 50 }, () => new Client(listening));
    for (const { socket } of clients) socket.write(REQUEST);
    // The system completes connections in the turn in which they are asked for.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    const retired = server.retire(0, LATE_MS);
    for (const client of clients) {
      assert.equal(await client.ended, "in order");
      assert.match(client.received, LAST_ANSWER);
      client.socket.end();
    }
    await retired;
  });

  test("answers over idle connections until they have been idle for long, and then ends them", async () => {
    const { server, clock, calls, port } = served();
    const [used, idle, late] = [new Client(await port), new Client(await port), new Client(await port)];
    await Promise.all([used.asks(), idle.asks(), late.asks()]);
    const retired = server.retire(IDLE_MS, LATE_MS);
    await refuses(await port);
    clock.advance(IDLE_MS - 1);
    used.socket.write(REQUEST);
    assert.match(await used.answer(), LAST_ANSWER);
    used.socket.end();
    late.socket.write(REQUEST);
    clock.advance(1);
    assert.match(await late.answer(), LAST_ANSWER);
    late.socket.end();
    assert.deepEqual([await idle.ended, idle.received, calls()], ["in order", "", 5]);
    idle.socket.end();
    await retired;
  });

  test("does nothing of what crosses the end of an idle connection, and does not reset it", async () => {
    const { server, clock, calls, port } = served();
    const client = new Client(await port);
    await client.asks();
    const retired = server.retire(IDLE_MS, LATE_MS);
    await refuses(await port);
    clock.advance(IDLE_MS);
    assert.equal(await client.ended, "in order");
    const failed = once(client.socket, "error").then(([error]) => Promise.reject(error));
    client.socket.end(REQUEST);
    await Promise.race([once(client.socket, "close"), failed]);
    await retired;
    assert.equal(calls(), 1);
  });

  test("waits no longer than it may for calls", async () => {
    const slow = held();
    const { server, clock, port } = served([slow.route]);
    const client = new Client(await port);
    client.socket.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    await slow.begun;
    const retired = server.retire(0, LATE_MS);
    await refuses(await port);
    clock.advance(LATE_MS);
    await retired;
    assert.equal(client.received, "");
    slow.answer.resolve(text("late"));
    await client.ended;
    client.socket.end();
  });
});

describe("a port that closes", () => {
  test("refuses what comes over a connection that was idle until then, and ends it in order", async () => {
    const { server, calls, port } = served();
    const client = new Client(await port);
    await client.asks();
    client.socket.write(REQUEST);
    const closed = server.close(LATE_MS);
    assert.match(await client.answer(), /^HTTP\/1\.1 503 .*connection: close\r\n/is);
    assert.equal(await client.ended, "in order");
    client.socket.end();
    await closed;
    assert.equal(calls(), 1);
  });

  test("loses no answer although its client goes on sending", async () => {
    const slow = held();
    const { server, calls, port } = served([slow.route]);
    const client = new Client(await port);
    client.socket.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    await slow.begun;
    const closed = server.close(LATE_MS);
    slow.answer.resolve(text("x".repeat(100_000)));
    while (client.received.length < 100_000) {
      client.socket.write(REQUEST);
      await turn();
    }
    assert.equal(await client.ended, "in order");
    for (let i = 0; i < 10; i++) {
      client.socket.write(REQUEST);
      await turn();
    }
    client.socket.end();
    await closed;
    assert.deepEqual([client.received.split("HTTP/1.1").length, calls()], [2, 0]);
  });

  test("waits a second for a client to end its half", async () => {
    const { server, clock, port } = served();
    const client = new Client(await port);
    await client.asks();
    const closed = server.close(LATE_MS);
    assert.equal(await client.ended, "in order");
    const gone = closed.then(() => true);
    for (let turns = 0; turns < 10; turns++) assert.equal(await Promise.race([gone, turn(false)]), false);
    clock.advance(1000);
    await closed;
    client.socket.destroy();
  });
});

/** Gives the port the turns of the event loop in which it shuts, and sees that it has. */
async function refuses(port: number): Promise<void> {
  for (let turns = 0; turns < 10; turns++) await turn();
  const socket = connect(port, HOST);
  const [{ code }] = await once(socket, "error");
  assert.equal(code, "ECONNREFUSED");
}
