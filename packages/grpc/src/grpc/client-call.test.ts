import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { encodeFields } from "../hpack/encoder.ts";
import { ErrorCode, Flag, FrameType } from "../http2/protocol.ts";
import type { Methods, ServerCall } from "./call.ts";
import { bareLink, Heard, serverLink } from "./link.fixture.ts";
import { Metadata } from "./metadata.ts";
import { Status, StatusError } from "./status.ts";

const HEAD = { ":status": "200", "content-type": "application/grpc" };
const OK = { "grpc-status": "0" };

const METHODS: Methods = {
  "/test/Echo": { type: "unary", handle: (message) => message },
  "/test/Fail": {
    type: "unary",
    handle: () => {
      throw new StatusError(Status.NOT_FOUND, "no such thing: 100 % ü");
    },
  },
  "/test/Bidi": {
    type: "stream",
    open: (call) => ({ message: (message) => call.send(message), halfClosed: () => call.end() }),
  },
  "/test/Paused": {
    type: "stream",
    open: (call) => {
      call.pause();
      return { message: () => {} };
    },
  },
};

/** A message behind its prefix. */
function framed(text: string | Buffer, flag = 0): Buffer {
  const content = Buffer.from(text);
  const prefix = Buffer.from([flag, 0, 0, 0, 0]);
  prefix.writeUInt32BE(content.length, 1);
  return Buffer.concat([prefix, content]);
}

describe("a unary call", () => {
  test("gives the answer's message", async () => {
    const link = serverLink(METHODS);
    const answer = link.client.unary("/test/Echo", Buffer.from("hello"));
    link.run();
    assert.equal((await answer).toString(), "hello");
    assert.equal(link.client.connection.streams.size, 0);
    assert.equal(link.peer.connection.streams.size, 0);
  });

  test("carries messages that need many windows", async () => {
    const link = serverLink(METHODS, { limits: { messageBytesMax: 3_000_000 } });
    const large = Buffer.alloc(2_500_000, "x");
    const answer = link.client.unary("/test/Echo", large);
    link.run();
    assert.ok((await answer).equals(large));
  });

  test("fails with the status of its server", async () => {
    const link = serverLink(METHODS);
    const answer = link.client.unary("/test/Fail", Buffer.alloc(0));
    link.run();
    await assert.rejects(answer, { status: Status.NOT_FOUND, message: "no such thing: 100 % ü" });
  });

  test("fails when OK comes without a message, or with two", async () => {
    for (const messages of [[], ["a", "b"]]) {
      const link = bareLink();
      const answer = link.client.unary("/test/Echo", Buffer.alloc(0));
      link.run();
      link.peer.answer(HEAD).content(Buffer.concat(messages.map((text) => framed(text))));
      link.peer.answer(OK, true);
      link.run();
      await assert.rejects(answer, { status: Status.UNIMPLEMENTED, message: /^the answer of a unary call carries / });
    }
  });
});

describe("the head of a call", () => {
  test("says what gRPC asks for, the deadline before other fields, metadata last", () => {
    const link = bareLink({ gzip: true, scheme: "https" });
    const metadata = new Metadata().add("x-text", "a b").add("x-data-bin", Buffer.from([1, 2, 3, 255]));
    link.client.call("/test.Service/Method", new Heard(), { metadata, deadlineMs: 1500 });
    link.run();
    const head = link.peer.requests[0]?.head;
    assert.deepEqual(
      [head?.method, head?.scheme, head?.path, head?.authority],
      ["POST", "https", "/test.Service/Method", "member-a:9848"],
    );
    assert.deepEqual(head?.fields, [
      ...["grpc-timeout", "1500000u"],
      ...["te", "trailers", "content-type", "application/grpc", "grpc-accept-encoding", "identity,gzip"],
      ...["x-text", "a b", "x-data-bin", "AQID/w"],
    ]);
  });

  test("is the same bytes for each call to a path", () => {
    const link = bareLink();
    for (let call = 0; call < 3; call++) link.client.call("/test/Echo", new Heard());
    link.run();
    const heads = new Set(link.peer.requests.map(({ head }) => head));
    assert.equal(heads.size, 1, "the machine gives equal blocks one head");
  });

  test("takes no message that is no bytes", () => {
    const link = bareLink().run();
    const call = link.client.call("/test/Bidi", new Heard());
    const rule = { name: "TypeError", message: /is bytes/ };
    assert.throws(() => call.send("text" as never), rule);
    assert.throws(() => link.client.unary("/test/Echo", new ArrayBuffer(4) as never), rule);
    call.cancel();
    assert.equal(call.send("text" as never), false, "nothing throws after the end");
  });

  test("takes no path that is none", () => {
    const link = bareLink();
    assert.throws(() => link.client.call("test/Echo", new Heard()), TypeError);
    assert.throws(() => link.client.call("/test/Ec ho\r\n", new Heard()), TypeError);
    link.client.call("/test/Echo", new Heard());
    link.run();
    assert.equal(link.peer.requests.length, 1, "the connection goes on");
  });
});

