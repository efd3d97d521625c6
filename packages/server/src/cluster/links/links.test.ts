import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { frames, type Message } from "@nacre/core/distro";
import { GrpcServer } from "@nacre/grpc";
import { RegistryError } from "@nacre/protocol";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { ack, batch, CARD, HOST, idOf, large, member, pair, probeFor, rawPeer, rawSocket } from "./links.fixture.ts";

const TOO_MANY_OWNERS: Message = {
  type: "digest",
  loaded: true,
  owners: Array.from({ length: 1_001 }, (_, at) => ({ owner: `m${at}`, count: 1, hash: 1 })),
};
const probe = { type: "probe", seq: 1, card: CARD, row: [], list: undefined } as const;

describe("a link", () => {
  test("is told to both sides, and carries frames both ways in order", async (t) => {
    const [a, b] = await pair(t);
    assert.ok(a.told.includes("opened 1 as asked"));
    assert.ok(b.told.includes("opened 1"));

    a.links.sendFrame(1, probe);
    for (let at = 0; at < 100; at++) a.links.sendFrame(1, probeFor(`m${at}`));
    b.links.sendFrame(1, probeFor("back"));
    await b.until(() => b.frames.length === 101);
    assert.deepEqual(b.frames[0], probe);
    assert.deepEqual(
      b.frames.slice(1),
      Array.from({ length: 100 }, (_, at) => probeFor(`m${at}`)),
    );
    await a.until(() => a.frames.length === 1);
    assert.deepEqual(a.frames, [probeFor("back")]);
  });

  test("carries Distro messages in order, those of several frames too", async (t) => {
    const [a, b] = await pair(t);
    assert.ok(a.links.sendMessage(1, ack(1)));
    assert.ok(a.links.sendMessage(1, large(5_000_000, "big")));
    assert.ok(a.links.sendMessage(1, ack(2)));
    await b.until(() => b.messages.length === 3);
    const [first, second, third] = b.messages;
    assert.deepEqual(first, { type: "ack", seq: 1 });
    assert.equal(idOf(second), "big");
    assert.deepEqual(third, { type: "ack", seq: 2 });
  });

  test("lets frames of membership overtake Distro messages that wait", async (t) => {
    const [a, b] = await pair(t);
    for (let at = 0; at < 12; at++) a.links.sendMessage(1, large(1_000_000, `${at}`));
    a.links.sendFrame(1, probeFor("urgent"));
    await b.until(() => b.messages.length === 12);
    const at = b.told.indexOf("frame 1");
    const before = b.told.slice(0, at).filter((each) => each === "message 1").length;
    assert.ok(before <= 2, `${before} of 12 messages were handled before the frame`);
  });

  test("sends no more Distro messages than the peer has room for, and tells of new room", async (t) => {
    const [a, b] = await pair(t, {}, { limits: { creditMessages: 4 } });
    assert.ok(a.told.includes("credit 1: 4"));
    for (let at = 0; at < 10; at++) a.links.sendMessage(1, ack(at));
    assert.equal(a.links.facts().links[0]?.credit, 0);
    await b.until(() => b.messages.length === 10);
    assert.deepEqual(
      b.messages.map((message) => message.type === "ack" && message.seq),
      Array.from({ length: 10 }, (_, at) => at),
    );
    await a.until(() => a.links.facts().links[0]?.credit === 4);
  });

  test("drops and counts Distro messages when too many wait, and keeps what waits", async (t) => {
    const limits = { messageQueueBytesMax: 3_000_000 };
    const [a, b] = await pair(t, { limits });
    const taken = Array.from({ length: 10 }, (_, at) => a.links.sendMessage(1, large(1_000_000, `${at}`)));
    assert.deepEqual(taken, [...Array(3).fill(true), ...Array(7).fill(false)]);
    assert.equal(a.links.facts().links[0]?.messagesDropped, 7);
    await b.until(() => b.messages.length === 3);
    assert.deepEqual(b.messages.map(idOf), ["0", "1", "2"]);
  });

  test("hands on messages of members alone, and takes up between two messages", async (t) => {
    let known = false;
    const [a, b] = await pair(t, {}, { knows: () => known });
    a.links.sendMessage(1, large(3_000_000, "unseen"));
    a.links.sendFrame(1, probeFor("x"));
    await b.heard("frame 1");
    await b.until(() => b.links.facts().links[0]?.unhandledBytes === 0);
    await a.until(() => a.links.facts().links[0]?.credit === 16);
    known = true;
    a.links.sendMessage(1, ack(7));
    await b.heard("message 1");
    assert.deepEqual(b.messages, [{ type: "ack", seq: 7 }]);
  });

  test("carries frames of Raft in order, of members alone, before Distro messages that wait", async (t) => {
    let known = false;
    const [a, b] = await pair(t, {}, { knows: () => known });
    a.links.sendRaft(1, Buffer.from([9]));
    a.links.sendFrame(1, probeFor("x"));
    await b.heard("frame 1");
    known = true;
    for (let at = 0; at < 12; at++) a.links.sendMessage(1, large(1_000_000, `${at}`));
    for (let at = 0; at < 5; at++) assert.ok(a.links.sendRaft(1, Buffer.from([at])));
    await b.until(() => b.messages.length === 12);
    assert.deepEqual(
      b.raft.map((frame) => frame[0]),
      [0, 1, 2, 3, 4],
    );
    const before = b.told.slice(0, b.told.indexOf("raft 1")).filter((each) => each === "message 1").length;
    assert.ok(before <= 2, `${before} of 12 messages were handled before what Raft said`);
  });

  test("drops and counts frames of Raft when too many wait", async (t) => {
    const [a, b] = await pair(t, { limits: { raftQueueBytesMax: 3_000 } });
    const taken = Array.from({ length: 5 }, () => a.links.sendRaft(1, Buffer.alloc(1_000)));
    assert.deepEqual(taken, [true, true, false, false, false]);
    assert.equal(a.links.facts().links[0]?.raftDropped, 3);
    await b.until(() => b.raft.length === 2);
  });

  test("is closed when what Raft is sent is not what a member sends", async (t) => {
    const [a, b] = await pair(t);
    a.links.sendRaft(1, Buffer.from([0xff]));
    assert.match(await b.heard("closed"), /a frame of Raft is malformed: it is none/);
  });

  test("sends what is queued before it closes, and tells the peer why", async (t) => {
    const [a, b] = await pair(t);
    a.links.sendFrame(1, probeFor("last"));
    a.links.sendMessage(1, ack(9));
    a.links.closeLink(1, "it is over");
    a.links.sendFrame(1, probeFor("too late"));
    assert.equal(await b.heard("closed"), "closed 1: the peer closed the link: it is over");
    assert.deepEqual(b.frames, [probeFor("last")]);
    assert.deepEqual(b.messages, [{ type: "ack", seq: 9 }]);
    assert.equal(await a.heard("closed"), "closed 1: it is over");
    assert.equal(a.links.facts().links.length, 0);
    assert.equal(b.links.facts().links.length, 0);
  });

  test("closed by the side that was called tells the other one why, too", async (t) => {
    const [a, b] = await pair(t);
    b.links.sendFrame(1, { type: "refuse", code: "twin", sentence: "you are me", id: "b" });
    b.links.closeLink(1, "you are me");
    assert.equal(await a.heard("closed"), "closed 1: the peer closed the link: you are me");
    assert.equal(a.frames[0]?.type, "refuse", "what came before the end is handed on before it");
    assert.equal(await b.heard("closed"), "closed 1: you are me");
  });

  test("ends with its connection", async (t) => {
    const [a, b] = await pair(t);
    await b.links.close(0);
    assert.match(await a.heard("closed"), /^closed 1: /);
  });

  test("does not wait for another one whose peer is slow", async (t) => {
    const a = await member(t);
    const slow = await rawSlowPeer(t, a);
    const b = await member(t);
    a.links.connect(b.address);
    await a.heard("credit 2");
    for (let at = 0; at < 12; at++) a.links.sendMessage(slow, large(1_000_000));
    for (let at = 0; at < 12; at++) a.links.sendMessage(2, ack(at));
    await b.until(() => b.messages.length === 12);
    assert.equal(b.messages.length, 12);
  });

  test("is given up when its peer takes nothing of what waits", async (t) => {
    const clock = new FakeClock();
    const a = await member(t, { clock, limits: { stalledMs: 5_000 } });
    const link = await rawSlowPeer(t, a);
    // More than the peer's window holds.
    for (let at = 0; at < 5; at++) a.links.sendMessage(link, large(1_000_000));
    clock.advance(4_000);
    assert.equal(a.links.facts().links.length, 1);
    clock.advance(3_000);
    assert.equal(await a.heard("closed"), "closed 1: it has taken nothing for 5 s");
    assert.match(a.warnings.join(), /a link was given up/);
  });

  test("is given up when more frames of membership wait than a peer that takes them leaves behind", async (t) => {
    const a = await member(t, { limits: { frameQueueBytesMax: 100_000 } });
    await rawSlowPeer(t, a);
    for (let at = 0; at < 1_000; at++) a.links.sendFrame(1, probeFor("x".repeat(190)));
    assert.equal(await a.heard("closed"), "closed 1: it takes no frames of membership");
  });

  test("gives way to the rest of the process while it hands on what came", async (t) => {
    const [a, b] = await pair(t, {}, { message: () => busy(4) });
    let turns = 0;
    const turn = (): void => {
      turns++;
      if (b.told.filter((each) => each === "message 1").length < 12) setImmediate(turn);
    };
    setImmediate(turn);
    for (let at = 0; at < 12; at++) a.links.sendMessage(1, ack(at));
    await b.until(() => b.told.filter((each) => each === "message 1").length === 12);
    assert.ok(turns >= 5, `${turns} turns of the loop for 12 messages of 4 ms each`);
  });

  test("stands beside others: three members, each of which has called the two others", async (t) => {
    const all = await Promise.all([member(t), member(t), member(t)]);
    for (const from of all) for (const to of all) if (from !== to) from.links.connect(to.address);
    for (const each of all) {
      await each.until(() => each.links.facts().links.length === 4);
      await each.until(() => each.told.filter((what) => what.startsWith("credit")).length === 4);
    }
    for (const from of all)
      for (const { link, address } of from.links.facts().links)
        if (address !== undefined) from.links.sendMessage(link, large(2_000_000, from.address));
    for (const each of all) {
      await each.until(() => each.messages.length === 2);
      const others = all.filter((other) => other !== each).map(({ address }) => address);
      assert.deepEqual(each.messages.map(idOf).sort(), others.sort());
    }
  });

  test("is given up when its peer makes no room for Distro messages", async (t) => {
    const clock = new FakeClock();
    const a = await member(t, { clock, limits: { creditMs: 5_000 } });
    const { ended } = await rawPeer(t, a);
    await a.heard("opened");
    a.links.sendMessage(1, ack(1));
    clock.advance(4_000);
    assert.equal(a.links.facts().links.length, 1);
    clock.advance(3_000);
    assert.equal(await a.heard("closed"), "closed 1: it has made no room for Distro messages for 5 s");
    await ended;
  });

  test("leaves no timer behind", async (t) => {
    const clock = new FakeClock();
    const [a, b] = await pair(t, { clock });
    a.links.closeLink(1, "done");
    await b.heard("closed");
    await a.heard("closed");
    assert.equal(clock.waiting, 0);
  });
});

