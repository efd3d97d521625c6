import { type Peer as CallPeer, GRPC_LIMITS, type GrpcLimits } from "@nacre/grpc";
import { PartialBytes, PREFACE, ServerSession, SharedHeads } from "@nacre/grpc/machine";
import { Random } from "@nacre/testkit/random";
import { MAX_31 } from "../../../packages/grpc/src/http2/protocol.ts";
import type { Stream } from "../../../packages/grpc/src/http2/stream.ts";
import { settings } from "../../../packages/grpc/src/http2/wire.fixture.ts";
import { Application, Broken, MESSAGES } from "./application.ts";
import { ensure, Peer } from "./peer.ts";
import { Writer, type Written } from "./writer.ts";

const STEPS_MAX = 120;
/** Output that waits when nobody takes it: what is gathered, one turn, and what control frames may add meanwhile. */
const OUTPUT_BYTES_MAX = 1 << 20;
const CANCEL = 8;
const GREETING = Buffer.concat([PREFACE, settings()]);
const FRAME_BYTES = 16_384 + 9;

const CALL_PEER: CallPeer = {
  remoteAddress: "127.0.0.1",
  remotePort: 1,
  localPort: 2,
  encrypted: false,
  certificate: undefined,
  queuedBytes: 0,
  close() {},
  destroy() {},
};

/** Limits that are met by a few frames, where the seed says so. */
function drawLimits(random: Random, tame: boolean): GrpcLimits {
  const few = !tame && random.chance(0.5);
  const budget = few ? { burst: 4, perSecond: 5 } : { burst: 1e6, perSecond: 1e6 };
  return {
    ...GRPC_LIMITS,
    streamsMax: random.pick([3, 8, 100]),
    headerListBytesMax: random.pick([600, 16_384]),
    headerBlockBytesMax: tame ? 65_536 : random.pick([700, 20_000]),
    continuationsMax: tame ? 8 : random.pick([1, 3]),
    headerBlockMs: 500,
    streamWindowBytes: random.pick([100, 2000, 70_000, 1 << 20]),
    connectionWindowBytes: random.pick([65_535, 100_000, 4 << 20]),
    queuedBytesMax: tame ? 1 << 26 : random.pick([20_000, 300_000]),
    streamQueuedBytes: random.pick([500, 20_000, 1 << 20]),
    stalledMs: 3000,
    resets: budget,
    idleFrames: budget,
    costlyBytes: random.pick([{ burst: 1, perSecond: 0 }, GRPC_LIMITS.costlyBytes]),
    messageBytesMax: random.pick([1000, 8192, 1 << 20]),
    partialBytesMax: random.pick([3000, 50_000]),
    heldBytesMaxOfAll: random.pick([2500, 60_000]),
    partialMs: 400,
  };
}

/** Sees to it that each stream is told of from its head to its end, once, and not behind it. */
class Watched extends ServerSession {
  readonly announced = new Set<unknown>();
  /** What the head of a stream must be; unknown where anything may have been changed on its way. */
  sent: ((id: number) => Written | undefined) | undefined;

  override head(...given: Parameters<ServerSession["head"]>): void {
    const [stream, head] = given;
    ensure(!this.announced.has(stream), "a stream was told of twice");
    const sent = this.sent?.(stream.id);
    if (sent !== undefined && !head.tooLarge) {
      ensure(head.path === sent.path && head.fields.join("\n") === sent.fields, "a head that was never sent");
    }
    this.announced.add(stream);
    super.head(...given);
  }

  override data(...given: Parameters<ServerSession["data"]>): void {
    ensure(this.announced.has(given[0]), "content behind the end of a stream");
    super.data(...given);
  }

  override remoteEnded(stream: Parameters<ServerSession["remoteEnded"]>[0]): void {
    ensure(this.announced.has(stream), "END_STREAM behind the end of a stream");
    super.remoteEnded(stream);
  }

  override drained(stream: Parameters<ServerSession["drained"]>[0]): void {
    ensure(stream.queuedBytes < this.options.limits.streamQueuedBytes / 2, "drained above half of the budget");
    ensure(this.announced.has(stream), "drained behind the end of a stream");
    super.drained(stream);
  }

