/**
 * Runs scenarios with @grpc/grpc-js: `client.ts <plain> <tls> <gzip> <pings> <ca file> <name>...`, where the servers
 * are `host:port`. Prints `ok NAME` or `not ok NAME reason` for each.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import {
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import type { ScenarioName } from "../lib/scenarios.ts";

const [plain = "", tls = "", gzip = "", pings = "", caFile = "", ...names] = process.argv.slice(2);

const SERVICE = "/nacre.test.Echo/";
const EVENTUALLY_MS = 10_000;
const CALL_MAX_MS = 20_000;
const PINGS_MIN = 5;
const KEEPALIVE_MS = 200;
const TEXT = "Dienst „größe“ 城市 🚀 100% + a=b\nnächste Zeile";
const GZIP = 2;

const same = (bytes: Buffer): Buffer => bytes;

/** One channel with a connection of its own. */
class Echo {
  readonly client: Client;

  constructor(address: string, options: ChannelOptions = {}, creds: ChannelCredentials = credentials.createInsecure()) {
    this.client = new Client(address, creds, { "grpc.use_local_subchannel_pool": 1, ...options });
  }

  unary(method: string, message: Buffer | string, more: CallOptions = {}): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const options = { deadline: Date.now() + CALL_MAX_MS, ...more };
    const path = method.startsWith("/") ? method : SERVICE + method;
    this.client.makeUnaryRequest(path, same, same, Buffer.from(message), new Metadata(), options, (error, answer) =>
      error ? reject(error) : resolve(answer ?? Buffer.alloc(0)),
    );
    return promise;
  }

  text = async (method: string, message = ""): Promise<string> => (await this.unary(method, message)).toString();

  stream(method: string, message: string): ClientReadableStream<Buffer> {
    return this.client.makeServerStreamRequest(SERVICE + method, same, same, Buffer.from(message));
  }

  bidi(): Bidi {
    return new Bidi(this.client.makeBidiStreamRequest(`${SERVICE}Bidi`, same, same));
  }
}

class Bidi {
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #answers: AsyncIterator<Buffer>;

  constructor(call: ClientDuplexStream<Buffer, Buffer>) {
    this.#call = call;
    this.#answers = call[Symbol.asyncIterator]();
  }

  async exchange(text: string): Promise<void> {
    this.#call.write(Buffer.from(text));
    const { value } = await this.#answers.next();
    assert.equal(String(value), text);
  }

