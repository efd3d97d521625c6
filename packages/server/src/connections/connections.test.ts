import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { encodePayload, namingMessages, RegistryError } from "@nacre/protocol";
import { connectionsOnPort, type OnPort } from "@nacre/testkit/connections-on-port";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { framed, RawClient } from "@nacre/testkit/grpc-client";
import { type Answer, type Feature, type Filter, feature, type RequestContext } from "./handlers.ts";

const { ServiceQueryRequest } = namingMessages;

function answering(handle: (context: RequestContext) => Answer | Promise<Answer>): Feature {
  return feature({ ServiceQueryRequest }, { ServiceQueryRequest: { handle: (_request, context) => handle(context) } });
}

function only(server: OnPort) {
  const [connection, ...others] = server.connections.list();
  assert.ok(connection !== undefined && others.length === 0, "exactly one connection is registered");
  return connection;
}

function pushTo(
  server: OnPort,
  requestId: string,
  body: Uint8Array = Buffer.from(`{"requestId":"${requestId}"}`),
): void {
  server.connections.push({
    to: [only(server).id],
    requestId,
    type: "NotifySubscriberRequest",
    body,
    expects: "NotifySubscriberResponse",
    timeoutMs: 5000,
  });
}

describe("the golden examples of the wire", { timeout: 20_000 }, () => {
  test("a server check", async (t) => {
    const server = await connectionsOnPort(t);
    const { type, body } = await server.client().call("ServerCheckRequest", '{"headers":{},"module":"internal"}');

    assert.equal(type, "ServerCheckResponse");
    const { connectionId, ...rest } = body;
    assert.deepEqual(rest, { resultCode: 200, errorCode: 0, success: true, supportAbilityNegotiation: true });
    assert.match(String(connectionId), /^\d{13}_127\.0\.0\.1_\d+$/);
  });

  test("the set-up of the Java client, to the byte of the answer", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    client.send(
      "ConnectionSetupRequest",
      `{"headers":{},"module":"internal","clientVersion":"Nacos-Java-Client:v3.1.0","tenant":"team-a",
        "labels":{"source":"sdk","module":"config","taskId":"0","AppName":"order-svc","tls.enable":"false",
        "Vipserver-Tag":"","Amory-Tag":"","Location-Tag":"","app_region":"eu"},
        "abilityTable":{"fuzzyWatch":true,"lock":true,"mcp":true}}`,
    );

    const [setupAck] = await client.stream.until(1);
    const body =
      '{"headers":{},"module":"internal",' +
      '"abilityTable":{"supportPersistentInstanceByGrpc":true,"fuzzyWatch":true,"lock":false,"mcp":false}}';
    const metadata = Buffer.from("\x1a\x0fSetupAckRequest\x42\x0910.20.0.2");
    const any = Buffer.concat([Buffer.from([0x12, 0x80 | (body.length & 0x7f), body.length >> 7]), Buffer.from(body)]);
    assert.equal(
      setupAck?.toString("hex"),
      Buffer.concat([
        Buffer.from([0x12, metadata.length]),
        metadata,
        Buffer.from([0x1a, 0x80 | (any.length & 0x7f), any.length >> 7]),
        any,
      ]).toString("hex"),
    );
    const { tenant, clientVersion, appName, module, source, labels, abilities, clientIp } = only(server);
    assert.deepEqual(
      { tenant, clientVersion, appName, module, source, abilities, clientIp, region: labels.app_region },
      {
        tenant: "team-a",
        clientVersion: "Nacos-Java-Client:v3.1.0",
        appName: "order-svc",
        module: "config",
        source: "sdk",
        abilities: { fuzzyWatch: true, lock: true, mcp: true },
        clientIp: "10.20.0.15",
        region: "eu",
      },
    );
  });

  test("a health check, registered and not", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    const before = await client.call("HealthCheckRequest", '{"headers":{},"module":"internal"}');
    assert.deepEqual(
      [before.type, before.text],
      ["ErrorResponse", '{"resultCode":500,"errorCode":301,"success":false,"message":"Connection is unregistered."}'],
    );

    await client.register();
    const after = await client.call("HealthCheckRequest", '{"headers":{},"module":"internal"}');
    assert.deepEqual(
      [after.type, after.text],
      ["HealthCheckResponse", '{"resultCode":200,"errorCode":0,"success":true}'],
    );
  });

  test("detection and reset", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();
    server.clock.advance(20_000);
    const detection = await client.next();
    const { requestId } = detection.body;
    assert.match(String(requestId), /^\d+$/);
    assert.deepEqual(
      [detection.type, detection.text, detection.clientIp],
      ["ClientDetectionRequest", `{"headers":{},"requestId":"${requestId}","module":"internal"}`, "10.20.0.2"],
    );
    client.send(
      "ClientDetectionResponse",
      `{"resultCode":200,"errorCode":0,"success":true,"requestId":"${requestId}"}`,
    );
    await client.call("HealthCheckRequest");
    assert.equal(only(server).phase, "live");

    const { id } = only(server);
    server.connections.reset(id, { ip: "10.20.0.3", port: 8848 });
    const reset = await client.next();
    assert.equal(reset.type, "ConnectResetRequest");
    assert.equal(
      reset.text,
      `{"headers":{},"requestId":"${reset.body.requestId}","module":"internal",` +
        `"serverIp":"10.20.0.3","serverPort":"8848","connectionId":"${id}"}`,
    );
  });

  test("a reset without a target leaves all three fields out", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();

    assert.equal(server.connections.reload(0), 1);

    const { text, body } = await client.next();
    assert.equal(text, `{"headers":{},"requestId":"${body.requestId}","module":"internal"}`);
  });
});