  override closed(...given: Parameters<ServerSession["closed"]>): void {
    ensure(this.announced.delete(given[0]), "a stream was closed twice, or never told of");
    super.closed(...given);
  }
}

/** One connection from its greeting to its end, all of it drawn from a seed. */
export class Life {
  inputs = 0;
  readonly #random: Random;
  readonly #limits: GrpcLimits;
  readonly #partial: PartialBytes;
  readonly #application: Application;
  readonly #session: Watched;
  readonly #peer: Peer;
  readonly #writer: Writer;
  /** Share of the steps in which something is wrong. */
  readonly #wrong: number;
  #now: number;
  #unflushed = 0;
  #found: unknown;

  constructor(seed: number) {
    const random = new Random(seed);
    this.#random = random;
    this.#wrong = random.pick([0, 0.02, 0.1, 0.5]);
    const tame = this.#wrong === 0;
    const limits = drawLimits(random, tame);
    this.#limits = limits;
    this.#now = random.below(1e6);
    this.#partial = new PartialBytes(limits.heldBytesMaxOfAll);
    this.#application = new Application(random);
    this.#application.tame = tame;
    const keepAlive = !tame && random.chance(0.2) ? { idleMs: 500, timeoutMs: 200 } : undefined;
    const onError = (error: unknown): void => {
      if (error instanceof Broken) this.#found = error;
    };
    const options = {
      methods: this.#application.methods,
      limits,
      gzip: random.chance(0.02),
      keepAlive,
      onError,
      partial: this.#partial,
      heads: new SharedHeads(),
    };
    this.#session = new Watched(options, { peer: CALL_PEER, now: () => this.#now, wrote() {} });
    this.#peer = new Peer(limits.connectionWindowBytes, MESSAGES);
    this.#writer = new Writer(random, this.#peer, limits.streamWindowBytes, tame);
    if (tame) this.#session.sent = (id) => this.#writer.heads.get(id);
  }

  /** A sum over the frames of the server, in their order. */
  get answered(): number {
    return this.#peer.checksum;
  }

  /** @throws Error where an invariant does not hold. */
  run(): void {
    const { connection } = this.#session;
    this.#deliver(this.#random.chance(this.#wrong / 10) ? this.#writer.wrongGreeting(GREETING) : GREETING);
    for (let steps = 1 + this.#random.below(STEPS_MAX); steps > 0 && connection.failure === undefined; steps--) {
      this.#step();
      ensure(this.#wrong > 0 || connection.failure === undefined, "a connection failed that had done nothing wrong");
    }
    this.#end();
  }

  #step(): void {
    const random = this.#random;
    const roll = random.below(100);
    if (roll < 72) this.#deliver(random.chance(this.#wrong) ? this.#writer.wrongStep() : this.#writer.step());
    else if (roll < 86) this.#application.act();
    else if (roll < 94) this.#wait();
    else if (roll < 98) this.#session.connection.sender.backlogged = random.chance(0.5);
    else if (random.chance(0.1)) this.#session.connection.shutdown(this.#now);
    this.#flush();
    this.#check();
  }

