import assert from "node:assert/strict";
import { once } from "node:events";
import type { ClientHttp2Stream } from "node:http2";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { encodePayload, encodeUtf8, namingMessages } from "@nacre/protocol";
import { framed, RawClient } from "@nacre/testkit/grpc-client";
import { type Message, RegistryClient } from "@nacre/testkit/registry-client";
import { instance, instanceRequest, service, VALID } from "./lib/requests.ts";
import { Target } from "./lib/target.ts";

let target: Target;
before(async () => {
  target = await Target.start();
});
after(() => target?.stop());

/** A client for the length of one attack. */
async function withClient(attack: (client: RegistryClient) => Promise<void>): Promise<void> {
  const client = await RegistryClient.connect(target.grpcPort);
  try {
    await attack(client);
  } finally {
    client.close();
  }
}

/** A request is served, or refused with a failure that says what is wrong with it; never by accident. */
function assertForeseen({ type, body, text: written }: Message, of: string): void {
  const { response } = namingMessages[of as keyof typeof namingMessages];
  assert.ok(type === response || type === "ErrorResponse", `${of} was answered with ${type}`);
  if (body.resultCode === 200) return;
  assert.ok(body.errorCode !== 500 && body.message.length > 10, written.slice(0, 300));
}

describe("bytes that are no gRPC", () => {
  const GARBAGE: Record<string, Buffer | string> = {
    nothing: "",
    zeros: Buffer.alloc(4096),
    "all bytes": Buffer.from(Array.from({ length: 256 }, (_, at) => at)),
    "HTTP/1.1": "GET /nacos/v1/ns/instance/list?serviceName=a HTTP/1.1\r\nHost: a\r\n\r\n",
    "a TLS hello": Buffer.from("160301007a0100007603030000000000000000000000", "hex"),
    "half a preface": "PRI * HTTP/2.0\r\n\r\nS",
    "a preface and garbage": Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.alloc(999, 0xff)]),
    "a frame of 16 MiB that never comes": Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      Buffer.from("000000040000000000", "hex"),
      Buffer.from("ffffff000000000001", "hex"),
    ]),
  };
  for (const [what, bytes] of Object.entries(GARBAGE))
    test(`hurt nobody: ${what}`, () =>
      target.survives(async () => {
        const sockets: Socket[] = [];
        for (let at = 0; at < 20; at++) {
          const socket = connect(target.grpcPort, "127.0.0.1").on("error", () => {});
          sockets.push(socket);
          await once(socket, "connect");
          socket.write(bytes);
          // Half of them stay: they are ended when they are silent for too long.
          if (at % 2 === 0) socket.end();
        }
        for (const socket of sockets) socket.destroy();
      }));

  test("are ended when nothing follows within some seconds", () =>
    target.survives(async () => {
      const socket = connect(target.grpcPort, "127.0.0.1").on("error", () => {});
      socket.write("PRI * HTTP/2.0\r\n\r\nS");
      await once(socket.resume(), "close");
    }));
});