describe("a unary call", { timeout: 20_000 }, () => {
  test("is answered with 300 until the server is ready, the server check too", async (t) => {
    const server = await connectionsOnPort(t, { starting: true });
    const client = server.client();
    for (const type of ["ServerCheckRequest", "HealthCheckRequest", "NobodysRequest"]) {
      const { body, type: answered } = await client.call(type);
      assert.deepEqual(
        [answered, body.errorCode, body.message],
        ["ErrorResponse", 300, "Server is starting,please try later."],
      );
    }
    server.connections.ready();
    assert.equal((await client.call("ServerCheckRequest")).type, "ServerCheckResponse");
  });

  test("that arrives before the setup of its open stream waits for it", async (t) => {
    const server = await connectionsOnPort(t);
    const client = await RawClient.connect(server.port);
    t.after(() => client.session.destroy());
    const stream = client.open();
    await once(stream, "response");
    const call = client.unary(encodePayload({ type: "HealthCheckRequest", body: Buffer.from("{}") }));
    const answer = once(call, "data");
    // A second call that is answered at once shows that the first was read and waits.
    await once(client.unary(encodePayload({ type: "ServerCheckRequest", body: Buffer.from("{}") })), "data");

    stream.write(framed(encodePayload({ type: "ConnectionSetupRequest", body: Buffer.from('{"labels":{}}') })));

    assert.match(String(await answer), /HealthCheckResponse/);
  });

  test("waits half a second at most, and then is unregistered", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    client.send("HealthCheckRequest");
    // Two calls: the check shows that the stream was read, the other waits.
    await client.call("ServerCheckRequest");
    const waiting = client.call("HealthCheckRequest");
    await client.call("ServerCheckRequest");
    server.clock.advance(500);

    assert.equal((await waiting).body.errorCode, 301);
  });

  test("that waits for a setup is answered when its connection ends", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    client.send("HealthCheckRequest");
    await client.call("ServerCheckRequest");
    const waiting = client.call("HealthCheckRequest");
    await client.call("ServerCheckRequest");
    client.stream.end();

    assert.equal((await waiting).body.errorCode, 301);
  });

  test("finds headers in the metadata first, then in the body, in any case", async (t) => {
    const found: unknown[] = [];
    const server = await connectionsOnPort(t, {
      features: [
        answering(({ header }) => {
          found.push(header("ACCESSTOKEN"), header("app"), header("absent"), header("__proto__"));
          return {};
        }),
      ],
    });
    const client = server.client();
    await client.register();
    await client.call(
      "ServiceQueryRequest",
      { serviceName: "s", headers: { accessToken: "in the body", App: "shop", absent: 1 } },
      { accessToken: "in the metadata" },
    );

    assert.deepEqual(found, ["in the metadata", "shop", undefined, undefined]);
  });

  test("may be answered with bytes that were encoded before", async (t) => {
    const body = Buffer.from('{"resultCode":200,"errorCode":0,"success":true,"weight":1.0}');
    const server = await connectionsOnPort(t, { features: [answering(() => ({ body }))] });
    const client = server.client();
    await client.register();

    const { type, text } = await client.call("ServiceQueryRequest", { serviceName: "s" });
    assert.deepEqual([type, text], ["QueryServiceResponse", body.toString()]);
  });

  test("that meets a fault of the server is told no more than that; the log is told everything", async (t) => {
    for (const fails of [
      () => {
        throw new TypeError("secret detail");
      },
      () => Promise.reject(new TypeError("secret detail")),
      () => ({ cannotBeWritten: 1n }),
    ]) {
      const server = await connectionsOnPort(t, { features: [answering(fails)] });
      const client = server.client();
      await client.register();
      const { type, text } = await client.call("ServiceQueryRequest", { serviceName: "s" });

      assert.deepEqual(
        [type, text],
        [
          "ErrorResponse",
          '{"resultCode":500,"errorCode":500,"success":false,"message":"the server failed to handle this request"}',
        ],
      );
      const [error] = server.logged.filter(({ level }) => level === "error");
      assert.ok(error?.details.err instanceof TypeError);
    }
  });

  test("with a field of the wrong type is a typed failure that names the field", async (t) => {
    const server = await connectionsOnPort(t, { features: [answering(() => ({}))] });
    const client = server.client();
    await client.register();
    const { type, body } = await client.call("ServiceQueryRequest", { serviceName: 7 });

    assert.equal(type, "QueryServiceResponse");
    assert.equal(body.errorCode, 400);
    assert.match(String(body.message), /'serviceName'/);
    assert.ok(body.serviceInfo);
  });

  test("passes the filters in order; the first that throws gives the typed failure", async (t) => {
    const passed: string[] = [];
    let refuse = false;
    const filters: Filter[] = [
      () => void passed.push("first"),
      async () => {
        passed.push("second");
        if (refuse) throw new RegistryError("accessDenied", "user guest may not read");
      },
      () => void passed.push("third"),
    ];
    const server = await connectionsOnPort(t, { filters, features: [answering(() => ({}))] });
    const client = server.client();
    await client.register();
    passed.length = 0;
    await client.call("ServiceQueryRequest", { serviceName: "s" });
    assert.deepEqual(passed, ["first", "second", "third"]);

    refuse = true;
    const { type, body } = await client.call("ServiceQueryRequest", { serviceName: "s" });
    assert.deepEqual([type, body.errorCode, body.message], ["QueryServiceResponse", 403, "user guest may not read"]);
    assert.deepEqual(passed.slice(3), ["first", "second"]);
  });

  test("over a threshold is answered after a second", async (t) => {
    const over = answering(() => {
      throw new RegistryError("overThreshold", "Tps Flow restricted:query");
    });
    const server = await connectionsOnPort(t, { features: [over] });
    const client = server.client();
    await client.register();
    let answered = false;
    const call = client.call("ServiceQueryRequest", { serviceName: "s" }).then((message) => {
      answered = true;
      return message;
    });
    await client.call("HealthCheckRequest");
    server.clock.advance(999);
    await client.call("HealthCheckRequest");
    assert.equal(answered, false);
    server.clock.advance(1);

    assert.equal((await call).body.errorCode, 503);
  });

  test("of any shape is answered with status OK and never ends the connection", async (t) => {
    const server = await connectionsOnPort(t, { features: [answering(() => ({}))] });
    const client = server.client();
    await client.register();
    const cases: [unknown, number][] = [
      ["", 0],
      ["{}", 0],
      ["null", 502],
      ["[]", 502],
      ['{"serviceName":', 502],
      [Buffer.from([0x22, 0xff, 0x22]), 502],
      ["[".repeat(1_000_000), 502],
      ['{"__proto__":{"serviceName":"x"},"constructor":1}', 0],
      ['{"serviceName":"\\u0000"}', 0],
      ['{"serviceName":"\\ud800"}', 400],
      [`{"${"k".repeat(1_000_000)}":1}`, 0],
    ];
    for (const [body, errorCode] of cases) {
      const answer = await client.call("ServiceQueryRequest", body);
      assert.equal(answer.body.errorCode, errorCode, String(body).slice(0, 50));
    }
    for (const type of ["", "__proto__", "toString", "servicequeryrequest", "\0", "x".repeat(1_000_000)])
      assert.equal((await client.call(type)).body.errorCode, 302);
    for (const bytes of ["", "1", "\x12\x7f", "\xff".repeat(20)]) {
      const answer = String(await client.grpc.unary(Buffer.from(bytes, "latin1")));
      assert.match(answer, bytes === "" ? /302/ : /502/);
    }
    assert.equal(server.connections.count.all, 1);
  });

  test("is counted by type, outcome and time; types that nobody serves share a name", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();
    await client.call("HealthCheckRequest");
    for (const type of ["One", "Two"]) await client.call(type);

    const counts = [...server.connections.counters.calls].map(({ type, success, errorCode, count }) => [
      type,
      success,
      errorCode,
      count,
    ]);
    assert.deepEqual(counts, [
      ["HealthCheckRequest", true, 0, 2],
      ["unknown", false, 302, 2],
    ]);
    assert.deepEqual([...server.connections.counters.connections], [["naming", 1]]);
  });
});

