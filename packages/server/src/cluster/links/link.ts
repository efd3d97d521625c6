import { assert } from "@nacre/core/assert";
import { FrameReader } from "@nacre/core/distro";
import type { Address, Frame, LinkId } from "@nacre/core/membership";
import { RegistryError } from "@nacre/protocol";
import type { Timer } from "../../clock.ts";
import { escalate } from "../../faults.ts";
import { CallsInFlight, failureBody, readCall, resultBody } from "./calls.ts";
import {
  type Arrived,
  creditBody,
  endBody,
  HEAD_BYTES,
  Malformed,
  readBatch,
  readCredit,
  readEnd,
} from "./envelopes.ts";
import { readFrame, writeFrame } from "./frames.ts";
import { Inbox, isPartial } from "./inbox.ts";
import { BODY_BYTES_MAX, type LinkLimits } from "./limits.ts";
import { messageBroken } from "./message-rules.ts";
import { batchOf, Outgoing } from "./outgoing.ts";
import type { Turns, Worker } from "./turns.ts";
import type { LinkFacts, LinksSetup } from "./types.ts";

/** The stream under a link, of either side. */
export interface Pipe {
  readonly remoteIp: string;
  readonly encrypted: boolean;
  /** Bytes that have not left for the peer. */
  readonly queuedBytes: number;
  /** @returns false when enough waits: `drained` of the link follows. */
  send(batch: Buffer): boolean;
  /** Ends the stream after what is queued, and the connection under it. */
  end(): void;
  destroy(): void;
}

/** What all links share. */
export interface LinkShared {
  readonly setup: LinksSetup;
  readonly limits: LinkLimits;
  readonly turns: Pick<Turns, "add">;
  /** The link is gone, and all that it brought was handed on. */
  gone(link: Link, reason: string): void;
  /** The peer sent what no member sends. */
  malformed(link: Link, reason: string): void;
}

/** One connection between two members, whichever of them opened it. */
export class Link implements Worker {
  readonly id: LinkId;
  readonly address: Address | undefined;
  readonly #shared: LinkShared;
  readonly #pipe: Pipe;
  readonly #openedAt: number;
  readonly #outgoing: Outgoing;
  readonly #inbox: Inbox;
  readonly #calls: CallsInFlight;
  #reader = new FrameReader();
  /** `closing`: by this side; nothing that comes is taken. `ended`: the stream is gone; what came is still handed on. */
  #state: "open" | "closing" | "ended" | "gone" = "open";
  #reason = "";
  #slow = false;
  /** The end has left, or the peer's has come: nothing follows it. */
  #said = false;
  #flushing = false;
  #closeBy: Timer | undefined;
  /** The rest of a Distro message of a stranger is left out. */
  #skipping = false;
  #serving = 0;
  #callsServed = 0;
  #messagesDropped = 0;
  #raftDropped = 0;
  readonly #in = { bytes: 0, frames: 0, messages: 0 };
  readonly #out = { bytes: 0, frames: 0, messages: 0 };
  /** What had left by the last look, and for how many looks it has stayed so while something waited. */
  #left = 0;
  #stuck = 0;
  #creditStuck = 0;

  constructor(shared: LinkShared, id: LinkId, address: Address | undefined, pipe: Pipe) {
    this.#shared = shared;
    this.id = id;
    this.address = address;
    this.#pipe = pipe;
    this.#openedAt = shared.setup.clock.now();
    this.#outgoing = new Outgoing(shared.limits);
    this.#inbox = new Inbox(shared.limits);
    this.#calls = new CallsInFlight(shared.setup.clock, shared.limits.callsMax);
    this.#giveCredit();
  }

  get remoteIp(): string {
    return this.#pipe.remoteIp;
  }

