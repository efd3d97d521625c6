import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConnectionFailure, ErrorCode, Setting } from "../http2/protocol.ts";
import { SharedHeads } from "../http2/shared-heads.ts";
import { data, headers, lastData, message, request, rstStream, settings, windowUpdate } from "../http2/wire.fixture.ts";
import type { ServerCall } from "./call.ts";
import { PartialBytes } from "./message-reader.ts";
import { echo, never, PATH, SessionSubject, streaming, unary } from "./session.fixture.ts";
import { Status } from "./status.ts";

describe("what a session holds for its peer", () => {
  const held = (subject: SessionSubject): number => subject.session.heldBytes;

  test("is something for each open call, and its metadata once for all calls that share it", () => {
    const [subject] = streaming();
    assert.equal(held(subject), 0);
    const large = request({ a: "x".repeat(5000) });
    subject.receive(headers(1, large));
    const first = held(subject);
    assert.ok(first > 5000);
    subject.receive(headers(3, large));
    const second = held(subject) - first;
    assert.ok(second > 0 && second < 3000);
    subject.receive(headers(5, request({ a: "y".repeat(5000) })));
    assert.ok(held(subject) - first - second > 5000);
    subject.receive(rstStream(1));
    assert.ok(held(subject) > first, "the other call still has the metadata");
    subject.receive(rstStream(3), rstStream(5));
    assert.equal(held(subject), 0);
  });

  test("is a short head with each call: other clients' calls, which come and go, may share it", () => {
    const heads = new SharedHeads();
    const open = () => ({ message() {} });
    const own = (): SessionSubject => {
      const subject = new SessionSubject({ [PATH]: { type: "stream", open } }, {}, false, undefined, heads);
      return subject.receive(headers(1, request()));
    };
    const [one, other] = [own(), own()];
    const first = held(one);
    assert.equal(held(other), first);
    other.receive(headers(3, request()));
    assert.equal(held(other), 2 * first);
    one.receive(rstStream(1));
    assert.deepEqual([held(one), held(other)], [0, 2 * first]);
    other.receive(rstStream(1), rstStream(3));
    assert.deepEqual([held(one), held(other)], [0, 0]);
  });

  test("are parts of messages, and content of calls that are paused", () => {
    const [subject, noted] = streaming();
    subject.receive(headers(1, request()));
    const call = held(subject);
    subject.receive(data(1, message(Buffer.alloc(3000)).subarray(0, 2000)));
    assert.equal(held(subject) - call, subject.partial.used);
    subject.receive(data(1, Buffer.alloc(1005)));
    noted.call?.pause();
    subject.receive(data(1, Buffer.alloc(700)));
    assert.equal(held(subject) - call, 700);
    subject.receive(rstStream(1));
    assert.equal(held(subject), 0);
  });

  test("is nothing once the connection has ended: who frees memory must see it, or ends all others too", () => {
    const [subject, noted] = streaming();
    subject.receive(headers(1, request()));
    noted.call?.pause();
    subject.receive(data(1, Buffer.alloc(700)));
    subject.session.connection.fail(new ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, "too much"));
    assert.equal(held(subject), 0);
  });

  test("are answers that wait, a message that goes to many once", () => {
    const calls: ServerCall[] = [];
    const open = (call: ServerCall) => {
      calls.push(call);
      return { message() {} };
    };
    const own = new SessionSubject({ [PATH]: { type: "stream", open } });
    own.receive(settings([Setting.INITIAL_WINDOW_SIZE, 0]), headers(1, request()), headers(3, request()));
    const before = held(own);
    const notice = Buffer.alloc(10_000);
    for (const call of calls) call.send(notice);
    assert.equal(held(own) - before, 10_005);
    calls[0]?.send(Buffer.alloc(10_000));
    assert.equal(held(own) - before, 20_010);
    own.receive(windowUpdate(1, 30_000), windowUpdate(3, 30_000));
    assert.equal(held(own), before);
  });
});