  /** Hands bytes over: whole, in some pieces, or one by one. */
  #deliver(bytes: Buffer): void {
    const random = this.#random;
    const roll = random.below(10);
    let piece = roll < 5 ? bytes.length : 1 + random.below(bytes.length);
    if (roll === 9 && bytes.length < 100) piece = 1;
    let at = 0;
    do {
      const size = piece === 1 ? 1 : 1 + random.below(piece);
      const chunk = piece >= bytes.length ? bytes : bytes.subarray(at, at + size);
      at += chunk.length;
      this.#receive(chunk);
    } while (at < bytes.length);
  }

  #receive(chunk: Buffer): void {
    const { connection } = this.#session;
    if (connection.failure === undefined) this.#peer.sends(chunk);
    this.inputs++;
    // Whole, or in turns between which others are served.
    const turnBytes = this.#random.chance(0.8) ? Number.POSITIVE_INFINITY : 1 + this.#random.below(3000);
    for (let at = 0; at < chunk.length; ) {
      const from = at;
      at = connection.receive(chunk, this.#now, from, turnBytes);
      ensure(at > from && at <= chunk.length, "a turn that reads nothing, or more than there is");
      this.#session.isCostly(this.#now);
    }
    if (++this.#unflushed > 8 || this.#random.chance(0.6)) this.#flush();
    this.#check();
  }

  #wait(): void {
    this.#now += this.#random.pick([0, 1, 20, 100, 600, 1200, 5000]);
    if (this.#session.tickAt > this.#now && this.#random.chance(0.7)) return;
    this.#session.tick(this.#now);
    ensure(this.#session.tickAt > this.#now, "a tick that asks for another one at once");
  }

  /** As the shell does it, with a socket that is full at times. */
  #flush(): void {
    this.#unflushed = 0;
    const { sender, failure } = this.#session.connection;
    while (sender.output.bytes > 0) {
      this.#peer.reads(sender.output.take());
      if (!sender.backlogged) sender.pump(this.#now);
    }
    if (failure === undefined) this.#peer.settled();
    else this.#peer.failed();
  }

  /** What holds at all times. */
  #check(): void {
    if (this.#found !== undefined) throw this.#found;
    const { connection, announced, partial, heldBytes } = this.#session;
    const { sender, streams } = connection;
    let queued = 0;
    let shared = 0;
    let told = 0;
    for (const stream of streams.values()) {
      queued += stream.queuedBytes;
      shared += stream.sharedBytes;
      told += Number(stream.announced);
      this.#checkStream(stream);
    }
    ensure(connection.untakenBytes >= 0, "more was taken than has come");
    ensure(queued === sender.queuedBytes, "the streams' queues are not the connection's");
    ensure(shared === sender.sharedBytes && shared <= queued, "what queues share is not what streams share");
    ensure(heldBytes >= 0, "less than nothing is held");
    ensure(queued <= this.#limits.queuedBytesMax, "more is queued than allowed");
    ensure(told === announced.size, "streams that were told of are not those that are open");
    ensure(streams.size <= this.#limits.streamsMax, "more streams than allowed");
    ensure(sender.output.bytes <= OUTPUT_BYTES_MAX, "more output than a turn makes");
    ensure(connection.heldBytes <= FRAME_BYTES + this.#limits.headerBlockBytesMax, "more is held than allowed");
    ensure(partial.used >= 0 && partial.used <= partial.max, "partial messages of the connection");
    ensure(partial.used === this.#partial.used && partial.used <= this.#partial.max, "partial messages of all");
    if (connection.failure === undefined) {
      ensure(sender.window >= 0 && sender.window <= MAX_31, "the window of the connection");
      return;
    }
    ensure(streams.size === 0, "a connection that has failed has streams");
    ensure(connection.tickAt === Number.POSITIVE_INFINITY, "a connection that has failed waits for something");
  }

  #checkStream(stream: Stream<unknown>): void {
    ensure(!stream.closed && !stream.localEnded, "a stream that is closed is among those that are not");
    ensure(this.#session.connection.sender.windowOf(stream) <= MAX_31, "the send window of a stream");
    ensure(
      stream.receiveWindow >= 0 && stream.receiveWindow <= this.#limits.streamWindowBytes,
      "the receive window of a stream",
    );
    ensure(stream.queuedBytes > 0 === (stream.queue !== undefined), "a queue of nothing");
    ensure(stream.slow === false || stream.queuedBytes > 0, "a slow stream without a queue");
    ensure(!stream.ending || stream.queue !== undefined, "an end that waits for nothing");
  }

  #end(): void {
    const { connection, announced } = this.#session;
    this.#flush();
    if (this.#wrong === 0) {
      for (const stream of connection.streams.values()) connection.reset(stream, CANCEL);
      ensure(connection.untakenBytes === 0, "content that nobody takes any more narrows the window for good");
      ensure(this.#session.heldBytes === connection.heldBytes, "memory that counts for calls that have ended");
      this.#flush();
    }
    if (connection.failure !== undefined) {
      this.#receive(GREETING);
      this.#application.act();
      this.#session.tick(this.#now + 1e6);
    }
    connection.lost("the end");
    this.#application.act();
    ensure(connection.sender.output.bytes === 0, "output behind the end");
    this.#check();
    ensure(announced.size === 0, "a stream that outlives its connection");
    ensure(this.#partial.used === 0, "partial messages that outlive their connection");
    ensure(connection.sender.queuedBytes === 0, "a queue that outlives its connection");
  }
}
