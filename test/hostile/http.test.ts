import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Target } from "./lib/target.ts";

let target: Target;
before(async () => {
  target = await Target.start();
});
after(() => target?.stop());

const OK = "GET /nacos/v1/ns/operator/metrics HTTP/1.1\r\nHost: a\r\n\r\n";

async function open(): Promise<Socket> {
  const socket = connect(target.httpPort, "127.0.0.1").on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Writes and reads until the server ends the connection; what came before a reset counts too. */
async function exchange(...chunks: readonly (string | Buffer)[]): Promise<string> {
  const socket = await open();
  let answers = "";
  socket.on("data", (chunk: Buffer) => {
    answers += chunk.toString("latin1");
  });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  for (const chunk of chunks) socket.write(chunk);
  await closed;
  return answers;
}

/** The statuses of the answers in a text, in order. */
const statuses = (answers: string): number[] =>
  [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

async function call(method: string, path: string, body?: string | Buffer, type?: string): Promise<[number, string]> {
  const headers = type === undefined ? {} : { "content-type": type };
  const answer = await fetch(`${target.url}${path}`, { method, headers, body: body ?? null });
  return [answer.status, await answer.text()];
}

const FORM = "application/x-www-form-urlencoded";

describe("bytes that are no HTTP", () => {
  const GARBAGE: Record<string, Buffer | string> = {
    zeros: Buffer.alloc(4096),
    "all bytes": Buffer.from(Array.from({ length: 256 }, (_, at) => at)),
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a TLS hello": Buffer.from("160301007a0100007603030000000000000000000000", "hex"),
    "a header without a name": "GET / HTTP/1.1\r\n: a\r\n\r\n",
    "no host": "GET / HTTP/1.1\r\n\r\n",
    "two lengths": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length and chunks":
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length that is none": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "a chunk that is none":
      "POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a method that is none": "BREW /nacos/v1/ns/instance HTTP/1.1\r\nHost: a\r\n\r\n",
    "a version that is none": "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    "a NUL in a header": "GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n",
  };
  for (const [what, bytes] of Object.entries(GARBAGE))
    test(`are answered with 400 and the connection ends: ${what}`, () =>
      target.survives(async () => {
        for (let at = 0; at < 5; at++) assert.deepEqual(statuses(await exchange(bytes)), [400], what);
      }));

  test("behind a good request end the connection", () =>
    target.survives(async () => {
      const socket = await open();
      socket.write(OK);
      assert.deepEqual(statuses(String(await once(socket, "data"))), [200]);
      socket.write("garbage\r\n\r\n");
      assert.deepEqual(statuses(String(await once(socket, "data"))), [400]);
      await once(socket, "close");
      // Answers on their way may be lost with the connection, for whoever writes this is no client.
      assert.equal(statuses(await exchange(`${OK}${OK}\0\0`)).at(-1), 400);
      assert.equal(statuses(await exchange(OK.repeat(1000), "garbage\r\n\r\n")).at(-1), 400);
    }));

  test("in a path are answered as a path that nobody serves", () =>
    target.survives(async () => {
      for (const path of [
        "/%",
        "/%zz",
        "/%00",
        "/nacos/%ff",
        "/../../etc/passwd",
        "/nacos/v1/ns/../../..",
        `/${"a/".repeat(5000)}`,
        "http://a/b",
        "/\x7f\xff",
      ]) {
        const [status = 0] = statuses(await exchange(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`));
        assert.ok((status >= 400 && status < 500) || status === 501, `${path} was answered with ${status}`);
      }
    }));
});

describe("a request beyond a bound", () => {
  test("has a body over the limit: 413, whatever its type and with or without a length, and the connection lives", () =>
    target.survives(async () => {
      const body = `serviceName=a&ip=10.1.1.1&port=1&metadata=${"x".repeat(11 * 1024 * 1024)}`;
      const chunk = `${(1024 * 1024).toString(16)}\r\n${"x".repeat(1024 * 1024)}\r\n`;
      const last = OK.replace("Host", "Connection: close\r\nHost");
      for (const type of [FORM, "application/json", "text/plain", "nonsense"]) {
        const head = `POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\n`;
        const whole = await exchange(`${head}Content-Length: ${body.length}\r\n\r\n`, body, last);
        assert.deepEqual(statuses(whole), [413, 200], type);
        const chunks = [...Array(4).fill(chunk), "0\r\n\r\n"];
        const chunked = await exchange(`${head}Transfer-Encoding: chunked\r\n\r\n`, ...chunks, last);
        assert.deepEqual(statuses(chunked), [413, 200], type);
      }
    }));

  test("has headers over 512 KiB: 431", () =>
    target.survives(async () => {
      for (const head of [
        `GET /nacos/v1/ns/instance/list?serviceName=${"a".repeat(600_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
        `GET / HTTP/1.1\r\nHost: a\r\nA: ${"a".repeat(600_000)}\r\n\r\n`,
        `GET / HTTP/1.1\r\nHost: a\r\n${"A: b\r\n".repeat(100_000)}\r\n`,
      ])
        assert.deepEqual(statuses(await exchange(head)), [431]);
    }));

  test("has very many parameters: 400", () =>
    target.survives(async () => {
      const [status, message] = await call("POST", "/v1/ns/instance", "a=1&".repeat(20_000), FORM);
      assert.deepEqual([status, /10000 parameters/.test(message)], [400, true]);
    }));
});

describe("a request that is slow", () => {
  test("holds nobody up, in its headers or in its body, a thousand at a time", () =>
    target.survives(async () => {
      const halves = [
        "POST /nacos/v1/ns/inst",
        "POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: a\r\nContent-Le",
        "POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nserviceName=",
        "POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nser",
      ];
      const sockets = await Promise.all(Array.from({ length: 1000 }, open));
      for (const [at, socket] of sockets.entries()) socket.write(halves[at % halves.length] as string);
      assert.equal((await call("GET", "/v1/console/health/readiness"))[0], 200);
      for (const socket of sockets) socket.destroy();
    }));
});

describe("parameters that nobody foresaw", () => {
  const VALUES = [
    ..."-1 0 65536 1.5 abc NaN Infinity -Infinity 1e309 1e5 0x10 99999999999999999999 true @@ a@@ @@a ## __proto__".split(
      " ",
    ),
    ...[
      "",
      " ",
      "\0",
      "a b",
      "配置",
      "x".repeat(3000),
      "{",
      "[]",
      "null",
      '{"__proto__":{"polluted":1}}',
      "%",
      "\uFFFF",
    ],
    `${"[".repeat(50_000)}${"]".repeat(50_000)}`,
    `{"type":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
    `{"type":"label","expression":"${"CONSUMER.label.a = PROVIDER.label.a & ".repeat(20)}"}`,
    `{"ip":"10.1.1.1","port":"x","metadata":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
  ];
  const VALID: Record<string, string> = {
    serviceName: "http-hostile",
    groupName: "DEFAULT_GROUP",
    namespaceId: "public",
    ip: "10.1.1.1",
    port: "8080",
    clusterName: "DEFAULT",
    weight: "1",
    enabled: "true",
    healthy: "true",
    ephemeral: "true",
    metadata: "a=b",
    protectThreshold: "0.5",
    selector: '{"type":"none"}',
    healthChecker: '{"type":"TCP"}',
    checkPort: "80",
    useInstancePort4Check: "true",
    beat: '{"ip":"10.1.1.1","port":8080}',
    pageNo: "1",
    pageSize: "10",
    instances: '[{"ip":"10.1.1.1","port":8080}]',
    consistencyType: "ephemeral",
    entry: "pushEnabled",
    value: "true",
    clientIP: "10.1.1.1",
    udpPort: "0",
    expr: "*",
    customNamespaceId: "hostile",
    namespaceName: "hostile",
    clientId: "10.1.1.1:8080#true",
  };
  const CALLS = [
    ...["POST", "PUT", "PATCH", "DELETE", "GET"].map((method) => `${method} /v1/ns/instance`),
    ...["GET /v1/ns/instance/list", "PUT /v1/ns/instance/beat", "PUT /v1/ns/instance/metadata/batch"],
    ...["POST", "PUT", "DELETE", "GET"].map((method) => `${method} /v1/ns/service`),
    ...["GET /v1/ns/service/list", "GET /v1/ns/service/subscribers", "GET /v1/ns/catalog/services"],
    ...["PUT /v1/ns/cluster", "PUT /v1/ns/health/instance", "PUT /v1/ns/operator/switches"],
    ...["POST", "PUT", "DELETE", "GET"].map((method) => `${method} /v2/ns/instance`),
    ...["GET /v2/ns/instance/list", "POST /v2/ns/service", "GET /v2/ns/client/list", "GET /v2/ns/client"],
    ...["POST", "DELETE"].map((method) => `${method} /v3/client/ns/instance`),
    ...["POST", "PUT", "DELETE", "GET"].map((method) => `${method} /v3/admin/ns/instance`),
    ...["POST", "PUT", "DELETE", "GET"].map((method) => `${method} /v3/admin/ns/service`),
    ...["PUT /v3/admin/ns/cluster", "PUT /v3/admin/ns/ops/switches", "POST /v1/console/namespaces"],
  ];

  test("are served or refused with 4xx in every naming call", () =>
    target.survives(async () => {
      const refused: string[] = [];
      let step = 0;
      await Promise.all(
        CALLS.map(async (line) => {
          const [method = "", path = ""] = line.split(" ");
          for (const name of Object.keys(VALID))
            for (const value of VALUES) {
              // A prime number of steps reaches every call, every parameter and every value.
              if (step++ % 7 !== 0) continue;
              const params = new URLSearchParams({ ...VALID, [name]: value });
              const reads = method === "GET" || method === "DELETE";
              const [status, body] = reads
                ? await call(method, `${path}?${params}`)
                : await call(method, path, params.toString(), FORM);
              if (status >= 500 && status !== 501)
                refused.push(`${line} ${name}=${value.slice(0, 40)}: ${status} ${body}`);
            }
        }),
      );
      assert.deepEqual(refused, []);
    }));

  test("in bodies of every type are read or refused with 4xx", () =>
    target.survives(async () => {
      const bodies = [
        "",
        "{",
        "[]",
        "null",
        '{"a":1}',
        "a=%",
        "=",
        "&&&",
        Buffer.from([0xff, 0xfe, 0]),
        VALUES.at(-1) ?? "",
      ];
      for (const type of [
        FORM,
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=a",
        "a/b",
        ";",
        "\x7f".slice(1),
      ])
        for (const body of bodies)
          for (const line of CALLS.filter((one) => !one.startsWith("GET"))) {
            const [method = "", path = ""] = line.split(" ");
            const [status, answer] = await call(method, path, body, type);
            assert.ok(status < 500 || status === 501, `${line} ${type}: ${status} ${answer}`);
          }
    }));
});

describe("the UDP socket that pushes leave from", () => {
  test("takes garbage and acknowledgements that nobody waits for", () =>
    target.survives(async () => {
      const socket = createSocket("udp4");
      socket.bind(0, "127.0.0.1");
      await once(socket, "listening");
      const { port } = socket.address();
      const packets: { readonly data: string; readonly lastRefTime: number }[] = [];
      let from: number | undefined;
      socket.on("message", (packet, sender) => {
        packets.push(JSON.parse(String(packet[0] === 0x1f ? gunzipSync(packet) : packet)));
        from = sender.port;
      });
      /** Acknowledges the newest push, again and again: so much garbage overflows the server's buffer. */
      const pushed = async (matches: (data: string) => boolean): Promise<number> => {
        while (!matches(packets.at(-1)?.data ?? "") || from === undefined) {
          const ack = JSON.stringify({ type: "push-ack", lastRefTime: String(packets.at(-1)?.lastRefTime), data: "" });
          if (from !== undefined) socket.send(ack, from, "127.0.0.1");
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        return from;
      };
      const query = `serviceName=udp&clientIP=127.0.0.1&udpPort=${port}`;
      const list = await fetch(`${target.url}/v1/ns/instance/list?${query}`, {
        headers: { "user-agent": "Nacos-Java-Client:v1.4.2" },
      });
      assert.equal(list.status, 200);
      await list.text();
      assert.equal((await call("POST", "/v1/ns/instance", "serviceName=udp&ip=10.1.1.1&port=1", FORM))[0], 200);
      const pushPort = await pushed((data) => data.includes('"port":1,'));
      const garbage = [
        "",
        "{",
        "null",
        '{"type":"push-ack","lastRefTime":{}}',
        '{"type":"push-ack","lastRefTime":"1"}',
        '{"__proto__":{"polluted":1}}',
        `{"type":"push-ack","lastRefTime":${"[".repeat(400)}${"]".repeat(400)}}`,
        Buffer.alloc(60_000),
        Buffer.from([0x1f, 0x8b, 0xff, 0xff]),
      ];
      for (let at = 0; at < 20_000; at++) {
        socket.send(garbage[at % garbage.length] as string | Buffer, pushPort, "127.0.0.1");
        if (at % 500 === 0) await new Promise(setImmediate);
      }
      // The push before this one is still unanswered: garbage has not taken the place of its acknowledgement.
      assert.equal((await call("POST", "/v1/ns/instance", "serviceName=udp&ip=10.1.1.1&port=2", FORM))[0], 200);
      await pushed((data) => data.includes('"port":2,'));
      socket.close();
    }));
});