describe("messages that have come in part", () => {
  const LIMITS = { partialBytesMax: 3000, partialMs: 500 };
  const half = (size: number): Buffer => message(Buffer.alloc(size)).subarray(0, size);

  test("are bounded over all calls of a connection", () => {
    const [subject] = streaming(LIMITS);
    subject.receive(headers(1, request()), data(1, half(2000)), headers(3, request()), data(3, half(2000)));
    assert.deepEqual(subject.status(3)[0], String(Status.RESOURCE_EXHAUSTED));
    assert.equal(subject.answer(1).ended, false);
    assert.equal(subject.partial.used, 2005);
    subject.receive(data(1, Buffer.alloc(5)));
    assert.equal(subject.partial.used, 0);
  });

  test("are bounded over all connections", () => {
    const all = new PartialBytes(3000);
    const one = new SessionSubject(echo, {}, false, all).receive(headers(1, request()), data(1, half(2000)));
    const other = new SessionSubject(echo, {}, false, all).receive(headers(1, request()), data(1, half(2000)));
    assert.equal(other.status(1)[0], String(Status.RESOURCE_EXHAUSTED));
    one.session.connection.lost("TCP is gone");
    other.receive(headers(3, request()), data(3, half(2000)));
    assert.equal(other.answer(3).ended, false);
    other.receive(rstStream(3));
    assert.equal(all.used, 0);
  });

  test("whole ones count too, as long as a unary request has not ended", () => {
    const subject = unary((own) => own, LIMITS);
    subject.receive(headers(1, request()), data(1, message(Buffer.alloc(2000))));
    subject.receive(headers(3, request()), data(3, message(Buffer.alloc(2000))));
    assert.equal(subject.status(3)[0], String(Status.RESOURCE_EXHAUSTED));
    assert.equal(subject.partial.used, 2000);
    subject.receive(lastData(1, ""));
    assert.equal(subject.status(1)[0], "0");
    assert.equal(subject.partial.used, 0);
  });

  test("a small one that waits does not keep the memory that it came in", () => {
    const given: Buffer[] = [];
    const subject = unary((own) => {
      given.push(own);
      return own;
    });
    subject.receive(headers(1, request()), data(1, message("small")), Buffer.alloc(0));
    subject.receive(
      headers(3, request()),
      data(3, message("small")),
      ...Array.from({ length: 4 }, () => data(3, "")),
      lastData(1, ""),
    );
    const bulk = data(7, Buffer.alloc(16_000));
    subject.receive(
      headers(5, request()),
      data(5, message("small")),
      headers(7, request({ ":path": "/x" })),
      bulk,
      bulk,
    );
    subject.receive(lastData(5, ""));
    assert.ok((given.at(-1)?.buffer.byteLength ?? 0) <= 20_000, `${given.at(-1)?.buffer.byteLength}`);
  });

  test("end their call when the rest does not come in time", () => {
    const [subject, noted] = streaming(LIMITS);
    subject.receive(headers(1, request()), data(1, half(100)));
    assert.equal(subject.session.tickAt, subject.now + 500);
    subject.tick(400).receive(data(1, "x"));
    subject.tick(499);
    assert.equal(subject.answer(1).ended, false);
    subject.tick(1);
    assert.equal(subject.status(1)[0], String(Status.CANCELLED));
    assert.equal(noted.heard.at(-1), "closed completed");
    assert.equal(subject.partial.used, 0);
  });

  test("of thousands of calls do not have all of them walked over for each", () => {
    const [subject] = streaming({ ...LIMITS, partialBytesMax: 2 ** 30 });
    for (let nth = 0; nth < 2000; nth++) {
      subject.receive(headers(1 + 2 * nth, request()), data(1 + 2 * nth, half(10)));
      subject.now += 0.01;
    }
    let walks = 0;
    while (subject.session.connection.streams.size > 0) {
      subject.tick(subject.session.tickAt - subject.now);
      walks++;
    }
    assert.ok(walks < 200, `${walks} walks`);
  });

  test("end their call also when only the end of a unary request is missing", () => {
    const subject = unary((own) => own, LIMITS);
    subject.receive(headers(1, request()), data(1, message("whole")));
    subject.tick(500);
    assert.equal(subject.status(1)[0], String(Status.CANCELLED));
    assert.equal(subject.partial.used, 0);
  });

  test("end their call also when nothing but the head of a unary request has come", () => {
    const subject = new SessionSubject(echo, LIMITS);
    subject.receive(headers(1, request()));
    assert.equal(subject.session.tickAt, subject.now + 500);
    subject.tick(499).receive(data(1, message("a")));
    subject.tick(499);
    assert.equal(subject.answer(1).ended, false, "the message came in between");
    subject.tick(1);
    assert.equal(subject.status(1)[0], String(Status.CANCELLED));
  });

  test("do not end a unary call whose request is complete, however long its answer takes", () => {
    const subject = unary(() => never, LIMITS);
    subject.call(1, message("a"));
    subject.tick(10_000);
    assert.equal(subject.answer(1).ended, false);
  });

  test("end what is no gRPC, too", () => {
    const subject = new SessionSubject(echo, LIMITS);
    subject.receive(headers(1, request({ ":method": "PUT" })));
    subject.tick(499);
    assert.equal(subject.answer(1).reset, undefined);
    subject.tick(1);
    assert.equal(subject.answer(1).reset, ErrorCode.CANCEL);
  });

  test("are freed at the end of their call, though its status still waits for a window", () => {
    const [subject, noted] = streaming(LIMITS);
    subject.receive(settings([4, 0]), headers(1, request()), data(1, half(2000)));
    noted.call?.send(Buffer.from("waits"));
    noted.call?.end();
    assert.equal(subject.partial.used, 0);
  });
});

