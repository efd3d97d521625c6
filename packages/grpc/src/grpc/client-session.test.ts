import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConnectionFailure, ErrorCode } from "../http2/protocol.ts";
import type { Methods } from "./call.ts";
import { bareLink, Heard, serverLink } from "./link.fixture.ts";
import { Metadata } from "./metadata.ts";
import { Status, StatusError } from "./status.ts";

const HEAD = { ":status": "200", "content-type": "application/grpc" };

const METHODS: Methods = {
  "/test/Echo": { type: "unary", handle: (message) => message },
  "/test/Bidi": {
    type: "stream",
    open: (call) => ({ message: (message) => call.send(message), halfClosed: () => call.end() }),
  },
};

describe("a connection", () => {
  test("is ready when the peer has greeted", () => {
    const link = bareLink();
    assert.equal(link.ready, false);
    link.run();
    assert.equal(link.ready, true);
  });

  test("survives pings for each message that it sends, as some libraries measure bandwidth", async () => {
    const link = serverLink(METHODS, { limits: { idleFrames: { burst: 5, perSecond: 0 } } });
    for (let round = 0; round < 20; round++) {
      const answer = link.client.unary("/test/Echo", Buffer.from("x"));
      link.toPeer();
      link.peer.connection.sender.frame(6, 0, 0, Buffer.alloc(8));
      link.run();
      await answer;
    }
    assert.equal(link.client.connection.failure, undefined);
  });

  test("may make any number of calls, each of which ends with an empty frame", () => {
    const link = serverLink(METHODS, { server: { idleFrames: { burst: 5, perSecond: 0 } } });
    for (let round = 0; round < 20; round++) {
      link.client.call("/test/Bidi", new Heard()).halfClose();
      link.run();
    }
    assert.equal(link.peer.connection.failure, undefined);
  });
});

describe("a StatusError", () => {
  test("that a method throws arrives with its status, its text and its trailers", async () => {
    const trailers = new Metadata().add("x-rule", "not on Sundays").add("x-detail-bin", Buffer.from([0, 255]));
    const link = serverLink({
      "/test/Refuse": {
        type: "unary",
        handle() {
          throw new StatusError(Status.FAILED_PRECONDITION, "closed today", { trailers });
        },
      },
    });
    const refused = link.client.unary("/test/Refuse", Buffer.alloc(0));
    link.run();

    await assert.rejects(refused, (error: StatusError) => {
      assert.deepEqual([error.status, error.message], [Status.FAILED_PRECONDITION, "closed today"]);
      assert.equal(error.trailers?.get("x-rule"), "not on Sundays");
      assert.deepEqual(error.trailers?.get("x-detail-bin"), Buffer.from([0, 255]));
      return true;
    });
  });
});

