/** The client half of the engine against its own server and against @grpc/grpc-js. */
import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { type ConnectOptions, connectGrpc, type GrpcConnection, Metadata, Status } from "@nacre/grpc";
import { newAuthority } from "../../packages/testkit/src/certificates.ts";
import { echoService, numbered, SERVICE } from "./echo-service.ts";
import { SERVER_NAMES, SERVERS, type ServerName } from "./lib/servers.ts";

const TEXT = "größer, 城市, 100 % 🚀";
/** Only a hang reaches it. */
const CALL_MAX_MS = 20_000;

for (const name of SERVER_NAMES) {
  describe(`the client against ${name}`, { timeout: 60_000 }, () => {
    test("makes hundreds of unary calls at a time", async (t) => {
      const connection = await connected(t, name);
      const texts = Array.from({ length: 500 }, (_, index) => `${index} ${TEXT}`);
      const answers = await Promise.all(texts.map((text) => unary(connection, "Echo", text)));
      assert.deepEqual(answers, texts);
    });

    test("carries large messages", async (t) => {
      const connection = await connected(t, name);
      const large = Buffer.alloc(4_000_000, "large");
      assert.ok((await connection.unary(`/${SERVICE}/Echo`, large)).equals(large));
    });

    test("hears the server's status", async (t) => {
      const connection = await connected(t, name);
      await assert.rejects(unary(connection, "Fail", `5 ${TEXT}`), { status: Status.NOT_FOUND, message: TEXT });
      await assert.rejects(unary(connection, "None"), { status: Status.UNIMPLEMENTED });
    });

    test("exchanges metadata of both kinds", async (t) => {
      const connection = await connected(t, name);
      const metadata = new Metadata().add("x-text", "a b").add("x-data-bin", Buffer.from([0, 1, 254, 255]));
      const [initial, trailing] = await new Promise<(Metadata | undefined)[]>((resolve) => {
        let first: Metadata | undefined;
        const listener = {
          metadata(heard: Metadata) {
            first = heard;
          },
          message: () => {},
          closed: (_: Status, __: string, trailers: Metadata) => resolve([first, trailers]),
        };
        const call = connection.call(`/${SERVICE}/Meta`, listener, { metadata });
        call.send(Buffer.from("any"));
        call.halfClose();
      });
      for (const heard of [initial, trailing]) {
        assert.equal(heard?.get("x-text"), "a b");
        assert.deepEqual(heard?.get("x-data-bin"), Buffer.from([0, 1, 254, 255]));
      }
    });

    test("reads a stream that it stops and lets go on", async (t) => {
      const connection = await connected(t, name);
      const heard: string[] = [];
      const ended = await new Promise<Status>((resolve) => {
        const call = connection.call(`/${SERVICE}/ServerStream`, {
          message(message) {
            heard.push(message.toString("latin1", 0, 8));
            call.pause();
            setImmediate(() => call.resume());
          },
          closed: resolve,
        });
        call.send(Buffer.from("300 10000"));
        call.halfClose();
      });
      assert.equal(ended, Status.OK);
      assert.deepEqual(
        heard,
        Array.from({ length: 300 }, (_, index) => numbered(index, 8).toString()),
      );
    });

    test("keeps up a conversation", async (t) => {
      const connection = await connected(t, name);
      const heard: string[] = [];
      const ended = await new Promise<Status>((resolve) => {
        const call = connection.call(`/${SERVICE}/Bidi`, {
          message(message) {
            heard.push(message.toString());
            if (heard.length < 100) call.send(Buffer.from(String(heard.length)));
            else call.halfClose();
          },
          closed: resolve,
        });
        call.send(Buffer.from("0"));
      });
      assert.equal(ended, Status.OK);
      assert.deepEqual(
        heard,
        Array.from({ length: 100 }, (_, index) => String(index)),
      );
    });

    test("tells of deadlines and of cancelling", async (t) => {
      const connection = await connected(t, name);
      const hanging = connection.unary(`/${SERVICE}/Hang`, Buffer.from("deadline"), { deadlineMs: 20 });
      await assert.rejects(hanging, { status: Status.DEADLINE_EXCEEDED });
      const cancelled = await new Promise<Status>((resolve) => {
        const call = connection.call(`/${SERVICE}/Hang`, { message: () => {}, closed: resolve });
        call.send(Buffer.from("cancel"));
        call.cancel();
      });
      assert.equal(cancelled, Status.CANCELLED);
      assert.equal(await unary(connection, "Echo", "goes on"), "goes on");
    });

    test("hears GOAWAY, and the answer that was under way", async (t) => {
      const { promise: draining, resolve } = Promise.withResolvers<string>();
      const connection = await connected(t, name, { draining: resolve });
      assert.match(await unary(connection, "Drain"), /^[0-9]+$/);
      assert.match(await draining, /NO_ERROR/);
      await connection.closed;
    });

    test("speaks TLS", async (t) => {
      const authority = newAuthority();
      const server = await SERVERS[name]({
        methods: echoService(() => 0),
        gzip: false,
        tls: authority.issue("server"),
      });
      t.after(() => server.close());
      const connection = await connectGrpc({ host: "127.0.0.1", port: server.port, tls: { ca: authority.cert } });
      t.after(() => connection.destroy());
      assert.equal(await unary(connection, "Echo", "safe"), "safe");
    });
  });
}

async function connected(
  t: TestContext,
  name: ServerName,
  options: Partial<ConnectOptions> = {},
): Promise<GrpcConnection> {
  const server = await SERVERS[name]({ methods: echoService(() => 0), gzip: false });
  t.after(() => server.close());
  const connection = await connectGrpc({ host: "127.0.0.1", port: server.port, ...options });
  t.after(() => connection.destroy());
  return connection;
}

async function unary(connection: GrpcConnection, method: string, text = ""): Promise<string> {
  const answer = await connection.unary(`/${SERVICE}/${method}`, Buffer.from(text), { deadlineMs: CALL_MAX_MS });
  return answer.toString();
}
