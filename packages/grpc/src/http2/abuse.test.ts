import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HeaderBlocks } from "./blocks.ts";
import { ownCopy } from "./frames.ts";
import { LIMITS } from "./limits.ts";
import { ErrorCode, Flag, FrameType, MAX_31, Setting } from "./protocol.ts";
import { Subject } from "./subject.fixture.ts";
import {
  data,
  frame,
  goaway,
  headers,
  lastData,
  lastHeaders,
  paddedData,
  ping,
  priority,
  request,
  rstStream,
  settings,
  settingsAck,
  TRAILERS,
  windowUpdate,
} from "./wire.fixture.ts";

const RESETS = { resets: { burst: 3, perSecond: 1 } };
const IDLE = { idleFrames: { burst: 3, perSecond: 1 } };

/** Does a thing on ever new streams until the connection ends. @returns how often it was suffered. */
function suffered(subject: Subject, act: (id: number) => void, max = 50): number {
  for (let nth = 0; nth < max; nth++) {
    act(1 + 2 * nth);
    if (subject.failure !== undefined) return nth;
  }
  return Number.POSITIVE_INFINITY;
}

describe("streams that end before they are done (RFC 9113, section 10.5)", () => {
  const ACTS: Readonly<Record<string, (id: number) => Buffer[]>> = {
    "rapid reset (CVE-2023-44487)": (id) => [headers(id, request()), rstStream(id)],
    "reset of a call that is being answered": (id) => [lastHeaders(id, request()), rstStream(id)],
    "resets that the peer provokes (MadeYouReset, CVE-2025-8671): a window update of 0": (id) => [
      lastHeaders(id, request()),
      windowUpdate(id, 0),
    ],
    "provoked by a window that overflows": (id) => [lastHeaders(id, request()), windowUpdate(id, 2 ** 31 - 1)],
    "provoked by DATA behind the end": (id) => [lastHeaders(id, request()), data(id, "x")],
    "provoked by HEADERS behind the end": (id) => [lastHeaders(id, request()), lastHeaders(id, TRAILERS)],
    "provoked by content above content-length": (id) => [
      headers(id, request({ "content-length": "1" })),
      data(id, "xx"),
    ],
    "provoked by content above the window": (id) => [headers(id, request()), data(id, Buffer.alloc(101))],
    "provoked by a malformed request": (id) => [headers(id, request({ ":path": undefined }))],
  };
  for (const [what, act] of Object.entries(ACTS)) {
    test(`${what}: a few, then the connection ends`, () => {
      const subject = Subject.greeted({ ...RESETS, streamWindowBytes: 100 });
      assert.equal(
        suffered(subject, (id) => subject.receive(...act(id))),
        3,
      );
      assert.equal(subject.failure, "ENHANCE_YOUR_CALM");
    });
  }

  test("are suffered again as time goes by, up to the burst", () => {
    const subject = Subject.greeted(RESETS);
    const slow = suffered(subject, (id) => {
      subject.now += 1000;
      subject.receive(headers(id, request()), rstStream(id));
    });
    assert.equal(slow, Number.POSITIVE_INFINITY);
    subject.now += 1e6;
    assert.equal(
      suffered(subject, (id) => subject.receive(headers(100 + id, request()), rstStream(100 + id))),
      3,
    );
  });

  test("are no fault of the peer when this side ends them", () => {
    const subject = Subject.greeted(RESETS);
    const count = suffered(subject, (id) => {
      subject.receive(headers(id, request()));
      if (id % 4 === 1) subject.connection.reset(subject.stream(id), ErrorCode.CANCEL);
      else subject.connection.headers(subject.stream(id), TRAILERS, true);
    });
    assert.equal(count, Number.POSITIVE_INFINITY);
  });
});