describe("calls above the peer's number of streams", () => {
  test("wait, and begin in order when others end", () => {
    const link = serverLink(METHODS, { server: { streamsMax: 1 } });
    link.run();
    const [first, second, third] = [new Heard(), new Heard(), new Heard()];
    const running = link.client.call("/test/Bidi", first);
    const waiting = [link.client.call("/test/Bidi", second), link.client.call("/test/Bidi", third)];
    waiting[0]?.send(Buffer.from("early"));
    for (const call of waiting) call.halfClose();
    link.run();
    assert.equal(link.client.waitingCalls, 2);
    assert.equal(waiting[0]?.queuedBytes, 5);
    assert.deepEqual([...second.news, ...third.news], []);
    running.halfClose();
    link.run();
    assert.deepEqual(
      [first.news, second.news, third.news],
      [
        ["metadata", "OK"],
        ["metadata", "early", "OK"],
        ["metadata", "OK"],
      ],
    );
    assert.equal(link.client.waitingCalls, 0);
  });

  test("are not taken for a path that is none: once they wait, nobody could be told", () => {
    const link = bareLink({ streamsMax: 1 }).run();
    link.client.call("/test/Bidi", new Heard());
    link.client.call("/test/Bidi", new Heard());
    assert.equal(link.client.waitingCalls, 1);
    assert.throws(() => link.client.call("no path", new Heard()), { name: "TypeError", message: /is no path/ });
    assert.equal(link.client.waitingCalls, 1);
  });

  test("end with RESOURCE_EXHAUSTED above the bound", async () => {
    const link = bareLink({ streamsMax: 1, waitingCallsMax: 1 });
    link.run();
    link.client.call("/test/Any", new Heard());
    link.client.call("/test/Any", new Heard());
    const above = link.client.unary("/test/Any", Buffer.alloc(0));
    link.run();
    const message = "1 calls wait already for one of the peer's 1 streams";
    await assert.rejects(above, { status: Status.RESOURCE_EXHAUSTED, message });
  });

  test("may be cancelled and come to their deadline while they wait", () => {
    const link = bareLink({ streamsMax: 1 });
    link.run();
    link.client.call("/test/Any", new Heard());
    const [cancelled, late] = [new Heard(), new Heard()];
    const call = link.client.call("/test/Any", cancelled);
    link.client.call("/test/Any", late, { deadlineMs: 10 });
    call.cancel();
    link.tickAt(10).run();
    assert.deepEqual(cancelled.news, ["CANCELLED: the call was cancelled"]);
    assert.deepEqual(late.news, ["DEADLINE_EXCEEDED: the deadline of the call has passed"]);
    assert.equal(link.client.waitingCalls, 0);
    assert.equal(link.peer.requests.length, 1);
  });

  test("tell the server what is left of their time", () => {
    const link = bareLink({ streamsMax: 1 });
    link.run();
    const first = link.client.call("/test/Any", new Heard());
    link.client.call("/test/Any", new Heard(), { deadlineMs: 100 });
    link.now = 60;
    first.cancel();
    link.run();
    assert.deepEqual(link.peer.requests.at(-1)?.head.fields.slice(0, 2), ["grpc-timeout", "40000u"]);
  });

  test("drain what was sent too early", () => {
    const link = bareLink({ streamsMax: 1, limits: { streamQueuedBytes: 1000, queuedBytesMax: 10_000 } });
    link.run();
    const first = link.client.call("/test/Any", new Heard());
    const [waits, overflows] = [new Heard(), new Heard()];
    const call = link.client.call("/test/Any", waits);
    assert.equal(call.send(Buffer.alloc(1000)), true);
    assert.equal(call.send(Buffer.alloc(1)), false);
    link.client.call("/test/Any", overflows).send(Buffer.alloc(10_001));
    assert.deepEqual(overflows.news, ["RESOURCE_EXHAUSTED: more than 10000 bytes wait for the call to begin"]);
    first.cancel();
    link.run();
    assert.deepEqual(waits.news, ["drained"]);
  });

  test("begin when the peer raises its number", () => {
    const link = bareLink({ streamsMax: 1 });
    link.run();
    link.client.call("/test/Any", new Heard());
    link.client.call("/test/Any", new Heard());
    link.run();
    assert.equal(link.peer.requests.length, 1);
    link.peer.connection.sender.frame(4, 0, 0, Buffer.from([0, 3, 0, 0, 0, 2]));
    link.toClient();
    assert.equal(link.client.waitingCalls, 0);
    assert.equal(link.client.connection.streams.size, 2);
  });
});