describe("a call whose frame is broken", () => {
  const FRAMES: Record<string, Buffer> = {
    "without its last byte": framed(encodePayload({ type: "HealthCheckRequest", body: new Uint8Array() })).subarray(
      0,
      -1,
    ),
    "of a prefix alone": framed("abc").subarray(0, 5),
    "of half a prefix": framed("abc").subarray(0, 3),
    "that claims to be compressed": Buffer.concat([Buffer.from([1]), framed("abc").subarray(1)]),
    "that claims 4 GiB": Buffer.concat([Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), Buffer.from("abc")]),
    "with two messages": Buffer.concat([framed("abc"), framed("abc")]),
  };
  for (const [what, bytes] of Object.entries(FRAMES))
    test(`${what} ends, and its connection lives`, () =>
      target.survives(async () => {
        const raw = await RawClient.connect(target.grpcPort);
        for (const path of ["/Request/request", "/nobody/knows"]) {
          const broken = raw.open(path);
          broken.resume().end(bytes);
          await once(broken, "close");
          const next = raw.unary(encodePayload({ type: "ServerCheckRequest", body: new Uint8Array() }));
          assert.match(await text(next), /"connectionId"/, "the same connection answers the next call");
        }
        const stream = raw.open();
        stream.resume().end(bytes);
        await once(stream, "close");
        raw.session.destroy();
      }));

  test("that never ends holds nobody up", () =>
    target.survives(async () => {
      const raw = await RawClient.connect(target.grpcPort);
      const calls: ClientHttp2Stream[] = [];
      for (let at = 0; at < 2000; at++) {
        const call = raw.open("/Request/request");
        call.write(framed("abc").subarray(0, 6));
        calls.push(call);
      }
      await new Promise<void>((resolve, reject) =>
        raw.session.ping((error) => (error === null ? resolve() : reject(error))),
      );
      raw.session.destroy();
    }));

  test("and is reset at once, ten thousand times, holds nobody up", () =>
    target.survives(async () => {
      const raw = await RawClient.connect(target.grpcPort);
      for (let at = 0; at < 10_000 && !raw.session.destroyed; at++) {
        raw.cancel(raw.open("/Request/request"));
        if (at % 500 === 0) await new Promise(setImmediate);
      }
      raw.session.destroy();
    }));
});

describe("a payload that is no message", () => {
  test("is answered with 502, whatever its bytes are", () =>
    target.survives(() =>
      withClient(async (client) => {
        for (const bytes of [
          "",
          "ff",
          "12",
          "127f",
          "1200ffffffffffffffffffff01",
          "0a05",
          "1a0212ff",
          "17",
          "120b1a0968c3",
        ]) {
          const answer = await client.grpc.unary(Buffer.from(bytes, "hex")).then(String);
          assert.match(answer, /"errorCode":(502|302)/, bytes);
        }
        for (const body of ["{", "[]", "7", "null", '"a"', "\xff\xfe", '{"a":1}}', "\0"]) {
          const answer = await client.call("InstanceRequest", Buffer.from(body, "latin1"));
          assert.deepEqual([answer.type, answer.body.errorCode], ["ErrorResponse", 502], body);
        }
        assert.equal((await client.call("HealthCheckRequest")).body.resultCode, 200);
      }),
    ));

  test("over 10 MiB and room for an envelope is answered with RESOURCE_EXHAUSTED, and the connection lives", () =>
    target.survives(() =>
      withClient(async (client) => {
        const huge = instanceRequest("huge", { metadata: { k: "v".repeat((10 * 1024 + 64) * 1024) } });
        for (let at = 0; at < 3; at++)
          await assert.rejects(client.call("InstanceRequest", huge), { code: status.RESOURCE_EXHAUSTED });
        assert.equal((await client.call("HealthCheckRequest")).body.resultCode, 200);
      }),
    ));

  test("just under 10 MiB is read and refused for what it says", () =>
    target.survives(() =>
      withClient(async (client) => {
        const large = instanceRequest("large", {
          metadata: { ["k".repeat(1024 * 1024)]: "v".repeat(8 * 1024 * 1024) },
        });
        const answer = await client.call("InstanceRequest", large);
        assert.match(answer.body.message, /'metadata' is illegal/);
      }),
    ));
});