  sendFrame(frame: Frame): void {
    if (this.#state !== "open") return;
    this.#out.frames++;
    const body = writeFrame(frame);
    assert(body.length <= BODY_BYTES_MAX, `a frame of membership has at most ${BODY_BYTES_MAX} bytes: ${body.length}`);
    const taken = this.#outgoing.urgent("frame", body);
    this.#flushSoon();
    if (!taken) this.#abandon("it takes no frames of membership");
  }

  sendMessage(frames: readonly Uint8Array[]): boolean {
    if (this.#state !== "open") return false;
    if (this.#outgoing.message(frames)) {
      this.#out.messages++;
      this.#flushSoon();
      return true;
    }
    this.#messagesDropped++;
    return false;
  }

  /** @returns whether it was queued. */
  sendRaft(frame: Uint8Array): boolean {
    if (this.#state !== "open") return false;
    if (this.#outgoing.raft(frame)) {
      this.#flushSoon();
      return true;
    }
    this.#raftDropped++;
    return false;
  }

  async call(name: string, payload: unknown, timeoutMs: number): Promise<unknown> {
    if (this.#state !== "open")
      throw new RegistryError("peerUnreachable", `call '${name}' was not made: the link closes, ${this.#reason}`);
    return this.#calls.ask(name, payload, timeoutMs, (body) => {
      const taken = this.#outgoing.call("call", body);
      if (taken) this.#flushSoon();
      return taken;
    });
  }

  /** Sends what is queued and the peer has room for, then the reason, and closes. */
  close(reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#reason = reason;
    this.#inbox.clear();
    this.#calls.end(reason);
    this.#destroyLater();
    this.#flush();
  }

  /** A batch came. */
  received(batch: Buffer): void {
    if (this.#state !== "open") return;
    this.#in.bytes += batch.length;
    try {
      for (const envelope of readBatch(batch)) this.#take(envelope);
    } catch (thrown) {
      this.#failed(thrown);
    }
    if (!this.#inbox.empty) this.#shared.turns.add(this);
  }

  /** The stream takes more. */
  drained(): void {
    this.#slow = false;
    this.#flush();
  }

  /** The stream is gone. What came before is handed on first. */
  ended(reason: string): void {
    if (this.#state === "ended" || this.#state === "gone") return;
    if (this.#state === "open") {
      this.#reason = reason;
      this.#calls.end(reason);
      this.#inbox.dropCalls();
    }
    this.#state = "ended";
    this.#closeBy?.cancel();
    this.#shared.turns.add(this);
  }

  work(): boolean {
    try {
      const envelope = this.#inbox.take();
      if (envelope !== undefined) this.#handle(envelope);
      this.#giveCredit();
    } catch (thrown) {
      this.#failed(thrown);
    }
    if (!this.#inbox.empty) return true;
    if (this.#state === "ended") {
      this.#state = "gone";
      this.#shared.gone(this, this.#reason);
    }
    return false;
  }

  /**
   * Looks whether the peer takes what waits for it. Looks are counted, and not time: after a pause of this process nobody
   * could have taken anything.
   */
  look(everyMs: number): void {
    if (this.#state !== "open") return;
    const { stalledMs, creditMs } = this.#shared.limits;
    const { queuedBytes } = this.#pipe;
    const left = this.#out.bytes - queuedBytes;
    this.#stuck = queuedBytes > 0 && left <= this.#left ? this.#stuck + 1 : 0;
    this.#left = Math.max(left, this.#left);
    this.#creditStuck = this.#outgoing.waitsForCredit ? this.#creditStuck + 1 : 0;
    if (this.#stuck * everyMs >= stalledMs) this.#abandon(`it has taken nothing for ${stalledMs / 1000} s`);
    else if (this.#creditStuck * everyMs >= creditMs)
      this.#abandon(`it has made no room for Distro messages for ${creditMs / 1000} s`);
  }

  facts(): LinkFacts {
    return {
      link: this.id,
      address: this.address,
      remoteIp: this.#pipe.remoteIp,
      encrypted: this.#pipe.encrypted,
      openedAt: this.#openedAt,
      bytesIn: this.#in.bytes,
      bytesOut: this.#out.bytes,
      framesIn: this.#in.frames,
      framesOut: this.#out.frames,
      messagesIn: this.#in.messages,
      messagesOut: this.#out.messages,
      messagesDropped: this.#messagesDropped,
      raftDropped: this.#raftDropped,
      credit: this.#outgoing.room,
      queuedBytes: this.#outgoing.bytes + this.#pipe.queuedBytes,
      unhandledBytes: this.#inbox.bytes,
      callsInFlight: this.#calls.inFlight,
      callsServed: this.#callsServed,
      callsAnswered: this.#calls.answered,
      roundTripsMs: this.#calls.roundTripsMs,
      roundTripMs: this.#calls.roundTripMs,
    };
  }

  #take(envelope: Arrived): void {
    if (this.#inbox.add(envelope)) return;
    if (envelope.kind === "raft") {
      this.#raftDropped++;
      return;
    }
    const { number, name } = readCall(envelope.body);
    this.#refuse(
      number,
      new RegistryError("overThreshold", `call '${name}' was refused: too many bytes of calls wait`),
    );
  }

  #handle({ kind, body }: Arrived): void {
    const { handlers } = this.#shared.setup;
    switch (kind) {
      case "frame":
        this.#in.frames++;
        return handlers.frame(this.id, readFrame(body));
      case "message":
        return this.#message(body);
      case "raft": {
        if (handlers.memberOf(this.id) === undefined) return;
        const malformed = handlers.raft(this.id, body);
        if (malformed !== undefined) throw new Malformed(`a frame of Raft is malformed: ${malformed}`);
        return;
      }
      case "call":
        return this.#serve(body);
      case "answer":
        return this.#calls.take(body);
      case "credit":
        this.#outgoing.give(readCredit(body, this.#outgoing.given));
        this.#creditStuck = 0;
        this.#flushSoon();
        return handlers.credit(this.id, this.#outgoing.room);
      case "end":
        return this.#endedByPeer(readEnd(body));
    }
  }

  #message(frame: Buffer): void {
    const { handlers } = this.#shared.setup;
    const isStranger = handlers.memberOf(this.id) === undefined;
    if (this.#skipping || isStranger) {
      this.#skipping = isPartial(frame);
      // Of a member that became a stranger within a message, a part may lie there.
      this.#reader = new FrameReader();
      return;
    }
    const message = this.#reader.push(frame);
    if (message === undefined) return;
    if (message.type === "malformed") throw new Malformed(`a Distro message is malformed: ${message.reason}`);
    const broken = messageBroken(message);
    if (broken !== undefined) throw new Malformed(`a Distro message breaks a rule: ${broken}`);
    this.#in.messages++;
    handlers.message(this.id, message);
  }

  #serve(body: Buffer): void {
    const { number, name, payload } = readCall(body);
    const { handlers, calls } = this.#shared.setup;
    const from = handlers.memberOf(this.id);
    const handler = Object.hasOwn(calls, name) ? calls[name] : undefined;
    if (from === undefined)
      this.#refuse(number, new RegistryError("peerUnreachable", "who asks is not known as a member here yet"));
    else if (handler === undefined)
      this.#refuse(number, new RegistryError("noHandler", `this member answers no call '${name}'; it may be older`));
    else if (this.#serving >= this.#shared.limits.callsMax)
      this.#refuse(number, new RegistryError("overThreshold", `${this.#serving} calls are being answered already`));
    else {
      this.#serving++;
      void this.#answer(number, name, async () => handler(payload, from));
    }
  }

  async #answer(number: number, name: string, run: () => Promise<unknown>): Promise<void> {
    let answer: Buffer;
    try {
      answer = resultBody(number, await run());
    } catch (thrown) {
      if (!(thrown instanceof RegistryError)) {
        escalate(thrown);
        this.#shared.setup.log.error({ err: thrown, call: name }, "a call of another member failed");
      }
      answer = failureBody(number, RegistryError.from(thrown));
    }
    this.#serving--;
    this.#callsServed++;
    if (this.#state !== "open") return;
    if (this.#outgoing.call("answer", answer)) this.#flushSoon();
    else this.#refuse(number, new RegistryError("overThreshold", "too many bytes of answers wait to leave"));
  }

  #refuse(number: number, why: RegistryError): void {
    const taken = this.#outgoing.refusal(failureBody(number, why));
    this.#flushSoon();
    if (!taken) this.#abandon("it asks without taking the answers");
  }

  #giveCredit(): void {
    if (this.#state !== "open") return;
    const credit = this.#inbox.newCredit();
    if (credit === undefined) return;
    this.#outgoing.urgent("credit", creditBody(credit));
    this.#flushSoon();
  }

  /** All that is queued in one turn leaves together. */
  #flushSoon(): void {
    if (this.#flushing || this.#slow) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#said || this.#state === "ended" || this.#state === "gone") return;
    while (!this.#slow) {
      const batch = this.#outgoing.take();
      if (batch === undefined) break;
      this.#send(batch);
    }
    if (this.#state !== "closing" || this.#slow) return;
    const body = endBody(this.#reason);
    this.#said = true;
    this.#send(batchOf([{ kind: "end", body }], HEAD_BYTES + body.length));
    this.#pipe.end();
  }

  #send(batch: Buffer): void {
    this.#out.bytes += batch.length;
    this.#slow = !this.#pipe.send(batch);
  }

  #endedByPeer(reason: string): void {
    this.#inbox.clear();
    this.#reason = `the peer closed the link: ${reason}`;
    this.#calls.end(this.#reason);
    if (this.#state === "ended") return;
    this.#state = "closing";
    this.#said = true;
    this.#destroyLater();
    this.#pipe.end();
  }

  #destroyLater(): void {
    const { setup, limits } = this.#shared;
    this.#closeBy = setup.clock.schedule(limits.closeMs, () => this.#pipe.destroy());
  }

  /** The peer breaks the rules, or this member cannot handle what they allow: nothing that follows can be trusted. */
  #failed(thrown: unknown): void {
    if (thrown instanceof Malformed) {
      this.#shared.malformed(this, thrown.message);
      this.close(`malformed: ${thrown.message}`);
    } else {
      escalate(thrown);
      this.#shared.setup.log.error({ err: thrown, link: this.id }, "what came over a link could not be handled");
      this.close("this member failed to handle what came");
    }
    this.#inbox.clear();
  }

  /** The peer takes nothing: there is no use in waiting until it has taken the reason. */
  #abandon(reason: string): void {
    const { log } = this.#shared.setup;
    log.warn({ link: this.id, address: this.address, remoteIp: this.remoteIp, reason }, "a link was given up");
    this.close(reason);
    this.#pipe.destroy();
  }
}