describe("heads that cost more than calls earn", () => {
  test("by fields over the limit: one is refused, and who goes on ends the connection", () => {
    const subject = Subject.greeted({ idleFrames: { burst: 10, perSecond: 1 }, headerListBytesMax: 200 });
    const count = suffered(subject, (id) => subject.receive(headers(id, request({ "x-large": "x".repeat(1200) }))));
    assert.ok(count >= 1 && count <= 3, `${count}`);
    assert.equal(subject.connection.failure?.message, "too many costly HEADERS frames");
  });

  test("by entries that they put into the table", () => {
    const subject = Subject.greeted(IDLE);
    // Literals with incremental indexing (RFC 7541, section 6.2.1): a name of one letter, an empty value.
    const entries = Buffer.concat(Array.from({ length: 200 }, () => Buffer.from([0x40, 1, 0x61, 0])));
    const block = Buffer.concat([request(), entries]);
    const count = suffered(subject, (id) => subject.receive(lastHeaders(id, block)));
    assert.ok(count <= 1, `${count}`);
    assert.equal(subject.connection.failure?.message, "too many costly HEADERS frames");
  });

  test("and those of usual clients cost nothing: a dozen new fields with a call", () => {
    const subject = Subject.greeted(IDLE);
    const entries = Buffer.concat(Array.from({ length: 12 }, () => Buffer.from([0x40, 1, 0x61, 0])));
    const block = Buffer.concat([request(), entries]);
    const count = suffered(subject, (id) => {
      subject.receive(lastHeaders(id, block));
      subject.connection.headers(subject.stream(id), TRAILERS, true);
    });
    assert.equal(count, Number.POSITIVE_INFINITY);
  });
});

describe("what is dear for what it brings", () => {
  const COSTS = { costlyBytes: { burst: 10_000, perSecond: 1000 } };
  const isCostly = ({ connection, now }: Subject): boolean => connection.isCostly(now);
  const acts: Readonly<Record<string, (subject: Subject, id: number) => void>> = {
    "large heads that differ": (subject, id) => {
      subject.receive(lastHeaders(id, request({ "x-large": `${id}${"x".repeat(3000)}` })));
    },
    "trailers of that kind": (subject, id) => {
      const trailers = request({ ":method": undefined, "x-large": `${id}${"x".repeat(3000)}` });
      subject.receive(headers(id, request()), lastHeaders(id, trailers));
    },
    "content in single bytes": (subject, id) => {
      if (id === 1) subject.receive(headers(1, request()));
      subject.receive(...Array.from({ length: 10 }, () => data(1, "x")));
    },
    "messages that are unpacked": (subject) => subject.connection.unpacked(3000, subject.now),
  };
  for (const [what, act] of Object.entries(acts)) {
    test(`${what}: some cost nothing, many make a connection that others do not wait for, and none ends it`, () => {
      const subject = Subject.greeted(COSTS);
      for (let nth = 0; nth < 50; nth++) {
        act(subject, 1 + 2 * nth);
        if (nth === 1) assert.ok(!isCostly(subject));
      }
      assert.ok(isCostly(subject));
      assert.equal(subject.failure, undefined);
      subject.now += 9999;
      assert.ok(isCostly(subject));
      subject.now += 1;
      assert.ok(!isCostly(subject), "it owes no more than a burst");
    });
  }

  const idle: Readonly<Record<string, (id: number) => Buffer[]>> = {
    pings: () => [ping()],
    "streams that end before they are done": (id) => [headers(id, request()), rstStream(id)],
  };
  for (const [what, act] of Object.entries(idle)) {
    test(`includes ${what}, long before they end the connection`, () => {
      const budget = { burst: 100, perSecond: 0 };
      const subject = Subject.greeted({ idleFrames: budget, resets: budget });
      for (let nth = 0; nth < 10; nth++) subject.receive(...act(1 + 2 * nth));
      assert.ok(!isCostly(subject));
      subject.receive(...act(21));
      assert.ok(isCostly(subject));
      assert.equal(subject.failure, undefined);
    });
  }

  test("does not include pings that messages have paid for", () => {
    const subject = Subject.greeted({ idleFrames: { burst: 100, perSecond: 0 } });
    subject.receive(headers(1, request()));
    for (let nth = 0; nth < 30; nth++) {
      subject.connection.data(subject.stream(1), Buffer.from("y"), true, false, subject.now);
      subject.receive(ping(), windowUpdate(1, 6));
    }
    assert.ok(!isCostly(subject));
  });

  const cheap: Readonly<Record<string, (subject: Subject, id: number) => void>> = {
    "large heads that repeat themselves": (subject, id) => {
      subject.receive(lastHeaders(id, request({ "x-large": "x".repeat(3000) })));
    },
    "heads of a usual size": (subject, id) => {
      subject.receive(lastHeaders(id, request({ "x-trace": `${id}${"x".repeat(1000)}` })));
    },
    "short frames that bring whole messages": (subject, id) => {
      if (id === 1) subject.receive(headers(1, request()));
      subject.receive(data(1, "x"));
      subject.connection.messageCame();
    },
    "frames of a usual size": (subject, id) => {
      if (id === 1) subject.receive(headers(1, request()));
      subject.receive(data(1, Buffer.alloc(256)));
    },
  };
  for (const [what, act] of Object.entries(cheap)) {
    test(`does not include ${what}`, () => {
      const subject = Subject.greeted(COSTS);
      for (let nth = 0; nth < 1000; nth++) act(subject, 1 + 2 * nth);
      assert.ok(!isCostly(subject));
    });
  }
});

