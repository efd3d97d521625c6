import { FAILURES, type FailureName, RegistryError } from "@nacre/protocol";
import type { Clock, Timer } from "../../clock.ts";
import { Malformed } from "./envelopes.ts";
import { parse } from "./frames.ts";
import { BODY_BYTES_MAX } from "./limits.ts";

const NAME_CHARS_MAX = 100;
const SENTENCE_CHARS_MAX = 10_000;

/** A call as it came. */
export interface Asked {
  readonly number: number;
  readonly name: string;
  readonly payload: unknown;
}

interface Pending {
  readonly name: string;
  readonly askedAt: number;
  readonly timer: Timer;
  readonly answered: PromiseWithResolvers<unknown>;
}

/** The calls of this member over one link: what waits for an answer, and for how long. */
export class CallsInFlight {
  answered = 0;
  roundTripsMs = 0;
  roundTripMs: number | undefined;
  readonly #clock: Clock;
  readonly #max: number;
  readonly #pending = new Map<number, Pending>();
  #next = 1;

  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  /**
   * @param send queues the bytes of the call; false when there is no room.
   * @throws RegistryError `overThreshold` when too much waits, `bodyTooLarge`, `peerUnreachable`, or that of the peer.
   */
  async ask(name: string, payload: unknown, timeoutMs: number, send: (body: Buffer) => boolean): Promise<unknown> {
    if (this.#pending.size >= this.#max)
      throw new RegistryError("overThreshold", `${this.#max} calls to this member wait for an answer already`);
    const number = this.#next++;
    const body = Buffer.from(JSON.stringify({ number, name, payload }));
    if (body.length > BODY_BYTES_MAX)
      throw new RegistryError("bodyTooLarge", `call '${name}' has ${body.length} bytes, more than ${BODY_BYTES_MAX}`);
    if (!send(body)) throw new RegistryError("overThreshold", "too many bytes of calls wait to leave for this member");
    const answered = Promise.withResolvers<unknown>();
    const timer = this.#clock.schedule(timeoutMs, () => {
      this.#pending.delete(number);
      answered.reject(new RegistryError("peerUnreachable", `no answer to call '${name}' within ${timeoutMs} ms`));
    });
    this.#pending.set(number, { name, askedAt: this.#clock.now(), timer, answered });
    return answered.promise;
  }

  /** @throws Malformed when it is no answer. One that comes too late is nobody's. */
  take(body: Buffer): void {
    const answer = record(parse(body, "an answer"), "an answer");
    const pending = this.#pending.get(numberOf(answer, "an answer"));
    const failure = answer.failure;
    const sentence = answer.sentence;
    if (failure !== undefined && (typeof failure !== "string" || typeof sentence !== "string"))
      throw new Malformed("an answer has a failure without a name or a sentence");
    if (pending === undefined) return;
    this.#pending.delete(answer.number as number);
    pending.timer.cancel();
    this.answered++;
    this.roundTripMs = this.#clock.now() - pending.askedAt;
    this.roundTripsMs += this.roundTripMs;
    if (failure === undefined) pending.answered.resolve(answer.result);
    else pending.answered.reject(failed(failure as string, sentence as string));
  }

  /** The link is gone. */
  end(reason: string): void {
    for (const { name, timer, answered } of this.#pending.values()) {
      timer.cancel();
      answered.reject(new RegistryError("peerUnreachable", `call '${name}' has no answer: the link closed, ${reason}`));
    }
    this.#pending.clear();
  }
}

/** @throws Malformed when it is no call. */
export function readCall(body: Buffer): Asked {
  const call = record(parse(body, "a call"), "a call");
  const name = call.name;
  if (typeof name !== "string" || name.length > NAME_CHARS_MAX) throw new Malformed("a call has no name");
  return { number: numberOf(call, "a call"), name, payload: call.payload };
}

/** The bytes of a result; what is too long becomes a failure. */
export function resultBody(number: number, result: unknown): Buffer {
  const body = Buffer.from(JSON.stringify({ number, result: result ?? null }));
  if (body.length <= BODY_BYTES_MAX) return body;
  const text = `the answer has ${body.length} bytes, more than the ${BODY_BYTES_MAX} that are sent: ask for fewer`;
  return failureBody(number, new RegistryError("bodyTooLarge", text));
}

export function failureBody(number: number, { failure, message }: RegistryError): Buffer {
  return Buffer.from(JSON.stringify({ number, failure, sentence: message.slice(0, SENTENCE_CHARS_MAX) }));
}

/** A failure that this version does not know is a failure all the same. */
function failed(name: string, sentence: string): RegistryError {
  const known = Object.hasOwn(FAILURES, name) ? (name as FailureName) : "serverError";
  return new RegistryError(known, sentence.slice(0, SENTENCE_CHARS_MAX));
}

function numberOf(from: Readonly<Record<string, unknown>>, what: string): number {
  const given = from.number;
  if (!Number.isSafeInteger(given) || (given as number) < 0) throw new Malformed(`${what} has no number`);
  return given as number;
}

function record(given: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new Malformed(`${what} is not an object`);
  return given as Readonly<Record<string, unknown>>;
}
