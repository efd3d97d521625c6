import {
  type CallOptions,
  type Peer as CallPeer,
  type ClientCall,
  GRPC_LIMITS,
  type GrpcLimits,
  Metadata,
  Status,
  StatusError,
} from "@nacre/grpc";
import { type Connection, PartialBytes, ServerSession, SharedHeads } from "@nacre/grpc/machine";
import { Random } from "@nacre/testkit/random";
import { ClientSession } from "../../../packages/grpc/src/grpc/client-session.ts";
import { encodeFields } from "../../../packages/grpc/src/hpack/encoder.ts";
import { Flag } from "../../../packages/grpc/src/http2/protocol.ts";
import {
  data,
  goaway,
  headers,
  ping,
  rstStream,
  settings,
  windowUpdate,
} from "../../../packages/grpc/src/http2/wire.fixture.ts";
import { Application, Broken, MESSAGES } from "./application.ts";
import { ensure } from "./peer.ts";

const STEPS_MAX = 150;
const ROUNDS_MAX = 10_000;
const PATHS = [
  "/f.U/now",
  "/f.U/later",
  "/f.U/throw",
  "/f.S/echo",
  "/f.S/busy",
  "/f.S/pause",
  "/f.S/early",
  "/f.S/throw",
  "/none",
];
/** Messages to the server, filled with their length. */
const SENT = [0, 1, 20, 300, 900, 5000, 30_000].map((size) => Buffer.alloc(size, size & 0xff));
const BLOCKS = [
  encodeFields([[":status", "100"]]),
  encodeFields([
    [":status", "200"],
    ["content-type", "application/grpc"],
  ]),
  encodeFields([
    [":status", "200"],
    ["content-type", "application/grpc"],
    ["grpc-status", "5"],
    ["grpc-message", "%41%zz"],
  ]),
  encodeFields([
    [":status", "503"],
    ["content-type", "text/html"],
  ]),
  encodeFields([["grpc-status", "0"]]),
  encodeFields([
    ["grpc-status", "nonsense"],
    ["x-bin", "***"],
  ]),
  encodeFields([[":path", "/"]]),
  encodeFields([
    [":status", "200"],
    ["content-length", "7"],
  ]),
];
const PEER: CallPeer = {
  remoteAddress: "127.0.0.1",
  remotePort: 1,
  localPort: 2,
  encrypted: false,
  certificate: undefined,
  queuedBytes: 0,
  close() {},
  destroy() {},
};

/** Bytes on their way to one side. */
class Way {
  #bytes: Buffer = Buffer.alloc(0);

  put(parts: readonly Buffer[]): void {
    this.#bytes = Buffer.concat([this.#bytes, ...parts]);
  }

  get size(): number {
    return this.#bytes.length;
  }

  take(size: number): Buffer {
    const taken = this.#bytes.subarray(0, size);
    this.#bytes = this.#bytes.subarray(size);
    return taken;
  }
}

/** Our client and our server on one connection, whose bytes from the server may be changed on their way. */
export class Pair {
  inputs = 0;
  readonly #random: Random;
  readonly #wrong: number;
  readonly #limits: GrpcLimits;
  readonly #application: Application;
  readonly #server: ServerSession;
  readonly #client: ClientSession;
  readonly #toServer = new Way();
  readonly #toClient = new Way();
  readonly #calls: ClientCall[] = [];
  #open = 0;
  #now: number;
  #soon: (() => void)[] = [];
  #found: unknown;

  constructor(seed: number) {
    const random = new Random(seed);
    this.#random = random;
    this.#wrong = random.pick([0, 0.05, 0.3]);
    this.#now = random.below(1e6);
    this.#limits = {
      ...GRPC_LIMITS,
      streamsMax: random.pick([1, 4, 100]),
      streamWindowBytes: random.pick([1000, 70_000, 1 << 20]),
      connectionWindowBytes: random.pick([65_535, 4 << 20]),
      streamQueuedBytes: random.pick([500, 20_000]),
      partialMs: 400,
      resets: { burst: 1e6, perSecond: 1e6 },
      idleFrames: { burst: 1e6, perSecond: 1e6 },
    };
    this.#application = new Application(random);
    const onError = (error: unknown): void => {
      if (error instanceof Broken) this.#found = error;
    };
    const partial = new PartialBytes(1e9);
    const shared = { limits: this.#limits, gzip: random.chance(0.02), keepAlive: undefined, onError };
    const now = (): number => this.#now;
    this.#server = new ServerSession(
      { ...shared, methods: this.#application.methods, partial, heads: new SharedHeads() },
      { peer: PEER, now, wrote() {} },
    );
    this.#client = new ClientSession(
      { ...shared, scheme: "http", authority: "a:1", waitingCallsMax: random.pick([0, 3, 100]) },
      { now, wrote() {}, soon: (run) => void this.#soon.push(run), ready() {}, draining() {} },
    );
    this.#application.tame = this.#wrong === 0;
  }

