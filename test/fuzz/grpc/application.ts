import {
  type CallEnd,
  type CallListener,
  Metadata,
  type Methods,
  type ServerCall,
  Status,
  StatusError,
} from "@nacre/grpc";
import type { Random } from "@nacre/testkit/random";
import { ensure } from "./peer.ts";

/** What the application sends, by length: the other end knows by it what must have come. */
export const MESSAGES: ReadonlyMap<number, Buffer> = new Map(
  [0, 1, 7, 100, 1000, 4091, 4096, 5000, 16_379, 20_000, 70_000].map((size) => {
    const message = Buffer.allocUnsafeSlow(size);
    for (let at = 0; at < size; at++) message[at] = (at * 7 + size) % 251;
    return [size, message];
  }),
);
const SHORT = [...MESSAGES.values()].slice(0, 5);
const ALL = [...MESSAGES.values()];
const STATUSES = [Status.OK, Status.OK, Status.NOT_FOUND, Status.INTERNAL] as const;
const TRAILERS = new Metadata().add("after", "all").add("more-bin", Buffer.of(1, 2, 3));
/** Of a status that makes a header block of several frames. */
const LONG_TEXT = "\u00fc".repeat(9000);

/** An answer that comes when the fuzzer says so, in the same turn. */
class Later extends Promise<Uint8Array> {
  answer: ((bytes: Uint8Array) => unknown) | undefined;
  fail: ((error: unknown) => unknown) | undefined;

  // biome-ignore lint/suspicious/noThenProperty: the point of it
  // biome-ignore lint/suspicious/noExplicitAny: as wide as what it replaces
  override then(answer: any, fail: any): any {
    this.answer = answer;
    this.fail = fail;
    return this;
  }
}

/** Methods that do all that an application may do, drawn from the seed. */
export class Application {
  /** Content of messages is checked, because nothing was mutated. */
  tame = false;
  /** Calls that can still be acted on. */
  readonly #calls: ServerCall[] = [];
  readonly #later: Later[] = [];
  readonly #random: Random;
  readonly methods: Methods;

  constructor(random: Random) {
    this.#random = random;
    this.methods = {
      "/f.U/now": { type: "unary", handle: (own) => this.#unary(own, () => this.#message()) },
      "/f.U/later": { type: "unary", handle: (own, call) => this.#unary(own, () => this.#answerLater(call)) },
      "/f.U/throw": { type: "unary", handle: (own) => this.#unary(own, () => this.#throw()) },
      "/f.S/echo": {
        type: "stream",
        open: (call) =>
          this.#stream(
            call,
            (own) => call.send(own),
            () => call.end(),
          ),
      },
      "/f.S/busy": { type: "stream", open: (call) => this.#busy(call) },
      "/f.S/pause": {
        type: "stream",
        open: (call) =>
          this.#stream(
            call,
            () => this.#pause(call),
            () => this.#end(call),
          ),
      },
      "/f.S/early": { type: "stream", open: (call) => this.#early(call) },
      "/f.S/throw": { type: "stream", open: (call) => this.#thrower(call) },
    };
  }

  /** Does something of its own accord. */
  act(): void {
    const random = this.#random;
    if (this.#later.length > 0 && random.chance(0.5)) {
      const later = this.#later.splice(random.below(this.#later.length), 1)[0];
      if (random.chance(0.9)) later?.answer?.(this.#message());
      else later?.fail?.(random.chance(0.5) ? new Error("fault") : new StatusError(Status.ABORTED, "no"));
      return;
    }
    const at = random.below(this.#calls.length);
    const call = this.#calls[at];
    if (call === undefined) return;
    this.#order(call);
    if (!call.ended) return;
    const last = this.#calls.pop() as ServerCall;
    if (at < this.#calls.length) this.#calls[at] = last;
  }

  #order(call: ServerCall): void {
    switch (this.#random.below(8)) {
      case 0:
        return call.sendMetadata(this.#random.chance(0.5) ? TRAILERS : undefined);
      case 1:
      case 2:
        return void call.send(this.#message());
      case 3:
        return call.pause();
      case 4:
      case 5:
        return call.resume();
      case 6:
        return this.#end(call);
      default:
        ensure(call.queuedBytes >= 0, "a call with less than nothing queued");
    }
  }

  #message(): Buffer {
    return this.#random.pick(this.#random.chance(0.85) ? SHORT : ALL);
  }

  #end(call: ServerCall): void {
    const status = this.#random.pick(STATUSES);
    const text = this.#random.chance(0.01) ? LONG_TEXT : status === Status.OK ? "" : "w\u00e4rum";
    call.end(status, text, this.#random.chance(0.2) ? TRAILERS : undefined);
  }

  #unary<T>(message: Buffer, answer: () => T): T {
    this.#check(message);
    return answer();
  }

  /** The fuzzer fills messages with their length. */
  #check(message: Buffer): void {
    if (!this.tame || message.length === 0) return;
    const fill = message.length & 0xff;
    const same = message[0] === fill && message.at(-1) === fill && message[message.length >> 1] === fill;
    if (!same) throw new Broken("a message that was never sent");
  }

  #answerLater(call: ServerCall): Later {
    this.#calls.push(call);
    const later = new Later(() => {});
    this.#later.push(later);
    return later;
  }

  #throw(): never {
    throw this.#random.chance(0.5) ? new Error("fault") : new StatusError(Status.DATA_LOSS, "lost");
  }

  #stream(call: ServerCall, message: (own: Buffer) => void, halfClosed: () => void): CallListener {
    this.#calls.push(call);
    let ended = false;
    let closed = false;
    return {
      message: (own) => {
        if (ended || closed || call.ended) throw new Broken("a message behind the end");
        this.#check(own);
        message(this.tame ? this.#message() : (MESSAGES.get(own.length) ?? (SHORT[0] as Buffer)));
      },
      halfClosed: () => {
        if (ended || closed) throw new Broken("half-closed twice, or behind the end");
        ended = true;
        halfClosed();
      },
      drained: () => {
        if (closed) throw new Broken("drained behind the end");
        if (this.#random.chance(0.5)) call.send(this.#message());
      },
      closed: (reason: CallEnd) => {
        if (closed || !call.ended) throw new Broken("closed twice, or before its end");
        closed = true;
        if (reason === "completed") return;
        // As a server that tells all others when one has gone.
        if (this.#random.chance(0.2)) this.#calls[this.#random.below(this.#calls.length)]?.send(this.#message());
      },
    };
  }

  #busy(call: ServerCall): CallListener {
    const send = (): void => {
      for (let nth = this.#random.below(6); nth > 0; nth--) if (!call.send(this.#message())) return;
    };
    send();
    return this.#stream(call, send, () => (this.#random.chance(0.7) ? this.#end(call) : send()));
  }

  #pause(call: ServerCall): void {
    call.pause();
    if (this.#random.chance(0.3)) call.resume();
  }

  #early(call: ServerCall): CallListener {
    if (this.#random.chance(0.3)) this.#end(call);
    return this.#stream(
      call,
      () => this.#end(call),
      () => this.#end(call),
    );
  }

  #thrower(call: ServerCall): CallListener {
    const act = (): void => {
      if (this.#random.chance(0.3)) this.#throw();
    };
    act();
    return this.#stream(call, act, act);
  }
}

/** A finding inside a callback, where everything that is thrown is a matter of the application's calls. */
export class Broken extends Error {}