describe("connecting", () => {
  test("to a machine on which nobody listens is refused", async (t) => {
    const a = await member(t);
    const gone = createServer().listen(0, HOST);
    await new Promise((resolve) => gone.once("listening", resolve));
    const { port } = gone.address() as { port: number };
    await new Promise((resolve) => gone.close(resolve));
    a.links.connect(`${HOST}:${port}`);
    assert.match(
      await a.heard("connectFailed"),
      /^connectFailed, refused: connect ECONNREFUSED$/,
      "address and all else once",
    );
    assert.equal(a.links.facts().connectFailures, 1);
  });

  test("to somebody who does not greet fails in time, and is not called refused", async (t) => {
    const a = await member(t, { limits: { connectMs: 100 } });
    const silent = createServer(() => {}).listen(0, HOST);
    t.after(() => silent.close());
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port } = silent.address() as { port: number };
    a.links.connect(`${HOST}:${port}`);
    assert.match(await a.heard("connectFailed"), /^connectFailed: it took more than 100 ms$/);
  });

  test("to a gRPC server that opens the stream and says nothing fails in time", async (t) => {
    const a = await member(t, { limits: { connectMs: 200 } });
    const server = new GrpcServer({
      host: HOST,
      port: 0,
      methods: { "/nacre.Cluster/Link": { type: "stream", open: () => ({ message: () => {} }) } },
    });
    t.after(() => server.close(0));
    a.links.connect(`${HOST}:${await server.listen()}`);
    assert.match(await a.heard("connectFailed"), /^connectFailed: it did not greet within 200 ms$/);
  });

  test("to a server of another kind says that it is none of this cluster", async (t) => {
    const a = await member(t);
    const server = new GrpcServer({ host: HOST, port: 0, methods: {} });
    t.after(() => server.close(0));
    a.links.connect(`${HOST}:${await server.listen()}`);
    assert.match(
      await a.heard("connectFailed"),
      /no member of a Nacre cluster: it does not know \/nacre.Cluster\/Link/,
    );
  });

  test("adds the offset to the main port, for IPv6 too, and refuses what is no port", async (t) => {
    const a = await member(t);
    a.links.connect("[::1]:1");
    assert.match(await a.heard("connectFailed"), /^connectFailed.*: connect E(CONNREFUSED|ADDRNOTAVAIL)/);
  });
});