  /** @throws Error where an invariant does not hold. */
  run(): void {
    for (let steps = 10 + this.#random.below(STEPS_MAX); steps > 0; steps--) {
      this.#step();
      this.#check();
      const failure = this.#client.connection.failure ?? this.#server.connection.failure;
      ensure(this.#wrong > 0 || failure === undefined, "a connection failed that had done nothing wrong");
    }
    this.#end();
  }

  #step(): void {
    const random = this.#random;
    const roll = random.below(100);
    if (roll < 25) this.#deliver(this.#server.connection, this.#toServer);
    else if (roll < 50) this.#deliver(this.#client.connection, this.#toClient);
    else if (roll < 65) this.#call();
    else if (roll < 80) this.#act();
    else if (roll < 90) this.#application.act();
    else if (roll < 97) this.#wait();
    else if (roll === 97 && random.chance(0.1)) this.#client.shutdown();
    else if (roll === 98 && random.chance(0.1)) this.#server.connection.shutdown(this.#now);
    this.#pass();
    this.#runSoon();
  }

  #runSoon(): void {
    const soon = this.#soon;
    this.#soon = [];
    for (const run of soon) run();
  }

  #call(): void {
    const random = this.#random;
    const options: CallOptions = {
      ...(random.chance(0.2) && { deadlineMs: random.pick([0, 30, 700, 1e9]) }),
      ...(random.chance(0.2) && { metadata: new Metadata().add("a", "b").add("c-bin", Buffer.of(1)) }),
    };
    let closed = false;
    let call: ClientCall | undefined;
    const told = (): void => {
      if (closed || call === undefined) throw new Broken("told behind the end of a call, or before it began");
    };
    this.#open++;
    call = this.#client.call(
      random.pick(PATHS),
      {
        metadata: told,
        message: (message) => {
          told();
          if (this.#wrong === 0 && MESSAGES.get(message.length)?.equals(message) !== true) {
            throw new Broken("a message that was never sent");
          }
          const roll = random.below(20);
          if (roll < 3) call?.pause();
          else if (roll === 3) call?.cancel();
          else if (roll === 4) throw new StatusError(Status.ABORTED, "enough");
          if (roll < 2) call?.resume();
        },
        drained: told,
        closed: () => {
          told();
          closed = true;
          this.#open--;
          if (random.chance(0.1) && this.#calls.length < 50) this.#call();
        },
      },
      options,
    );
    this.#calls.push(call);
    if (random.chance(0.8)) call.send(random.pick(SENT));
    if (random.chance(0.7)) call.halfClose();
  }

  #act(): void {
    const random = this.#random;
    const call = this.#calls[random.below(this.#calls.length)];
    switch (random.below(7)) {
      case 0:
        return call?.pause();
      case 1:
      case 2:
        return call?.resume();
      case 3:
        return random.chance(0.3) ? call?.cancel() : undefined;
      case 4:
        return call?.halfClose();
      default:
        call?.send(random.pick(SENT));
    }
  }

  #wait(): void {
    this.#now += this.#random.pick([0, 1, 30, 450, 1200]);
    for (const session of [this.#client, this.#server]) {
      if (session.tickAt > this.#now) continue;
      session.tick(this.#now);
      ensure(session.tickAt > this.#now, "a tick that asks for another one at once");
    }
  }

  /** What both sides have written goes on its way. */
  #pass(): void {
    const random = this.#random;
    const [client, server] = [this.#client.connection, this.#server.connection];
    client.sender.pump(this.#now);
    server.sender.pump(this.#now);
    if (client.sender.output.bytes > 0) this.#toServer.put(client.sender.output.take());
    if (server.sender.output.bytes === 0) return;
    let parts = server.sender.output.take();
    if (random.chance(this.#wrong)) {
      const bytes = Buffer.concat(parts);
      if (random.chance(0.3)) bytes[random.below(bytes.length)] = random.below(256);
      const extra = this.#unasked();
      parts = random.chance(0.5) ? [bytes, extra] : [extra, bytes];
    }
    this.#toClient.put(parts);
  }

  /** A frame that no server of ours would have sent here. */
  #unasked(): Buffer {
    const random = this.#random;
    const id = random.chance(0.8) ? 1 + 2 * random.below(20) : random.below(40);
    switch (random.below(9)) {
      case 0:
        return headers(id, random.pick(BLOCKS), random.chance(0.5) ? Flag.END_STREAM : 0);
      case 1:
        return headers(id, random.pick(BLOCKS));
      case 2:
        return data(id, Buffer.alloc(random.below(50), random.below(3)), random.below(2));
      case 3:
        return rstStream(id, random.below(15));
      case 4:
        return goaway(random.below(40), random.below(15), "bye");
      case 5:
        return settings([3, random.below(5)]);
      case 6:
        return settings([4, random.pick([0, 10, 65_535, 2 ** 31 - 1])], [1, random.pick([0, 4096])]);
      case 7:
        return windowUpdate(random.chance(0.5) ? 0 : id, random.pick([0, 1, 1000, 2 ** 31 - 1]));
      default:
        return ping("unasked!", random.below(2));
    }
  }

  #deliver(to: { receive(chunk: Buffer, now: number): void }, way: Way): void {
    const random = this.#random;
    for (let pieces = 1 + random.below(4); pieces > 0 && way.size > 0; pieces--) {
      const size = random.chance(0.4) ? way.size : 1 + random.below(Math.min(way.size, 200));
      this.inputs++;
      to.receive(Buffer.from(way.take(size)), this.#now);
    }
  }

  /** When all that is on its way has come and every call has ended, neither side holds back any window. */
  #windowsAreWhole(): void {
    const [client, server] = [this.#client.connection, this.#server.connection];
    for (const call of this.#calls) call.cancel();
    do {
      this.#pass();
      if (this.#toServer.size > 0) server.receive(Buffer.from(this.#toServer.take(this.#toServer.size)), this.#now);
      if (this.#toClient.size > 0) client.receive(Buffer.from(this.#toClient.take(this.#toClient.size)), this.#now);
      this.#pass();
    } while (this.#toServer.size + this.#toClient.size > 0);
    ensure(
      client.streams.size === 0 && server.streams.size === 0,
      "a stream that one side has ended is open on the other",
    );
    ensure(
      client.untakenBytes === 0 && server.untakenBytes === 0,
      "content that nobody takes narrows a window for good",
    );
  }

  #check(): void {
    if (this.#found !== undefined) throw this.#found;
    for (const { connection } of [this.#client, this.#server] as readonly { connection: Connection<unknown> }[]) {
      const { sender, streams, failure } = connection;
      let queued = 0;
      for (const stream of streams.values()) {
        queued += stream.queuedBytes;
        ensure(
          !stream.closed && !(stream.localEnded && stream.remoteEnded),
          "a closed stream among those that are open",
        );
        ensure(stream.receiveWindow >= 0, "the receive window of a stream");
      }
      ensure(queued === sender.queuedBytes, "the streams' queues are not the connection's");
      ensure(connection.untakenBytes >= 0, "more was taken than has come");
      ensure(connection.heldBytes < 100_000, "more is held than a header block");
      ensure(
        failure === undefined || (streams.size === 0 && connection.tickAt === Number.POSITIVE_INFINITY),
        "a connection that has failed goes on",
      );
    }
    const { connection, waitingCalls } = this.#client;
    ensure(connection.streams.size + waitingCalls <= this.#open, "a stream that belongs to no call");
  }

  #end(): void {
    if (this.#wrong === 0) this.#windowsAreWhole();
    this.#client.lost("the end");
    this.#server.connection.lost("the end");
    // A call that is paused has to hear what has come, pausing again and again perhaps, before it hears of its end.
    for (let rounds = 0; rounds < ROUNDS_MAX && (this.#open > 0 || this.#soon.length > 0); rounds++) {
      this.#runSoon();
      for (const call of this.#calls) call.resume();
    }
    this.#check();
    ensure(this.#open === 0, "a call that outlives its connection");
    ensure(
      this.#calls.every(({ ended }) => ended),
      "a call that was told of its end and has none",
    );
    ensure(this.#client.waitingCalls === 0, "a call that waits for a connection that is gone");
  }
}