describe("message limits (gRPC over HTTP/2, Length-Prefixed-Message)", () => {
  test("a message as long as allowed is taken, a longer one is refused by its prefix", () => {
    const subject = new SessionSubject(echo, { messageBytesMax: 10 });
    subject.call(1, message(Buffer.alloc(10)));
    assert.equal(subject.status(1)[0], "0");
    subject.receive(headers(3, request()), data(3, message(Buffer.alloc(11)).subarray(0, 5)));
    assert.equal(subject.status(3)[0], String(Status.RESOURCE_EXHAUSTED));
  });

  test("a flag that is neither 0 nor 1 is an INTERNAL", () => {
    const subject = new SessionSubject(echo);
    subject.call(1, message("a", 2));
    assert.equal(subject.status(1)[0], String(Status.INTERNAL));
  });
});

describe("a client that makes us hold much", () => {
  const MUCH = 2 * 1024 * 1024;

  test("is read after others while it does: by answers that it makes no room for", () => {
    const subject = new SessionSubject({ [PATH]: { type: "unary", handle: () => Buffer.alloc(MUCH) } });
    subject.receive(settings([4, 0]), headers(1, request()), lastData(1, message("")));
    assert.ok(subject.session.isCostly(subject.now));
    subject.receive(settings([4, MUCH + 5]));
    assert.ok(!subject.session.isCostly(subject.now));
  });

  test("is read after others while it does: by heads of calls that it leaves open", () => {
    const [subject] = streaming();
    const calls = Array.from({ length: 200 }, (_, nth) => 1 + 2 * nth);
    for (const id of calls) subject.receive(headers(id, request({ "x-large": `${id}${"x".repeat(15_000)}` })));
    subject.now += 60_000;
    assert.ok(subject.session.isCostly(subject.now));
    for (const id of calls) subject.receive(rstStream(id));
    subject.now += 60_000;
    assert.ok(!subject.session.isCostly(subject.now));
  });

  test("is none when it has many calls open and nothing special to them", () => {
    const [subject] = streaming();
    for (let nth = 0; nth < 5000; nth++) subject.receive(headers(1 + 2 * nth, request()));
    assert.ok(!subject.session.isCostly(subject.now));
  });
});