describe("GOAWAY", () => {
  test("ends calls above its last one as not processed, and lets the others go on", () => {
    const link = bareLink({ streamsMax: 2 });
    link.run();
    const heard = [new Heard(), new Heard(), new Heard()];
    for (const listener of heard) link.client.call("/test/Any", listener);
    link.run();
    link.peer.connection.sender.control(7, 0, 0, 1, ErrorCode.NO_ERROR);
    link.toClient();
    assert.deepEqual(link.drained, ["the peer takes no more calls: NO_ERROR"]);
    assert.deepEqual(
      heard.map(({ news }) => news),
      [
        [],
        ["UNAVAILABLE: the peer refused the call before it processed any of it"],
        ["UNAVAILABLE: the call was not processed: the peer takes no more calls: NO_ERROR"],
      ],
    );
    const stream = link.peer.requests[0]?.stream;
    assert.ok(stream !== undefined);
    assert.equal(link.client.connection.finished, false);
    link.peer.requests.length = 1;
    link.peer.answer({ ...HEAD, "grpc-status": "0" }, true);
    link.toClient();
    assert.deepEqual(heard[0]?.news, ["OK"]);
    assert.equal(link.client.connection.finished, true);
  });

  test("lets no call begin", () => {
    const link = serverLink(METHODS);
    const running = new Heard();
    const call = link.client.call("/test/Bidi", running);
    link.run();
    link.peer.connection.shutdown(0);
    link.run();
    assert.equal(link.drained.length, 1);
    const late = new Heard();
    link.client.call("/test/Bidi", late);
    assert.deepEqual(late.news, []);
    call.send(Buffer.from("on"));
    call.halfClose();
    link.run();
    assert.deepEqual(late.news, ["UNAVAILABLE: the connection takes no more calls; begin this one on another"]);
    assert.deepEqual(running.news, ["metadata", "on", "OK"]);
  });
});

describe("the end of a connection", () => {
  test("ends every call with UNAVAILABLE, those that wait as not processed", () => {
    const link = bareLink({ streamsMax: 1 });
    link.run();
    const [runs, waits, late] = [new Heard(), new Heard(), new Heard()];
    link.client.call("/test/Any", runs);
    link.client.call("/test/Any", waits);
    link.run();
    link.client.lost("the wire was cut");
    link.client.call("/test/Any", late);
    link.run();
    assert.deepEqual(runs.news, ["UNAVAILABLE: the connection ended before the answer: the wire was cut"]);
    assert.deepEqual(waits.news, ["UNAVAILABLE: the call was not processed: the wire was cut"]);
    assert.deepEqual(late.news, ["UNAVAILABLE: the connection has ended: the wire was cut"]);
    assert.deepEqual(link.drained, [], "a loss is told by the shell");
  });

  test("ends calls for which its peer never had a stream", () => {
    const link = bareLink({ streamsMax: 0 });
    link.run();
    const heard = new Heard();
    link.client.call("/test/Any", heard);
    link.client.lost("the wire was cut");
    assert.deepEqual(heard.news, ["UNAVAILABLE: the call was not processed: the wire was cut"]);
  });

  test("by a fault of the peer says which", () => {
    const link = bareLink();
    const heard = new Heard();
    link.client.call("/test/Any", heard);
    link.run();
    link.peer.connection.sender.control(0, 0, 2, 0);
    link.toClient();
    const text = "DATA on stream 2, which was never opened";
    assert.deepEqual(heard.news, [`UNAVAILABLE: the connection ended before the answer: ${text}`]);
    assert.ok(link.client.connection.failure instanceof ConnectionFailure);
  });

  test("by silence comes after a ping that is not answered", () => {
    const link = bareLink({ keepAlive: { idleMs: 1000, timeoutMs: 500 } });
    const heard = new Heard();
    link.client.call("/test/Any", heard);
    link.run();
    link.tickAt(1000).run();
    link.tickAt(1500);
    assert.deepEqual(heard.news, [], "it was answered");
    link.tickAt(2000).tickAt(2500);
    assert.deepEqual(heard.news, [
      "UNAVAILABLE: the connection ended before the answer: the peer does not answer keepalive pings",
    ]);
  });

  test("from this side ends calls that wait, and waits for those that run", () => {
    const link = bareLink({ streamsMax: 1 });
    link.run();
    const [runs, waits] = [new Heard(), new Heard()];
    link.client.call("/test/Any", runs);
    link.client.call("/test/Any", waits);
    link.client.shutdown();
    link.run();
    assert.deepEqual(waits.news, ["UNAVAILABLE: the call was not processed: the connection is being closed"]);
    assert.equal(link.client.connection.finished, false);
    link.peer.answer({ ...HEAD, "grpc-status": "0" }, true);
    link.run();
    assert.deepEqual(runs.news, ["OK"]);
    assert.equal(link.client.connection.finished, true);
    assert.deepEqual(link.drained, []);
  });
});