describe("a stream of messages", () => {
  test("goes both ways, until either side has said all", () => {
    const link = serverLink(METHODS);
    const heard = new Heard();
    const call = link.client.call("/test/Bidi", heard);
    call.send(Buffer.from("one"));
    link.run();
    call.send(Buffer.from("two"));
    call.send(Buffer.from(""));
    link.run();
    call.halfClose();
    link.run();
    assert.deepEqual(heard.news, ["metadata", "one", "two", "", "OK"]);
    assert.equal(call.ended, true);
    assert.equal(call.send(Buffer.from("late")), false);
  });

  test("tells initial and trailing metadata", () => {
    const link = serverLink({
      "/test/Meta": {
        type: "stream",
        open: (call) => {
          call.sendMetadata(new Metadata().add("x-first", "1"));
          call.end(Status.ABORTED, "enough", new Metadata().add("x-last-bin", Buffer.from("2")));
          return { message: () => {} };
        },
      },
    });
    const heard = new Heard();
    link.client.call("/test/Meta", heard);
    link.run();
    assert.deepEqual(heard.news, ["metadata", "ABORTED: enough"]);
    assert.equal(heard.initial?.get("x-first"), "1");
    assert.equal(heard.trailers?.get("x-last-bin")?.toString(), "2");
  });

  test("is reset without a fault when the server has said all before we have", () => {
    const link = bareLink();
    const heard = new Heard();
    const call = link.client.call("/test/Bidi", heard);
    link.run();
    // By hand, because our own server side resets the stream too.
    const block = encodeFields(Object.entries({ ...HEAD, "grpc-status": "9", "grpc-message": "enough" }));
    link.peer.connection.sender.frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 1, block);
    link.run();
    assert.deepEqual(heard.news, ["FAILED_PRECONDITION: enough"]);
    assert.equal(call.ended, true);
    assert.deepEqual(link.peer.ended, [`1 by client ${ErrorCode.NO_ERROR}`]);
    assert.equal(link.client.connection.streams.size, 0);
  });

  test("tells when it is slow, and when it is not any more", () => {
    let server: ServerCall | undefined;
    const link = serverLink(
      {
        "/test/Slow": {
          type: "stream",
          open: (call) => {
            server = call;
            call.pause();
            return { message: () => {} };
          },
        },
      },
      { limits: { streamQueuedBytes: 100_000 }, server: { streamWindowBytes: 65_535 } },
    );
    const heard = new Heard();
    const call = link.client.call("/test/Slow", heard);
    link.run();
    assert.equal(call.send(Buffer.alloc(60_000)), true);
    assert.equal(call.send(Buffer.alloc(60_000)), true);
    assert.equal(call.send(Buffer.alloc(60_000)), false);
    link.run();
    assert.equal(call.queuedBytes, 180_015 - 65_535);
    assert.deepEqual(heard.news, []);
    server?.resume();
    link.run();
    assert.deepEqual(heard.news, ["drained"]);
    assert.equal(call.queuedBytes, 0);
  });

  test("ends with UNAVAILABLE when the peer never makes room for its last messages", () => {
    const link = serverLink(METHODS, { server: { streamWindowBytes: 65_535 } });
    const heard = new Heard();
    const call = link.client.call("/test/Paused", heard);
    call.send(Buffer.alloc(100_000));
    call.halfClose();
    link.run().tickAt(60_000);
    assert.deepEqual(heard.news, ["UNAVAILABLE: the peer has taken none of the queued messages for too long"]);
  });

  test("ends with INTERNAL when its listener throws, and the connection goes on", async () => {
    const link = serverLink(METHODS);
    const heard = new Heard();
    heard.onMessage = () => {
      throw new Error("a mistake");
    };
    const call = link.client.call("/test/Bidi", heard);
    call.send(Buffer.from("one"));
    call.send(Buffer.from("two"));
    const other = link.client.unary("/test/Echo", Buffer.from("other"));
    link.run();
    assert.deepEqual(heard.news, ["metadata", "one", "INTERNAL: the listener of the call failed"]);
    assert.deepEqual(link.thrown, [new Error("a mistake")]);
    assert.equal((await other).toString(), "other");
  });
});