describe("calls", () => {
  const failing = new RegistryError("serviceNotFound", "no service 'a'");
  const calls = {
    double: (payload: unknown) => 2 * (payload as number),
    later: async (payload: unknown, from: string) => ({ payload, from }),
    fail: () => Promise.reject(failing),
    break: () => {
      throw new TypeError("a fault of the program");
    },
    never: () => new Promise(() => {}),
    huge: () => "x".repeat(2_000_000),
    nothing: () => undefined,
  };

  test("are answered both ways, whoever opened the link", async (t) => {
    const [a, b] = await pair(t, { calls }, { calls });
    assert.equal(await a.links.call(1, "double", 21, 1_000), 42);
    assert.deepEqual(await b.links.call(1, "later", { x: "é" }, 1_000), { payload: { x: "é" }, from: "peer" });
    assert.equal(await a.links.call(1, "nothing", null, 1_000), null);
    const facts = a.links.facts().links[0];
    assert.equal(facts?.callsAnswered, 2);
    assert.equal(facts?.callsServed, 1);
    assert.ok((facts?.roundTripMs ?? -1) >= 0);
  });

  test("run side by side", async (t) => {
    const [a] = await pair(t, {}, { calls });
    const slow = assert.rejects(a.links.call(1, "never", 0, 200), {
      failure: "peerUnreachable",
      message: "no answer to call 'never' within 200 ms",
    });
    const answers = await Promise.all(Array.from({ length: 100 }, (_, at) => a.links.call(1, "double", at, 5_000)));
    assert.deepEqual(
      answers,
      Array.from({ length: 100 }, (_, at) => 2 * at),
    );
    await slow;
  });

  test("keep the name and the sentence of a failure; a fault of the program stays at home", async (t) => {
    const [a, b] = await pair(t, {}, { calls });
    await assert.rejects(a.links.call(1, "fail", {}, 1_000), { failure: "serviceNotFound", message: "no service 'a'" });
    await assert.rejects(a.links.call(1, "break", {}, 1_000), {
      failure: "serverError",
      message: "the server failed to handle this request",
    });
    assert.match(b.warnings.join(), /a call of another member failed/);
    await assert.rejects(a.links.call(1, "unheard", {}, 1_000), { failure: "noHandler" });
    await assert.rejects(a.links.call(1, "toString", {}, 1_000), { failure: "noHandler" });
  });

  test("have a bound of bytes both ways", async (t) => {
    const [a] = await pair(t, {}, { calls });
    await assert.rejects(a.links.call(1, "huge", {}, 1_000), { failure: "bodyTooLarge" });
    await assert.rejects(a.links.call(1, "double", "x".repeat(2_000_000), 1_000), { failure: "bodyTooLarge" });
    assert.equal(await a.links.call(1, "double", 1, 1_000), 2, "the link stands all the same");
  });

  test("beyond the number that may wait fail at once, and so does what comes over a link that is gone", async (t) => {
    const [a] = await pair(t, { limits: { callsMax: 2 } }, { calls });
    const waiting = [1, 2].map(() =>
      assert.rejects(a.links.call(1, "never", 0, 5_000), { failure: "peerUnreachable", message: /no more/ }),
    );
    await assert.rejects(a.links.call(1, "double", 1, 1_000), { failure: "overThreshold" });
    a.links.closeLink(1, "no more");
    await Promise.all(waiting);
    await assert.rejects(a.links.call(1, "double", 1, 1_000), { failure: "peerUnreachable" });
    await assert.rejects(a.links.call(77, "double", 1, 1_000), { failure: "peerUnreachable" });
  });

  test("beyond the number that the peer serves are refused", async (t) => {
    const [a] = await pair(t, {}, { calls, limits: { callsMax: 1 } });
    const waiting = assert.rejects(a.links.call(1, "never", 0, 300), { failure: "peerUnreachable" });
    await assert.rejects(a.links.call(1, "double", 1, 1_000), { failure: "overThreshold" });
    await waiting;
  });

  test("of somebody who is not known as a member are refused", async (t) => {
    const [a] = await pair(t, {}, { calls, knows: () => false });
    await assert.rejects(a.links.call(1, "double", 1, 1_000), { failure: "peerUnreachable" });
  });

  test("fail when the peer dies", async (t) => {
    const [a, b] = await pair(t, {}, { calls });
    const failed = assert.rejects(a.links.call(1, "never", 0, 5_000), { failure: "peerUnreachable" });
    await b.links.close(0);
    await failed;
  });
});