describe("frames that bring nothing (RFC 9113, section 10.5)", () => {
  const ACTS: Readonly<Record<string, () => Buffer>> = {
    PING: () => ping(),
    "PING ACK": () => ping("whatever", Flag.ACK),
    SETTINGS: () => settings(),
    "SETTINGS ACK": () => settingsAck(),
    PRIORITY: () => priority(9),
    "WINDOW_UPDATE of the connection": () => windowUpdate(0, 1),
    "WINDOW_UPDATE of a stream": () => windowUpdate(1, 1),
    "WINDOW_UPDATE of a closed stream": () => windowUpdate(3, 1),
    "RST_STREAM of a closed stream": () => rstStream(3),
    "DATA of a closed stream": () => data(3, "x"),
    "HEADERS of a stream that was reset here": () => lastHeaders(5, TRAILERS),
    "empty DATA": () => data(1, ""),
    "DATA of padding alone": () => paddedData(1, Buffer.alloc(0), 3),
    GOAWAY: () => goaway(0),
    "unknown frames": () => frame(0x99, 0, 1, Buffer.alloc(3)),
  };
  for (const [what, act] of Object.entries(ACTS)) {
    test(`${what}: a few, then the connection ends`, () => {
      const subject = Subject.greeted(IDLE);
      subject.receive(headers(1, request()), lastHeaders(3, request()), lastHeaders(5, request()));
      subject.connection.headers(subject.stream(3), TRAILERS, true);
      subject.connection.reset(subject.stream(5), ErrorCode.CANCEL);
      subject.sent();
      // Three calls have earned nine frames, which the burst of three cannot hold before they are needed.
      const count = suffered(subject, () => subject.receive(act()));
      assert.ok(count >= 3 && count <= 6, `${count}`);
      assert.equal(subject.failure, "ENHANCE_YOUR_CALM");
    });
  }

  test("and are pings end it with the words by which gRPC's clients learn to ping less often", () => {
    const subject = Subject.greeted(IDLE);
    suffered(subject, () => subject.receive(ping()));
    assert.equal(subject.connection.failure?.message, "too_many_pings");
  });

  test("are suffered again as time goes by", () => {
    const subject = Subject.greeted(IDLE);
    const slow = suffered(subject, () => {
      subject.now += 1000;
      subject.receive(ping());
    });
    assert.equal(slow, Number.POSITIVE_INFINITY);
  });

  test("are earned by calls: a client may end each with an empty frame, and look twice at each answer", () => {
    const subject = Subject.greeted(IDLE);
    const count = suffered(
      subject,
      (id) => {
        subject.receive(headers(id, request()), data(id, "x"), lastData(id, ""));
        subject.connection.respond(subject.stream(id), TRAILERS, Buffer.from("y"), TRAILERS, subject.now);
        subject.receive(ping(), windowUpdate(0, 6));
      },
      1000,
    );
    assert.equal(count, Number.POSITIVE_INFINITY);
  });

  test("are earned by messages on one stream", () => {
    const subject = Subject.greeted(IDLE);
    subject.receive(headers(1, request()));
    const count = suffered(subject, () => {
      subject.connection.data(subject.stream(1), Buffer.from("y"), true, false, subject.now);
      subject.receive(ping(), windowUpdate(0, 6), windowUpdate(1, 6));
    });
    assert.equal(count, Number.POSITIVE_INFINITY);
  });

  test("are earned by bytes: a window update for each kilobyte of a long message", () => {
    const subject = Subject.greeted({ idleFrames: { burst: 20, perSecond: 0 } });
    subject.receive(headers(1, request()));
    subject.connection.data(subject.stream(1), Buffer.alloc(500_000), true, false, subject.now);
    const count = suffered(
      subject,
      () => {
        subject.receive(windowUpdate(0, 2048), windowUpdate(1, 2048));
        subject.sent();
      },
      190,
    );
    assert.equal(count, Number.POSITIVE_INFINITY);
  });

  test("are earned by each byte once", () => {
    const subject = Subject.greeted({ idleFrames: { burst: 3, perSecond: 0 } });
    subject.receive(windowUpdate(0, 1e6), settings([Setting.INITIAL_WINDOW_SIZE, 1e6]), headers(1, request()));
    subject.connection.data(subject.stream(1), Buffer.alloc(100_000), false, false, subject.now);
    assert.ok(suffered(subject, () => subject.receive(ping()), 1000) < 20);
  });

  test("are not earned by a long message that is fetched byte by byte (CVE-2019-9511)", () => {
    const subject = Subject.greeted(IDLE);
    subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, 0]), headers(1, request()));
    subject.connection.data(subject.stream(1), Buffer.alloc(10_000), true, false, subject.now);
    const count = suffered(subject, () => subject.receive(windowUpdate(1, 1)));
    assert.ok(count < 15, `${count}`);
  });

  test("are paid for by settings: half a dozen cost one frame, the 2730 that fit into a frame cost 171", () => {
    const frames = (count: number): number => {
      const subject = Subject.greeted({ idleFrames: { burst: 400, perSecond: 0 } });
      const some = Array.from({ length: count }, (_, nth) => [Setting.INITIAL_WINDOW_SIZE, nth] as const);
      return suffered(subject, () => subject.receive(settings(...some)), 500);
    };
    assert.equal(frames(6), 400);
    assert.equal(frames(2730), 2);
  });

  describe("are paid for by the hundred streams that a larger initial window is looked up for", () => {
    const moves = (streams: number, prepare: (subject: Subject) => void): number => {
      const subject = Subject.greeted({ idleFrames: { burst: 400, perSecond: 0 } });
      subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, 0]));
      for (let nth = 0; nth < streams; nth++) subject.receive(headers(1 + 2 * nth, request()));
      // What the calls have earned is used up first.
      for (let nth = 0; nth < 400; nth++) subject.receive(ping());
      prepare(subject);
      return suffered(subject, (nth) => subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, (nth >> 1) % 2])), 500);
    };
    const waiting = (subject: Subject): void => {
      subject.connection.data(subject.stream(1), Buffer.alloc(10_000), false, false, subject.now);
    };

    test("when something waits", () => {
      assert.ok(moves(99, waiting) > 200);
      assert.ok(moves(5000, waiting) < 20);
    });

    test("when a window might overflow", () => {
      assert.ok(moves(5000, (subject) => subject.receive(windowUpdate(1, MAX_31))) < 20);
    });

    test("and by none when neither is so", () => {
      assert.ok(moves(5000, () => {}) > 200);
    });
  });

  test("count empty DATA of a stream that was reset here", () => {
    const subject = Subject.greeted(IDLE);
    subject.receive(headers(1, request()));
    subject.connection.reset(subject.stream(1), ErrorCode.CANCEL);
    assert.ok(suffered(subject, () => subject.receive(data(1, ""))) < 10);
  });

  test("do not count DATA that was under way to a stream when it was reset here", () => {
    const subject = Subject.greeted({ ...IDLE, streamWindowBytes: 100 });
    subject.receive(headers(1, request()));
    subject.connection.reset(subject.stream(1), ErrorCode.CANCEL);
    for (let nth = 0; nth < 100; nth++) subject.receive(data(1, "x"));
    assert.equal(subject.failure, undefined);
    for (let nth = 0; nth < 20; nth++) subject.receive(data(1, "x"));
    assert.equal(subject.failure, "ENHANCE_YOUR_CALM");
  });
});