describe("a call that is cancelled", () => {
  test("ends at once with CANCELLED, and at the server too", () => {
    const link = bareLink();
    const heard = new Heard();
    const call = link.client.call("/test/Bidi", heard);
    link.run();
    call.cancel();
    assert.deepEqual(heard.news, ["CANCELLED: the call was cancelled"]);
    call.cancel();
    call.halfClose();
    link.run();
    assert.deepEqual(link.peer.ended, [`1 by client ${ErrorCode.CANCEL}`]);
    assert.equal(heard.news.length, 1);
  });

  test("inside a message hears no other", () => {
    const link = bareLink();
    const heard = new Heard();
    const call = link.client.call("/test/Bidi", heard);
    heard.onMessage = () => call.cancel();
    link.run();
    link.peer.answer(HEAD).content(Buffer.concat([framed("one"), framed("two")]));
    link.run();
    assert.deepEqual(heard.news, ["metadata", "one", "CANCELLED: the call was cancelled"]);
  });

  test("leaves the connection alone when a thousand small messages were on their way", () => {
    const link = bareLink({ limits: { idleFrames: { burst: 10, perSecond: 0 } } });
    const call = link.client.call("/test/Bidi", new Heard());
    link.run();
    link.peer.answer(HEAD);
    for (let message = 0; message < 1000; message++) link.peer.content(framed("x"));
    call.cancel();
    link.run();
    assert.equal(link.client.connection.failure, undefined);
  });
});

describe("a deadline", () => {
  test("ends the call here and at the server", () => {
    const link = bareLink();
    const heard = new Heard();
    link.client.call("/test/Silent", heard, { deadlineMs: 100 });
    link.run().tickAt(99);
    assert.deepEqual(heard.news, []);
    assert.equal(link.client.tickAt, 100);
    link.tickAt(100).run();
    assert.deepEqual(heard.news, ["DEADLINE_EXCEEDED: the deadline of the call has passed"]);
    assert.deepEqual(link.peer.ended, [`1 by client ${ErrorCode.CANCEL}`]);
    assert.equal(link.client.tickAt, Number.POSITIVE_INFINITY);
  });

  test("that has passed before the call begins sends nothing", () => {
    const link = bareLink();
    const heard = new Heard();
    link.client.call("/test/Silent", heard, { deadlineMs: 0 });
    assert.deepEqual(heard.news, [], "not before the call has returned");
    link.run();
    assert.deepEqual(heard.news, ["DEADLINE_EXCEEDED: the deadline had passed before the call"]);
    assert.deepEqual(link.peer.requests, []);
  });

  test("that the server sees first is no cancelling by the server", () => {
    const link = bareLink();
    const heard = new Heard();
    link.client.call("/test/Silent", heard, { deadlineMs: 100 });
    link.run();
    link.now = 100;
    link.peer.connection.reset(link.peer.stream, ErrorCode.CANCEL);
    link.run();
    assert.deepEqual(heard.news, ["DEADLINE_EXCEEDED: the deadline of the call has passed"]);
  });
});