describe("what no member sends", () => {
  const cases: readonly (readonly [string, Buffer, RegExp])[] = [
    ["an unknown kind", Buffer.from([99, 0, 0, 0, 0]), /unknown kind 99/],
    ["half a head", Buffer.from([0, 0]), /ends inside the head/],
    ["half a body", Buffer.from([0, 0, 0, 0, 9, 1]), /ends inside an envelope of kind 'frame'/],
    ["a body beyond the bound", Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), /more than 1048576/],
    ["a frame that is not JSON", batch(["frame", "{"]), /is not JSON/],
    ["a frame of an unknown type", batch(["frame", '{"type":"hello"}']), /unknown type .*hello/],
    [
      "a frame with a wrong field",
      batch(["frame", '{"type":"probeFor","target":7}']),
      /'target' of a frame is a number/,
    ],
    ["a Distro message that is none", batch(["message", Buffer.from([0, 255])]), /a Distro message is malformed/],
    [
      "a Distro message that breaks a rule",
      batch(["message", Buffer.concat(frames(TOO_MANY_OWNERS))]),
      /a Distro message breaks a rule: a digest names 1001 owners/,
    ],
    [
      "a frame with a number at the end of numbers",
      batch(["frame", '{"type":"probe","seq":9007199254740991}']),
      /'seq' of a frame is 9007199254740991/,
    ],
    ["an answer without a number", batch(["answer", "{}"]), /an answer has no number/],
    ["a call without a name", batch(["call", '{"number":1}']), /a call has no name/],
    ["a short credit", batch(["credit", "xyz"]), /a credit has 3 bytes/],
  ];
  for (const [what, bytes, sentence] of cases) {
    test(`${what} closes the link with the reason, which is logged once`, async (t) => {
      const b = await member(t);
      for (let turn = 1; turn <= 2; turn++) {
        const { call, ended } = await rawPeer(t, b);
        call.send(bytes);
        assert.match(await b.heard(`closed ${turn}`), sentence);
        assert.match(await ended, sentence, "the peer is told");
      }
      assert.equal(b.warnings.length, 1);
      assert.match(b.warnings.join(), sentence);
      assert.equal(b.links.facts().malformed, 2);
    });
  }

  test("more Distro messages than there is room for close the link", async (t) => {
    const b = await member(t, { limits: { creditMessages: 2 } });
    const { call } = await rawPeer(t, b);
    const [message = new Uint8Array()] = ack(1);
    call.send(batch(["message", message], ["message", message], ["message", message]));
    assert.match(await b.heard("closed"), /for which it was given no room/);
  });

  test("a message beyond the bound of the stream closes it", async (t) => {
    const b = await member(t);
    const { call, ended } = await rawPeer(t, b);
    call.send(Buffer.alloc(1_100_000));
    assert.match(await ended, /larger than the 1048581/);
    await b.heard("closed");
  });

  test("bytes that are no HTTP/2 are answered with the end of the connection", async (t) => {
    const b = await member(t);
    const socket = await rawSocket(t, b);
    socket.resume().write("GET / HTTP/1.1\r\n\r\n");
    await new Promise((resolve) => socket.once("close", resolve));
    assert.deepEqual(b.told, []);
  });

  test("calls of SDKs and of Nacos servers are refused with a sentence, and logged once", async (t) => {
    const { connectGrpc } = await import("@nacre/grpc");
    const b = await member(t);
    const connection = await connectGrpc({ host: HOST, port: b.port });
    t.after(() => connection.destroy());
    for (const _ of [1, 2])
      await assert.rejects(connection.unary("/Request/request", Buffer.alloc(0)), {
        status: 9,
        message: /cluster port of a Nacre member.*a Nacos server cannot be a member/,
      });
    const { promise, resolve } = Promise.withResolvers<string>();
    connection.call("/BiRequestStream/requestBiStream", { message: () => {}, closed: (_, text) => resolve(text) });
    assert.match(await promise, /cluster port of a Nacre member/);
    assert.equal(b.warnings.length, 1);
    assert.equal(b.links.facts().strangers, 3);
  });
});

function busy(forMs: number): void {
  const until = performance.now() + forMs;
  while (performance.now() < until);
}

/** Opens a link to the member and reads nothing of it. @returns the number of the link there. */
async function rawSlowPeer(t: Parameters<typeof rawPeer>[0], to: Parameters<typeof rawPeer>[1]): Promise<number> {
  const { call } = await rawPeer(t, to);
  const credit = Buffer.alloc(16);
  credit.writeBigUInt64BE(1_000n, 0);
  credit.writeBigUInt64BE(100_000_000n, 8);
  call.send(batch(["credit", credit]));
  call.pause();
  await to.heard("credit");
  return 1;
}