describe("limits", () => {
  test("streams above the limit are refused a few times, then the connection ends", () => {
    const subject = Subject.greeted({ streamsMax: 1, ...IDLE });
    subject.receive(headers(1, request()));
    assert.ok(suffered(subject, (id) => subject.receive(headers(2 + id, request()))) < 10);
    assert.equal(subject.failure, "ENHANCE_YOUR_CALM");
  });

  test("one stream more than allowed is refused, and can be repeated when another has ended (section 5.1.2)", () => {
    const subject = Subject.greeted({ streamsMax: 2, ...RESETS });
    subject.receive(headers(1, request()), headers(3, request()));
    for (let id = 5; id < 25; id += 2) {
      assert.deepEqual(subject.receive(headers(id, request())), [`RST_STREAM ${id} REFUSED_STREAM`]);
    }
    assert.deepEqual(subject.news(), ["head 1", "head 3"]);
    subject.receive(rstStream(1), headers(25, request()));
    assert.deepEqual(subject.news(), ["closed 1 CANCEL by peer", "head 25"]);
  });

  test("bytes that wait over all streams end the connection when they are too many", () => {
    const subject = Subject.greeted({ queuedBytesMax: 1000 });
    subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, 0]), headers(1, request()), headers(3, request()));
    subject.sent();
    const { connection } = subject;
    connection.data(subject.stream(1), Buffer.alloc(500), false, false, subject.now);
    connection.data(subject.stream(3), Buffer.alloc(500), false, false, subject.now);
    assert.equal(subject.failure, undefined);
    connection.respond(subject.stream(3), TRAILERS, Buffer.alloc(1), TRAILERS, subject.now);
    assert.equal(subject.failure, "ENHANCE_YOUR_CALM");
    assert.equal(connection.sender.queuedBytes, 0);
  });

  describe("a stream whose end waits for a window", () => {
    const waiting = (ended: boolean): Subject => {
      const subject = Subject.greeted({ stalledMs: 5000 });
      subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, 2]), lastHeaders(1, request()));
      subject.connection.headers(subject.stream(1), TRAILERS);
      subject.connection.data(subject.stream(1), Buffer.alloc(10), false, false, subject.now);
      if (ended) subject.connection.finish(subject.stream(1), TRAILERS);
      subject.sent();
      return subject;
    };

    test("is reset when nothing has left for so long", () => {
      const subject = waiting(true);
      assert.equal(subject.connection.tickAt, subject.now + 1000);
      for (let nth = 0; nth < 4; nth++) assert.deepEqual(subject.tick(1000), []);
      assert.deepEqual(subject.tick(1000), ["RST_STREAM 1 CANCEL"]);
      assert.equal(subject.news().at(-1), "closed 1 CANCEL");
    });

    test("is not, as long as bytes leave", () => {
      const subject = waiting(true);
      for (let nth = 0; nth < 7; nth++) {
        assert.deepEqual(subject.tick(4000), []);
        subject.receive(windowUpdate(1, 1));
      }
    });

    test("is not, as long as its application has not ended it", () => {
      const subject = waiting(false);
      assert.deepEqual(subject.tick(100_000), []);
    });
  });

  test("what waits for more has memory of its own, which is no longer than it is", () => {
    const blocks = new HeaderBlocks(LIMITS);
    blocks.begin(1, true, Buffer.from("a small part"), 0);
    assert.deepEqual(
      blocks.unfinished?.parts.map(({ buffer }) => buffer.byteLength),
      [12],
    );
    assert.equal(ownCopy(Buffer.from("half a frame"), 5, 12).buffer.byteLength, 7);
  });

  test("nothing is held of a header block once the connection has ended", () => {
    const subject = Subject.greeted();
    subject.receive(frame(FrameType.HEADERS, 0, 1, Buffer.alloc(100)));
    assert.equal(subject.connection.heldBytes, 100);
    subject.connection.lost("gone");
    assert.equal(subject.connection.heldBytes, 0);
  });

  test("half a frame is held, and no more than a frame", () => {
    const subject = Subject.greeted();
    const whole = frame(FrameType.HEADERS, Flag.END_HEADERS, 1, Buffer.alloc(16_384));
    const most = whole.length - 1;
    for (let at = 0; at < most; at += 1000) subject.receive(whole.subarray(at, Math.min(at + 1000, most)));
    assert.equal(subject.connection.heldBytes, most);
  });
});