describe("a paused call", () => {
  test("hears nothing until it goes on, and its status after its messages", () => {
    const link = bareLink();
    const heard = new Heard();
    const call = link.client.call("/test/Bidi", heard);
    heard.onMessage = () => call.pause();
    link.run();
    link.peer.answer(HEAD).content(Buffer.concat(["one", "two", "three", "four"].map((text) => framed(text))));
    link.peer.answer(OK, true);
    link.run();
    assert.deepEqual(heard.news, ["metadata", "one"]);
    call.resume();
    assert.deepEqual(heard.news, ["metadata", "one", "two"]);
    heard.onMessage = () => {
      call.pause();
      call.resume();
    };
    call.resume();
    assert.deepEqual(heard.news, ["metadata", "one", "two", "three", "four", "OK"]);
  });

  test("stops its server by flow control", () => {
    const link = bareLink();
    const heard = new Heard();
    const call = link.client.call("/test/Bidi", heard);
    call.pause();
    link.run();
    const message = framed(Buffer.alloc(700_000));
    link.peer.answer(HEAD).content(message).content(message);
    link.run();
    assert.equal(link.peer.stream.queuedBytes, 2 * message.length - 1024 * 1024);
    call.resume();
    link.run();
    assert.deepEqual(heard.news, ["metadata", "700000 bytes", "700000 bytes"]);
  });

  test("that is cancelled gives back what it held of the window of the connection", () => {
    const link = bareLink();
    for (let round = 0; round < 10; round++) {
      const call = link.client.call("/test/Bidi", new Heard());
      call.pause();
      link.run();
      link.peer.answer(HEAD).content(framed(Buffer.alloc(1_000_000)));
      link.run();
      assert.equal(link.peer.stream.queuedBytes, 0, `round ${round}`);
      call.cancel();
      link.run();
    }
  });

  test("of the server gives back as much", () => {
    const link = serverLink(METHODS);
    for (let round = 0; round < 10; round++) {
      const call = link.client.call("/test/Paused", new Heard());
      call.send(Buffer.alloc(1_000_000));
      link.run();
      assert.equal(call.queuedBytes, 0, `round ${round}`);
      call.cancel();
      link.run();
    }
  });
});

describe("messages beyond a rule", () => {
  test("too large: RESOURCE_EXHAUSTED, as soon as the size is known", () => {
    const link = bareLink({ limits: { messageBytesMax: 1000 } });
    const heard = new Heard();
    link.client.call("/test/Bidi", heard);
    link.run();
    link.peer.answer(HEAD).content(framed(Buffer.alloc(1001)).subarray(0, 5));
    link.run();
    const text = "a message of 1001 bytes is larger than the 1000 that are taken";
    assert.deepEqual(heard.news, ["metadata", `RESOURCE_EXHAUSTED: ${text}`]);
    assert.deepEqual(link.peer.ended, [`1 by client ${ErrorCode.CANCEL}`]);
  });

  test("compressed without having been asked for: INTERNAL", () => {
    const link = bareLink();
    const heard = new Heard();
    link.client.call("/test/Bidi", heard);
    link.run();
    link.peer.answer({ ...HEAD, "grpc-encoding": "gzip" }).content(framed(gzipSync("one"), 1));
    link.run();
    assert.deepEqual(heard.news, ["metadata", "INTERNAL: compressed messages are not taken here"]);
  });

  test("cut by the end of the answer: INTERNAL, unless it failed anyway", () => {
    const ends: [string, string][] = [
      ["0", "INTERNAL: the answer ended inside a message"],
      ["10", "ABORTED"],
    ];
    for (const [status, told] of ends) {
      const link = bareLink();
      const heard = new Heard();
      link.client.call("/test/Bidi", heard);
      link.run();
      link.peer.answer(HEAD).content(framed("one").subarray(0, 7)).answer({ "grpc-status": status }, true);
      link.run();
      assert.deepEqual(heard.news, ["metadata", told]);
    }
  });

  test("never completed: UNAVAILABLE", () => {
    const link = bareLink();
    const heard = new Heard();
    link.client.call("/test/Bidi", heard);
    link.run();
    link.peer.answer(HEAD).content(framed("one").subarray(0, 7));
    link.run().tickAt(59_999);
    assert.deepEqual(heard.news, ["metadata"]);
    link.tickAt(60_000);
    assert.deepEqual(heard.news, ["metadata", "UNAVAILABLE: the rest of a message did not come"]);
  });

  test("compressed are taken with the option", async () => {
    const link = serverLink(METHODS, { gzip: true, serverGzip: true });
    const text = "many words ".repeat(1000);
    const answer = link.client.unary("/test/Echo", Buffer.from(text));
    link.run();
    assert.equal((await answer).toString(), text);
    assert.ok(link.peer.connection.sender.sentBytes < 1000, "it came compressed");
  });
});
