import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { newAuthority } from "@nacre/testkit/certificates";
import type { CallOptions, ClientListener, Methods } from "../grpc/call.ts";
import { GRPC_LIMITS } from "../grpc/limits.ts";
import { Metadata } from "../grpc/metadata.ts";
import { type ConnectOptions, connectGrpc } from "./client.ts";
import { limitsOf } from "./options.ts";
import { GrpcServer, type ServerOptions } from "./server.ts";

const METHODS: Methods = { "/test/Echo": { type: "unary", handle: (message) => message } };
const HOST = "127.0.0.1";
const authority = newAuthority();
const own = authority.issue("server");
const other = authority.issue("other");

/** As JavaScript gives it, or what comes out of a file. */
const serverWith = (options: object) => new GrpcServer({ port: 0, methods: METHODS, ...options } as ServerOptions);
const connectedWith = (options: object) => connectGrpc({ host: HOST, port: 1, ...options } as ConnectOptions);

const BOTH: readonly (readonly [options: object, message: string])[] = [
  [{ port: -1 }, "options.port is -1 but must be a whole number from "],
  [{ port: "8080" }, "options.port is '8080' but must be a whole number from "],
  [{ port: 65_536 }, "options.port is 65536 but must be a whole number from "],
  [{ port: 1.5 }, "options.port is 1.5 but must be a whole number from "],
  [{ port: undefined }, "options.port is missing"],
  [{ host: 5 }, "options.host is 5 but must be a text that is not empty"],
  [{ host: "" }, "options.host is '' but must be a text that is not empty"],
  [{ host: "http://here" }, "options.host is 'http://here' but must be a name or an address, without scheme and path"],
  [
    { host: "127.0.0.1:50051" },
    "options.host is '127.0.0.1:50051' but must be a name or an address; its port is another",
  ],
  [
    { host: "[::1]" },
    "options.host is '[::1]' but must be a name or an address; its port is another option, and IPv6 ",
  ],
  [{ limits: 3 }, "options.limits is 3 but must be an object"],
  [{ limits: { streamsMax: 0 } }, "options.limits.streamsMax is 0 but must be a whole number from 1 to 2147483647"],
  [
    { limits: { queuedBytesMax: Number.NaN } },
    "options.limits.queuedBytesMax is NaN but must be a whole number from 1 ",
  ],
  [
    { limits: { streamWindowBytes: 1000 } },
    "options.limits.streamWindowBytes is 1000 but must be a whole number from 65535 to 2147483647",
  ],
  [{ limits: { partialMs: -1 } }, "options.limits.partialMs is -1 but must be milliseconds from 1 to 2147483647"],
  [{ limits: { resets: 3 } }, "options.limits.resets is 3 but must be an object"],
  [{ limits: { resets: { burst: 3 } } }, "options.limits.resets.perSecond is missing"],
  [{ limits: { messageBytesMaks: 3 } }, "options.limits.messageBytesMaks does not exist; there is streamsMax, "],
  [
    { limits: { messageBytesMax: 64 * 1024 * 1024 } },
    "options.limits.partialBytesMax is 33554432 bytes, but messageBytesMax is 67108864: the largest message could never",
  ],
  [{ keepAlive: true }, "options.keepAlive is true but must be an object"],
  [{ keepAlive: { idleMs: 5 } }, "options.keepAlive.timeoutMs is missing"],
  [{ keepAlive: { idleMs: 0, timeoutMs: 1 } }, "options.keepAlive.idleMs is 0 but must be milliseconds from 1 to "],
  [{ gzip: "yes" }, "options.gzip is 'yes' but must be true or false"],
  [{ onError: true }, "options.onError is true but must be a function"],
  [{ tls: true }, "options.tls is true but must be an object"],
  [
    { tls: { cert: "server.pem", key: own.key } },
    "options.tls.cert must be the content of a PEM file, which has a line ",
  ],
  [{ tls: { ...own, passphrase: 1234 } }, "options.tls.passphrase must be a text"],
  [{ prot: 5 }, "options.prot does not exist; there is host, port, "],
];

describe("a server's options", () => {
  for (const [options, message] of [
    ...BOTH,
    [{ methods: undefined }, "options.methods is missing"],
    [
      { methods: { "test/Echo": METHODS["/test/Echo"] } },
      "options.methods has 'test/Echo', which is no path of a method; it is /package.Service/Method",
    ],
    [{ methods: { "/t/X": () => {} } }, "options.methods['/t/X'] is a function but must be an object"],
    [
      { methods: { "/t/X": { type: "unari" } } },
      "options.methods['/t/X'].type is 'unari' but must be one of 'unary', 'stream'",
    ],
    [{ methods: { "/t/X": { type: "unary" } } }, "options.methods['/t/X'].handle is undefined but must be a function"],
    [{ methods: { "/t/X": { type: "stream" } } }, "options.methods['/t/X'].open is undefined but must be a function"],
    [{ connectionsMax: 0 }, "options.connectionsMax is 0 but must be a whole number from 1 to 2147483647"],
    [{ firstCallMs: 1e12 }, "options.firstCallMs is 1000000000000 but must be milliseconds from 1 to 2147483647"],
    [{ accepts: true }, "options.accepts is true but must be a function"],
    [{ tls: {} }, "options.tls.cert is missing"],
    [
      { tls: { ...own, clientCertificates: "require" } },
      "options.tls.clientCertificates is 'require' but must be one of 'none', 'optional', 'required'",
    ],
    [{ tls: { ...own, clientCertificates: "required" } }, "options.tls.ca is missing; "],
    [
      { tls: { cert: own.cert, key: other.key } },
      "options.tls cannot be used; look whether key and passphrase belong ",
    ],
  ] as const) {
    test(`are refused: ${message}`, () => {
      assert.throws(() => serverWith(options), refusal(message));
    });
  }

  test("never tell a secret when they are refused", () => {
    const secret = "the key itself";
    for (const tls of [
      { cert: own.cert, key: secret },
      { ...own, passphrase: [secret] },
    ]) {
      assert.throws(
        () => serverWith({ tls }),
        (error) => error instanceof TypeError && !error.message.includes(secret),
      );
    }
  });

  test("may name a host by any address", () => {
    for (const host of ["::", "fe80::1%lo", "0.0.0.0", "localhost"]) serverWith({ host });
  });

  test("that are there but undefined are as if they were not", () => {
    assert.deepEqual(limitsOf({ streamsMax: 5, messageBytesMax: undefined } as object), {
      ...GRPC_LIMITS,
      streamsMax: 5,
    });
    serverWith({ host: undefined, limits: { messageBytesMax: undefined }, tls: undefined, keepAlive: undefined });
  });
});

