import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { frames, type Message } from "@nacre/core/distro";
import type { Address, Card, Frame, LinkId } from "@nacre/core/membership";
import { type ClientCall, connectGrpc } from "@nacre/grpc";
import { type Clock, systemClock } from "../../clock.ts";
import { HEAD_BYTES, type Kind } from "./envelopes.ts";
import type { LinkLimits } from "./limits.ts";
import { Links } from "./links.ts";
import { batchOf } from "./outgoing.ts";
import type { CallHandler, LinkTls } from "./types.ts";

export const HOST = "127.0.0.1";
/** For what has to happen soon: a test that waits longer has failed. */
const PATIENCE_MS = 10_000;

export interface MemberOptions {
  readonly limits?: Partial<LinkLimits>;
  readonly calls?: Readonly<Record<string, CallHandler>>;
  readonly clock?: Clock;
  readonly tls?: LinkTls;
  /** Whom it takes for members. Default: everybody. */
  readonly knows?: (link: LinkId) => boolean;
  /** In place of noting a message. */
  readonly message?: (link: LinkId, message: Message) => void;
}

/** One member's links, and all that they told. */
export class TestMember {
  readonly links: Links;
  readonly told: string[] = [];
  readonly frames: Frame[] = [];
  readonly messages: Message[] = [];
  readonly raft: Uint8Array[] = [];
  readonly warnings: string[] = [];
  port = 0;
  readonly #waiting = new Set<() => void>();

  constructor(options: MemberOptions = {}) {
    const note = (what: string): void => {
      this.told.push(what);
      this.look();
    };
    const warn = (details: object, text: string): void => void this.warnings.push(`${text} ${JSON.stringify(details)}`);
    this.links = new Links({
      clock: options.clock ?? systemClock,
      log: { debug: () => {}, info: () => {}, warn, error: warn },
      portOffset: 0,
      handlers: {
        opened: (link, address) => note(`opened ${link}${address === undefined ? "" : " as asked"}`),
        connectFailed: (_, error, refused) => note(`connectFailed${refused ? ", refused" : ""}: ${error}`),
        closed: (link, error) => note(`closed ${link}: ${error}`),
        frame: (link, frame) => {
          this.frames.push(frame);
          note(`frame ${link}`);
        },
        message: (link, message) => {
          if (options.message !== undefined) options.message(link, message);
          else this.messages.push(message);
          note(`message ${link}`);
        },
        raft: (link, frame) => {
          this.raft.push(frame);
          note(`raft ${link}`);
          return frame[0] === 0xff ? "it is none" : undefined;
        },
        credit: (link, batches) => note(`credit ${link}: ${batches}`),
        memberOf: (link) => (options.knows?.(link) === false ? undefined : "peer"),
      },
      calls: options.calls ?? {},
      ...(options.tls !== undefined && { tls: options.tls }),
      ...(options.limits !== undefined && { limits: options.limits }),
    });
  }

  get address(): Address {
    return `${HOST}:${this.port}`;
  }

  look(): void {
    for (const waiting of this.#waiting) waiting();
  }

  /** Waits until something was told that begins so. @returns it. */
  async heard(beginning: string): Promise<string> {
    await this.until(() => this.told.some((each) => each.startsWith(beginning)), `'${beginning}'`);
    return this.told.find((each) => each.startsWith(beginning)) as string;
  }

  async until(is: () => boolean, what = "it"): Promise<void> {
    if (is()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = (): void => {
      if (is()) resolve();
    };
    const timer = setTimeout(
      () => reject(new Error(`waited for ${what}; told was ${this.told.join("; ")}`)),
      PATIENCE_MS,
    );
    this.#waiting.add(waiting);
    await promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(waiting);
    });
  }
}

export async function member(t: TestContext, options: MemberOptions = {}): Promise<TestMember> {
  const made = new TestMember(options);
  made.port = await made.links.listen({ host: HOST, port: 0 });
  t.after(() => made.links.close(0));
  return made;
}

/** Two members, the first of which has called the second: its link is 1 on both sides. */
export async function pair(
  t: TestContext,
  first: MemberOptions = {},
  second: MemberOptions = {},
): Promise<[TestMember, TestMember]> {
  const a = await member(t, first);
  const b = await member(t, second);
  a.links.connect(b.address);
  await a.heard("credit 1");
  await b.heard("credit 1");
  return [a, b];
}

export const CARD: Card = {
  id: "a",
  clusterId: "c",
  settled: true,
  epoch: 0,
  incarnation: 1,
  beat: 1,
  addresses: ["10.0.0.1:8848"],
  protocol: { speaks: 1, oldest: 1 },
  version: "1.2.3",
  fingerprint: "f",
  listHash: "l",
  clockAt: 1.5,
  state: "UP",
  forever: false,
  pausedMs: 0,
};

export function probeFor(target: string): Frame {
  return { type: "probeFor", target };
}

export function ack(seq: number): readonly Uint8Array[] {
  return frames({ type: "ack", seq });
}

/** About so many bytes, as frames of at most a mebibyte. */
export function large(bytes: number, id = "x"): readonly Uint8Array[] {
  return frames({ type: "fetch", ids: [id.padEnd(bytes, ".")] });
}

export function batch(...envelopes: readonly (readonly [Kind, Uint8Array | string])[]): Buffer {
  const all = envelopes.map(([kind, body]) => ({ kind, body: Buffer.from(body as string) }));
  return batchOf(
    all,
    all.reduce((sum, { body }) => sum + HEAD_BYTES + body.length, 0),
  );
}

/** A peer that speaks as it likes. */
export async function rawPeer(t: TestContext, to: TestMember): Promise<{ call: ClientCall; ended: Promise<string> }> {
  const connection = await connectGrpc({ host: HOST, port: to.port });
  t.after(() => connection.destroy());
  const { promise, resolve } = Promise.withResolvers<string>();
  let said = "";
  const call = connection.call("/nacre.Cluster/Link", {
    message: (bytes) => {
      said = bytes.toString("latin1");
    },
    closed: (_, text) => resolve(`${said} ${text}`),
  });
  return { call, ended: promise };
}

export async function rawSocket(t: TestContext, to: TestMember): Promise<Socket> {
  const socket = connect(to.port, HOST);
  t.after(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

export function idOf(message: Message | undefined): string {
  assert.ok(message?.type === "fetch", "a fetch");
  return (message.ids[0] ?? "").replace(/\.+$/, "");
}