describe("the stream", { timeout: 20_000 }, () => {
  test("survives whatever a client writes into it, and complains once for each kind", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();
    for (let round = 0; round < 2; round++) {
      client.send("OddRequest");
      client.send("NotifySubscriberResponse", "not JSON");
      client.send("NotifySubscriberResponse", { requestId: 7, resultCode: "x" });
      client.send("ConnectionSetupRequest", { labels: "none" });
      client.send("", "");
      client.send("__proto__");
      client.stream.write(Buffer.from([0x12, 0x7f]));
      client.stream.write("");
    }
    client.send("HealthCheckRequest");
    // An acknowledgement, to know that all of it was read.
    pushTo(server, "1");
    client.send("NotifySubscriberResponse", { requestId: "1" });
    await server.hears("acked 1");

    assert.equal(server.connections.count.all, 1);
    const complaints = server.logged.filter(({ level }) => level === "warn").map(({ details }) => details.kind);
    assert.deepEqual(complaints, [
      "type OddRequest",
      "body NotifySubscriberResponse",
      "body ConnectionSetupRequest",
      "type ",
      "type __proto__",
      "unreadable",
    ]);
  });

  test("acknowledgements with nulls, text for numbers or nothing at all are read as they are meant", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();
    const acks = { "1": { resultCode: "200" }, "2": { resultCode: null, errorCode: null, message: null }, "3": "" };
    for (const [requestId, body] of Object.entries(acks)) {
      pushTo(server, requestId);
      client.send("NotifySubscriberResponse", body);
      await server.hears(`acked ${requestId}`);
    }
  });

  test("with a setup beyond reason is ended", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    client.send("ConnectionSetupRequest", { labels: { long: "x".repeat(70_000) } });

    assert.equal(await client.stream.ended, status.UNAVAILABLE);
    assert.equal(server.connections.count.all, 0);
  });

  test("a fault in one feature does not keep another from hearing", async (t) => {
    const server = await connectionsOnPort(t);
    server.connections.listen({
      registered() {
        throw new Error("a fault");
      },
    });
    const heard = Promise.withResolvers<void>();
    server.connections.listen({ registered: () => heard.resolve() });
    await server.client().register();
    await heard.promise;

    assert.equal(server.logged.filter(({ level }) => level === "error").length, 1);
  });
});