describe("a field of a naming message", () => {
  const WRONG = [null, true, 0, -1, 1e308, "", "abc", "1e309", "NaN", "Infinity", [], [[]], {}, { a: { b: 1 } }];

  test("may have any type or be missing: the request is served or refused by name", () =>
    target.survives(() =>
      withClient(async (client) => {
        for (const [type, valid] of Object.entries(VALID))
          for (const field of Object.keys(valid)) {
            const { [field]: _, ...missing } = valid;
            assertForeseen(await client.call(type, missing), type);
            for (const wrong of WRONG) assertForeseen(await client.call(type, { ...valid, [field]: wrong }), type);
          }
      }),
    ));

  test("of an instance may have any type or be missing: the request is served or refused by name", () =>
    target.survives(() =>
      withClient(async (client) => {
        for (const field of Object.keys(instance())) {
          const { [field]: _, ...missing } = instance();
          for (const given of [missing, ...WRONG.map((wrong) => instance({ [field]: wrong }))]) {
            const single = { ...service("wrong"), type: "registerInstance", instance: given };
            assertForeseen(await client.call("InstanceRequest", single), "InstanceRequest");
            const batch = { ...service("wrong-batch"), type: "batchRegisterInstance", instances: [instance(), given] };
            assertForeseen(await client.call("BatchInstanceRequest", batch), "BatchInstanceRequest");
          }
        }
      }),
    ));

  test("out of its range is refused: ports, weights, names", () =>
    target.survives(() =>
      withClient(async (client) => {
        const refused = async (body: string | object, rule: RegExp): Promise<void> => {
          const answer = await client.call("InstanceRequest", body);
          assert.deepEqual(
            [answer.type, answer.body.resultCode, answer.body.errorCode],
            ["InstanceResponse", 500, 400],
          );
          assert.match(answer.body.message, rule);
        };
        for (const port of [-1, 65_536, 1.5, 1e300, "abc", "NaN", "Infinity"])
          await refused(instanceRequest("range", { port }), /port/);
        for (const weight of [-1, -0.001, 10_000.1, 1e300, "abc", "NaN", "-Infinity"])
          await refused(instanceRequest("range", { weight }), /weight/);
        // What JSON cannot say otherwise: a number beyond every double.
        for (const field of ["port", "weight"])
          await refused(
            JSON.stringify(instanceRequest("range")).replace(new RegExp(`"${field}":\\d+`), `"${field}":1e309`),
            new RegExp(field),
          );
        for (const ip of ["", " ", "a b", "配置", "x".repeat(129), "a\0b"])
          await refused(instanceRequest("range", { ip }), /ip/);
        for (const name of ["", " ", "@@", "a@@", "@@a", "a b", "a\0", "配置", "x".repeat(513), "a@@b@@c"])
          await refused(instanceRequest(name), /serviceName/);
        for (const namespace of ["a b", "ä", "x".repeat(65), "../.."])
          await refused({ ...instanceRequest("range"), namespace }, /namespaceId/);
        for (const groupName of ["a b", "a@b", "x".repeat(129)])
          await refused({ ...instanceRequest("range"), groupName }, /group/);
        for (const clusterName of ["a,b", "x".repeat(65), "a b"])
          await refused(instanceRequest("range", { clusterName }), /cluster/);
      }),
    ));

  test("with a hostile name is a field like any other", () =>
    target.survives(() =>
      withClient(async (client) => {
        const HOSTILE = [
          "__proto__",
          "constructor",
          "prototype",
          "toString",
          "hasOwnProperty",
          "valueOf",
          "\0",
          "$where",
        ];
        for (const [type, valid] of Object.entries(VALID))
          for (const name of HOSTILE) {
            const body = JSON.stringify(valid).replace("{", `{${JSON.stringify(name)}:{"polluted":true,"type":"x"},`);
            assert.equal((await client.call(type, body)).body.resultCode, 200, `${type} ${name}`);
          }
        const metadata = `{${HOSTILE.map((name) => `${JSON.stringify(name)}:"x"`).join()}}`;
        const body = JSON.stringify(instanceRequest("hostile")).replace('"metadata":{}', `"metadata":${metadata}`);
        assert.equal((await client.call("InstanceRequest", body)).body.resultCode, 200);
        const [host] = (await client.call("ServiceQueryRequest", service("hostile"))).body.serviceInfo.hosts;
        assert.deepEqual(Object.keys(host.metadata), HOSTILE);
        for (const name of HOSTILE.filter((one) => one !== "\0"))
          assert.equal((await client.call("InstanceRequest", instanceRequest(name))).body.resultCode, 200, name);
      }),
    ));

  test("with lone surrogates, a key of 1 MB or a hundred thousand levels is refused or passed over", () =>
    target.survives(() =>
      withClient(async (client) => {
        const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
        const long = "k".repeat(1024 * 1024);
        for (const [type, valid] of Object.entries(VALID)) {
          const body = JSON.stringify(valid);
          for (const extra of [
            `"nobody":${deep}`,
            `"${long}":1`,
            `"type":${deep}`,
            `"namespace":${deep}`,
            `"headers":${deep}`,
          ])
            assertForeseen(await client.call(type, body.replace("{", `{${extra},`)), type);
          const surrogate = body.replace('"public"', '"\\ud800"');
          const answer = await client.call(type, surrogate);
          assert.match(answer.body.message, /lone surrogate/, type);
        }
        for (const metadata of [`{"a":${deep}}`, deep, '{"\\ud800":"a"}', '{"a":"\\udfff"}']) {
          const body = JSON.stringify(instanceRequest("deep")).replace('"metadata":{}', `"metadata":${metadata}`);
          const answer = await client.call("InstanceRequest", body);
          assert.deepEqual([answer.body.errorCode, /metadata/.test(answer.body.message)], [400, true]);
        }
      }),
    ));
});