  async end(): Promise<void> {
    const ended = once(this.#call, "status");
    this.#call.end();
    assert.equal((await this.#answers.next()).done, true);
    const [{ code }] = await ended;
    assert.equal(code, status.OK);
  }
}

const scenarios: Record<ScenarioName, (echo: Echo) => Promise<void>> = {
  async unary(echo) {
    assert.equal(await echo.text("Echo", "hello"), "hello");
    assert.equal(await echo.text("Echo", ""), "");
  },

  async concurrent(echo) {
    const texts = Array.from({ length: 200 }, (_, i) => `call ${i}`);
    assert.deepEqual(await Promise.all(texts.map((text) => echo.text("Echo", text))), texts);
  },

  async "server-stream"(echo) {
    let next = 0;
    for await (const message of echo.stream("ServerStream", "1000 100")) {
      assert.equal(String(message), String(next++).padEnd(100, "."));
    }
    assert.equal(next, 1000);
  },

  async "client-stream"(echo) {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const call = echo.client.makeClientStreamRequest(`${SERVICE}ClientStream`, same, same, (error, answer) =>
      error ? reject(error) : resolve(String(answer)),
    );
    for (let i = 0; i < 1000; i++) call.write(Buffer.alloc(1000));
    call.end();
    assert.equal(await promise, "1000 1000000");
  },

  async bidi(echo) {
    const call = echo.bidi();
    for (let i = 0; i < 500; i++) await call.exchange(`message ${i}`);
    await call.end();
  },

  large: echoLarge,

  async deadline(echo) {
    const name = "node deadline";
    await fails(status.DEADLINE_EXCEEDED, echo.unary("Hang", name, { deadline: Date.now() + 200 }));
    // Whichever comes first: the reset of the client or the server's own clock.
    await eventually(async () => ["1 0 0", "0 1 0"].includes(await echo.text("Ended", name)));
  },

  async cancel(echo) {
    const name = "node-cancel";
    const call = echo.stream("ServerStream", `1000000 1000 ${name}`);
    let heard = 0;
    const failure = await (async () => {
      for await (const _ of call) if (++heard === 10) call.cancel();
      throw new Error("the stream came to its end");
    })().catch((error: ServiceError) => error);
    assert.equal(failure.code, status.CANCELLED, String(failure));
    await eventually(async () => (await echo.text("Ended", name)) === "1 0 0");
  },

  async metadata(echo) {
    const values = [Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i)), Buffer.from([0, 44, 255])];
    const sent = new Metadata();
    sent.add("x-text", "some text, with a comma");
    for (const value of values) sent.add("x-data-bin", value);
    const { promise, reject, resolve } = Promise.withResolvers<void>();
    const call = echo.client.makeUnaryRequest(`${SERVICE}Meta`, same, same, Buffer.from("m"), sent, (error) =>
      error ? reject(error) : resolve(),
    );
    const [initial, trailing] = await Promise.all([once(call, "metadata"), once(call, "status"), promise]);
    for (const got of [initial[0], trailing[0].metadata] as Metadata[]) {
      assert.deepEqual(got.get("x-text"), ["some text, with a comma"]);
      assert.deepEqual(got.get("x-data-bin"), values);
    }
  },

  async status(echo) {
    const failure = await fails(status.NOT_FOUND, echo.unary("Fail", `5 ${TEXT}`));
    assert.equal(failure.details, TEXT);
  },

  async unimplemented(echo) {
    await fails(status.UNIMPLEMENTED, echo.unary("Missing", ""));
    await fails(status.UNIMPLEMENTED, echo.unary("/nacre.test.Nobody/Echo", ""));
  },

  async "too-large"(echo) {
    const port = await echo.text("Port");
    await fails(status.RESOURCE_EXHAUSTED, echo.unary("Echo", Buffer.alloc(6_000_000)));
    assert.equal(await echo.text("Port"), port, "the same connection");
  },

  async goaway(echo) {
    const port = await echo.text("Port");
    const call = echo.bidi();
    await call.exchange("before");
    assert.equal(await echo.text("Drain"), port);
    assert.notEqual(await echo.text("Port"), port, "another connection");
    for (let i = 0; i < 10; i++) await call.exchange(`after ${i}`);
    await call.end();
  },

  async keepalive(echo) {
    const quiet = new Echo(pings, { "grpc.keepalive_time_ms": KEEPALIVE_MS, "grpc.keepalive_timeout_ms": 5_000 });
    const call = quiet.bidi();
    await call.exchange("before");
    const before = Number(await echo.text("Pings"));
    await eventually(async () => Number(await echo.text("Pings")) >= before + PINGS_MIN);
    await call.exchange("after");
    await call.end();
    quiet.client.close();
  },

  async tls() {
    const echo = new Echo(tls, {}, credentials.createSsl(readFileSync(caFile)));
    assert.equal(await echo.text("Echo", "hello"), "hello");
    await echoLarge(echo);
    const call = echo.bidi();
    for (let i = 0; i < 100; i++) await call.exchange(`message ${i}`);
    await call.end();
    echo.client.close();
  },

  async "gzip-refused"(echo) {
    const compressing = new Echo(plain, { "grpc.default_compression_algorithm": GZIP });
    await fails(status.UNIMPLEMENTED, compressing.unary("Echo", Buffer.alloc(100_000)));
    compressing.client.close();
    assert.equal(await echo.text("Echo", "hello"), "hello");
  },

  async gzip() {
    const echo = new Echo(gzip, { "grpc.default_compression_algorithm": GZIP });
    assert.deepEqual(await echo.unary("Echo", Buffer.alloc(100_000)), Buffer.alloc(100_000));
    echo.client.close();
  },
};

async function echoLarge(echo: Echo): Promise<void> {
  const bytes = Buffer.from(Uint8Array.from({ length: 4_000_000 }, (_, i) => i % 251));
  assert.ok((await echo.unary("Echo", bytes)).equals(bytes), "the same bytes");
}

async function fails(code: status, call: Promise<unknown>): Promise<ServiceError> {
  const failure = await call.then(
    () => new Error("the call succeeded"),
    (error: ServiceError) => error,
  );
  assert.ok("code" in failure && failure.code === code, `expected ${status[code]}, got ${failure.message}`);
  return failure;
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + EVENTUALLY_MS;
  while (!(await condition())) assert.ok(Date.now() < giveUpAt, `not within ${EVENTUALLY_MS} ms`);
}

for (const name of names as ScenarioName[]) {
  const echo = new Echo(plain);
  try {
    await scenarios[name](echo);
    process.stdout.write(`ok ${name}\n`);
  } catch (error) {
    process.stdout.write(`not ok ${name} ${String(error).replaceAll(/\s+/g, " ")}\n`);
  }
  echo.client.close();
}
process.exit();