describe("pushes", { timeout: 20_000 }, () => {
  test("reach every connection with one encoding, and settle one by one", async (t) => {
    const server = await connectionsOnPort(t);
    const clients = [server.client(), server.client(), server.client()];
    for (const client of clients) await client.register();
    const ids = [...server.connections.list()].map(({ id }) => id);
    server.connections.push({
      to: ids,
      requestId: "1",
      type: "NotifySubscriberRequest",
      body: Buffer.from('{"requestId":"1"}'),
      expects: "NotifySubscriberResponse",
      timeoutMs: 5000,
    });
    for (const client of clients) assert.equal((await client.next()).body.requestId, "1");

    clients[0]?.send("NotifySubscriberResponse", { requestId: "1" });
    await server.hears("acked 1");
    clients[1]?.stream.end();
    await server.hears("gone 1");
    server.clock.advance(5000);

    assert.deepEqual(
      server.settled.map(({ connectionId, outcome }) => [connectionId, outcome]),
      [
        [ids[0], "acked"],
        [ids[1], "gone"],
        [ids[2], "timeout"],
      ],
    );
    assert.deepEqual(server.connections.counters.settled, { acked: 1, refused: 0, timeout: 1, gone: 1, busy: 0 });
  });

  test("that a feature makes while it hears of a connection leave after what came before", async (t) => {
    const server = await connectionsOnPort(t);
    server.connections.listen({ registered: () => pushTo(server, "1") });
    const client = server.client();
    await client.register({ abilityTable: {} });

    assert.deepEqual(
      [(await client.next()).type, (await client.next()).type],
      ["SetupAckRequest", "NotifySubscriberRequest"],
    );
    assert.deepEqual(server.heard, ["registered 10.20.0.15"]);
    assert.deepEqual(
      server.logged.filter(({ level }) => level === "error"),
      [],
    );
  });

  test("of large lists leave in slices of 8 MiB", async () => {
    const { Outbox } = await import("./outbox.ts");
    const clock = new FakeClock();
    const sent: string[] = [];
    const outbox = new Outbox(clock, (to) => sent.push(to));
    outbox.add(
      new Uint8Array(1024 * 1024),
      Array.from({ length: 20 }, (_, n) => `c${n}`),
    );
    assert.equal(sent.length, 8);
    clock.advance(1);
    assert.equal(sent.length, 20, "the rest follows in turns of its own");
  });

  test("to very many leave in slices and keep their order", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();
    const { id } = only(server);
    const many = [...Array.from({ length: 600 }, (_, at) => `gone-${at}`), id];
    // Only connections that exist are sent to, so the slices are seen through the outbox itself.
    const { Outbox } = await import("./outbox.ts");
    const sent: string[] = [];
    const outbox = new Outbox(server.clock, (to, payload) => sent.push(`${payload[0]} ${to}`));
    outbox.add(Uint8Array.of(1), many);
    outbox.add(Uint8Array.of(2), [id]);
    assert.equal(sent.length, 512);
    server.clock.advance(1);

    assert.equal(sent.length, 602);
    assert.deepEqual(sent.slice(-2), [`1 ${id}`, `2 ${id}`]);
  });

  test("to a connection that does not read are busy, and after a minute it is dropped", async (t) => {
    const server = await connectionsOnPort(t);
    const client = await stuck(t, server);
    pushTo(server, "1", Buffer.alloc(300_000, 32));
    pushTo(server, "2");
    await server.hears("busy 2");
    // Alive, but not reading.
    for (let at = 0; at < 6; at++) {
      assert.equal(server.connections.count.all, 1);
      const call = client.unary(encodePayload({ type: "HealthCheckRequest", body: Buffer.from("{}") }));
      const { lastActiveAt } = only(server);
      server.clock.advance(10_000);
      while (server.connections.count.all === 1 && only(server).lastActiveAt === lastActiveAt)
        await new Promise((resolve) => setImmediate(resolve));
      call.close();
    }

    assert.equal(await server.hears("unregistered"), "unregistered: its send queue was over the limit for 60 s");
  });

  test("go on when a slow connection reads again", async (t) => {
    const server = await connectionsOnPort(t);
    const { stream } = await stuck(t, server);
    pushTo(server, "1", Buffer.alloc(300_000, 32));
    pushTo(server, "2");
    await server.hears("busy 2");

    stream.resume();
    let id = 2;
    while (server.heard.includes(`busy ${id}`)) {
      await new Promise((resolve) => setImmediate(resolve));
      pushTo(server, String(++id));
    }
    const ack = { type: "NotifySubscriberResponse", body: Buffer.from(`{"requestId":"${id}"}`) };
    stream.write(framed(encodePayload(ack)));
    await server.hears(`acked ${id}`);
  });

  async function stuck(t: TestContext, server: OnPort) {
    const client = await RawClient.connect(server.port);
    t.after(() => client.session.destroy());
    const stream = client.open();
    stream.pause();
    stream.write(framed(encodePayload({ type: "ConnectionSetupRequest", body: Buffer.from('{"labels":{}}') })));
    await server.hears("registered");
    return { stream, unary: (payload: Uint8Array) => client.unary(payload) };
  }
});

describe("stopping", { timeout: 20_000 }, () => {
  test("tells clients to leave, refuses new ones, and is done when all have gone", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();
    const drained = server.connections.drain(15_000);
    assert.equal((await client.next()).type, "ConnectResetRequest");
    await assert.rejects(server.client().call("ServerCheckRequest"), { code: status.UNAVAILABLE });
    client.stream.end();

    await drained;
    assert.equal(server.connections.count.all, 0);
  });

  test("ends those that stay", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();
    const drained = server.connections.drain(15_000);
    server.clock.advance(3_000);

    await drained;
    assert.equal(await client.stream.ended, status.UNAVAILABLE);
  });
});

test("a type that two features serve is a fault of the composition", async (t) => {
  const server = await connectionsOnPort(t, { features: [answering(() => ({}))] });
  assert.throws(() => server.connections.serve(answering(() => ({}))), /ServiceQueryRequest is served twice/);
});