describe("a server", () => {
  test("is closed within a time", async () => {
    const refused = refusal("graceMs is undefined but must be milliseconds from 0 upwards");
    await assert.rejects(serverWith({}).close(undefined as unknown as number), refused);
    await assert.rejects(serverWith({}).close(-1), TypeError);
    await serverWith({}).close(Number.POSITIVE_INFINITY);
  });

  test("takes new certificates that fit together, if it has had some", () => {
    assert.throws(() => serverWith({}).renewTls(own), refusal("renewTls: the server was made without options.tls"));
    const server = serverWith({ tls: own });
    assert.throws(
      () => server.renewTls({ ...own, cert: "new.pem" }),
      refusal("tls.cert must be the content of a PEM file"),
    );
    assert.throws(() => server.renewTls({ ...own, key: other.key }), refusal("tls cannot be used; "));
    server.renewTls(other);
  });

  test("takes new certificates and nothing else: who may connect stays as it was", () => {
    const server = serverWith({ tls: { ...own, ca: own.cert, clientCertificates: "required" } });
    assert.throws(
      () => server.renewTls({ ...own, clientCertificates: "none" }),
      refusal("tls.clientCertificates is none but was required; only a new server can change it"),
    );
    assert.throws(
      () => server.renewTls({ ...own, plaintext: true }),
      refusal("tls.plaintext is true but was false; only a new server can change it"),
    );
    server.renewTls(own);
    server.renewTls({ ...own, ca: own.cert, clientCertificates: "required", plaintext: false });
  });
});

describe("a connection's options", () => {
  for (const [options, message] of [
    ...BOTH,
    [{ host: undefined }, "options.host is missing"],
    [{ port: 0 }, "options.port is 0 but must be a whole number from 1 to 65535"],
    [{ connectTimeoutMs: "5s" }, "options.connectTimeoutMs is '5s' but must be milliseconds from 1 to 2147483647"],
    [{ waitingCallsMax: -1 }, "options.waitingCallsMax is -1 but must be a whole number from 0 to 2147483647"],
    [{ draining: true }, "options.draining is true but must be a function"],
    [{ tls: { cert: own.cert } }, "options.tls has a cert without a key; give both"],
    [{ tls: { key: own.key } }, "options.tls has a key without a cert; give both"],
  ] as const) {
    test(`are refused: ${message}`, async () => {
      await assert.rejects(connectedWith(options), refusal(message));
    });
  }
});

test("a call is refused when it is made, its field and rule named", async (t) => {
  const server = serverWith({ host: HOST });
  t.after(() => server.close(0));
  const connection = await connectGrpc({ host: HOST, port: await server.listen() });
  t.after(() => connection.destroy());
  const bytes = Buffer.from("x");
  const listener: ClientListener = { message: () => {}, closed: () => {} };
  for (const [options, message] of [
    [{ deadlineMs: "500" }, "options.deadlineMs is '500' but must be a number of milliseconds"],
    [{ deadlineMs: Number.NaN }, "options.deadlineMs is NaN but must be a number of milliseconds"],
    [{ metadata: { a: "b" } }, "options.metadata is an object but must be a Metadata"],
    [{ deadline: 5 }, "options.deadline does not exist; there is metadata, deadlineMs"],
    [null, "options is null but must be an object"],
  ] as const) {
    const given = options as CallOptions;
    await assert.rejects(connection.unary("/test/Echo", bytes, given), refusal(message));
    assert.throws(() => connection.call("/test/Echo", listener, given), refusal(message));
  }
  const text = "x" as unknown as Buffer;
  await assert.rejects(
    connection.unary("/test/Echo", text),
    refusal("a message is bytes, a Uint8Array or a Buffer, not string; encode it first"),
  );
  assert.throws(
    () => connection.call("/test/Echo", { message: () => {} } as unknown as ClientListener),
    refusal("listener.closed is undefined but must be a function"),
  );
  await assert.rejects(connection.unary("/test/Echo", bytes, { deadlineMs: 0 }), { status: 4 });
  const options = { metadata: new Metadata(), deadlineMs: 60_000 };
  assert.deepEqual(await connection.unary("/test/Echo", bytes, options), bytes);
  await assert.rejects(connection.close(Number.NaN), refusal("graceMs is NaN but must be milliseconds from 0 upwards"));
});

function refusal(message: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TypeError, `${error}`);
    assert.equal(error.message.slice(0, message.length), message);
    return true;
  };
}