describe("a client that does not keep to the order of things", () => {
  test("is told 301 for every request before its setup, and changes nothing", () =>
    target.survives(async () => {
      const client = new RegistryClient(target.grpcPort);
      for (const [type, valid] of Object.entries(VALID)) {
        const body = { ...valid, ...("serviceName" in valid && { serviceName: "before-setup" }) };
        const answer = await client.call(type, body);
        assert.deepEqual([answer.type, answer.body.errorCode], ["ErrorResponse", 301], type);
      }
      client.close();
      await withClient(async (other) => {
        const found = await other.call("ServiceQueryRequest", service("before-setup"));
        assert.deepEqual(found.body.serviceInfo.hosts, []);
      });
    }));

  test("may open more streams and set up again: the first of each counts", () =>
    target.survives(() =>
      withClient(async (client) => {
        const more = [client.grpc.stream(), client.grpc.stream()];
        const setup = encodePayload({
          type: "ConnectionSetupRequest",
          body: encodeUtf8('{"clientVersion":"Other:v1","labels":{"module":"config"}}'),
        });
        for (const stream of more) stream.write(setup);
        client.send("ConnectionSetupRequest", { clientVersion: "Other:v1", labels: {} });
        await client.call("SubscribeServiceRequest", { ...service("twice"), subscribe: true });
        await client.call("InstanceRequest", instanceRequest("twice"));
        await client.pushed(({ body }) => body.serviceInfo?.name === "twice" && body.serviceInfo.hosts.length === 1);
        assert.deepEqual(
          more.map(({ received }) => received.length),
          [0, 0],
        );
        for (const stream of more) stream.cancel();
        await Promise.all(more.map(({ ended }) => ended));
        assert.equal((await client.call("HealthCheckRequest")).body.resultCode, 200, "the first stream still counts");
      }),
    ));

  test("may acknowledge what nobody sent, and write what nobody asked for", () =>
    target.survives(() =>
      withClient(async (client) => {
        for (let at = 0; at < 5000; at++) {
          client.send("NotifySubscriberResponse", { requestId: String(at * 7), resultCode: at % 2 === 0 ? 200 : 500 });
          client.send(`Nobody${at}Request`, { requestId: {}, a: [at] });
          if (at % 200 === 0) await client.call("HealthCheckRequest");
        }
        client.stream.write(Buffer.from("127f", "hex"));
        assert.equal((await client.call("HealthCheckRequest")).body.resultCode, 200);
      }),
    ));
});
