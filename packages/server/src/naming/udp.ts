import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIP } from "node:net";
import type { Clock, Timer } from "../clock.ts";

/** Packets of this size and more are compressed. */
const GZIP_FROM_BYTES = 1024;
/** The largest payload of one datagram over IPv4. */
const DATAGRAM_BYTES_MAX = 65_507;
/** The longest list that is compressed for a datagram: lists of services shrink to a tenth at best. */
const BODY_CHARS_MAX = 1024 * 1024;
/** An acknowledgement has under 100 bytes; what is larger is not one. */
const ACK_BYTES_MAX = 1024;

const ACK_TIMEOUT_MS = 10_000;
const PENDING_MAX = 10_000;

export interface UdpMessage {
  /** An address, not a host name. */
  readonly ip: string;
  readonly port: number;
  /** The service as JSON text. */
  readonly body: string;
  /** What the message is about. A newer one to the same address takes the place of an older one that still waits. */
  readonly topic?: string;
}

/** How a message ended. */
export interface UdpSettled {
  readonly message: UdpMessage;
  /**
   * `superseded`: a newer message of the topic took its place. `untracked`: sent once without waiting, because too many
   * acknowledgements were pending.
   */
  readonly outcome: "acked" | "unanswered" | "failed" | "superseded" | "untracked";
  /** From the first packet to the end, in milliseconds. */
  readonly tookMs: number;
  /** Set when `failed`. */
  readonly reason?: string;
}

export interface UdpPushOptions {
  readonly clock: Clock;
  /** Local port; 0 takes a free one. */
  readonly port?: number;
  /** Local IPv4 address. */
  readonly host?: string;
  readonly ackTimeoutMs?: number;
  /** Messages that may wait for their acknowledgement at one time. */
  readonly pendingMax?: number;
}

export interface UdpPush {
  readonly port: number;
  /** Messages that wait for an acknowledgement. */
  readonly pending: number;
  /** Messages since the start, by how they ended. */
  readonly settled: Readonly<Record<UdpSettled["outcome"], number>>;
  /** Sends, waits for the acknowledgement and sends once more without one. Never throws. */
  send(message: UdpMessage): void;
  /** Called once for every message; one listener. */
  onSettled(listener: (settled: UdpSettled) => void): void;
  /** Closes the sockets; what still waits is never settled. */
  close(): Promise<void>;
}

interface Pending {
  readonly message: UdpMessage;
  readonly key: string;
  readonly packet: Buffer;
  readonly sentAt: number;
  timer: Timer | undefined;
  retried: boolean;
}

/**
 * Opens the UDP port from which subscribers of the HTTP dialect are told of changes. Delivery is best effort by design:
 * each of these clients polls as well.
 */
export async function openUdpPush(options: UdpPushOptions): Promise<UdpPush> {
  const { clock, ackTimeoutMs = ACK_TIMEOUT_MS, pendingMax = PENDING_MAX } = options;
  const pending = new Map<string, Pending>();
  const newest = new Map<string, Pending>();
  const counts = { acked: 0, unanswered: 0, failed: 0, superseded: 0, untracked: 0 };
  let tell: (settled: UdpSettled) => void = () => {};
  let last: { body: string; refTime: number; packet: Buffer } | undefined;
  let lastRefTime = 0;
  let closed = false;

  const v4 = createSocket("udp4").on("message", onMessage);
  v4.bind(options.port ?? 0, options.host);
  await once(v4, "listening");
  v4.on("error", () => {});
  let v6: Socket | undefined;

  function settle(settled: UdpSettled): void {
    counts[settled.outcome]++;
    tell(settled);
  }

  function onMessage(data: Buffer, from: RemoteInfo): void {
    const refTime = readAck(data);
    const found = refTime === undefined ? undefined : pending.get(keyOf(from.address, from.port, refTime));
    if (found !== undefined) end(found, "acked");
  }

  /** The packet for a body. A fan-out sends one body to many subscribers, and they share the packet. */
  function packetOf(body: string, ip: string, port: number) {
    if (last?.body !== body || pending.has(keyOf(ip, port, last.refTime))) {
      // The reference writes nanoseconds; a thousandth of that stays exact as a double in every client.
      lastRefTime = Math.max(lastRefTime + 1, Math.floor(clock.wall()) * 1000);
      last = { body, refTime: lastRefTime, packet: encodePacket(body, lastRefTime) };
    }
    return last;
  }

  function send(message: UdpMessage): void {
    if (closed) return;
    const { ip, port, body, topic } = message;
    const refuse = (reason: string) => settle({ message, outcome: "failed", tookMs: 0, reason });
    if (isIP(ip) === 0) return refuse(`${ip} is not an IP address`);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return refuse(`port ${port} is not between 1 and 65535`);
    // Larger bodies never fit, and finding that out would take the compressor longer than a turn of the event loop may.
    if (body.length > BODY_CHARS_MAX)
      return refuse(`the list has ${body.length} characters; at most ${BODY_CHARS_MAX} are sent`);
    const { refTime, packet } = packetOf(body, ip, port);
    if (packet.length > DATAGRAM_BYTES_MAX)
      return refuse(`the packet has ${packet.length} bytes; a datagram carries ${DATAGRAM_BYTES_MAX}`);

    const older = topic === undefined ? undefined : newest.get(topicKey(message));
    if (older !== undefined) end(older, "superseded");
    const entry: Pending = {
      message,
      key: keyOf(ip, port, refTime),
      packet,
      sentAt: clock.now(),
      timer: undefined,
      retried: false,
    };
    if (pending.size >= pendingMax) {
      transmit(entry);
      return settle({ message, outcome: "untracked", tookMs: 0 });
    }
    pending.set(entry.key, entry);
    if (topic !== undefined) newest.set(topicKey(message), entry);
    transmit(entry);
    wait(entry);
  }

  function wait(entry: Pending): void {
    entry.timer = clock.schedule(ackTimeoutMs, () => {
      if (entry.retried) return end(entry, "unanswered");
      entry.retried = true;
      transmit(entry);
      wait(entry);
    });
  }

  function transmit(entry: Pending): void {
    const { ip, port } = entry.message;
    socketFor(ip).send(entry.packet, port, ip, (error) => {
      if (error !== null && pending.get(entry.key) === entry) end(entry, "failed", error.message);
    });
  }

  function socketFor(ip: string): Socket {
    if (isIP(ip) === 4) return v4;
    // Opened with the first subscriber that needs it: many machines have no IPv6.
    v6 ??= createSocket({ type: "udp6", ipv6Only: true })
      .on("message", onMessage)
      .on("error", () => {});
    return v6;
  }

  function end(entry: Pending, outcome: UdpSettled["outcome"], reason?: string): void {
    entry.timer?.cancel();
    pending.delete(entry.key);
    const { message } = entry;
    if (message.topic !== undefined && newest.get(topicKey(message)) === entry) newest.delete(topicKey(message));
    settle({ message, outcome, tookMs: clock.now() - entry.sentAt, ...(reason !== undefined && { reason }) });
  }

  return {
    port: v4.address().port,
    get pending() {
      return pending.size;
    },
    settled: counts,
    send,
    onSettled(listener) {
      tell = listener;
    },
    async close() {
      if (closed) return;
      closed = true;
      for (const entry of pending.values()) entry.timer?.cancel();
      pending.clear();
      newest.clear();
      await Promise.all([v4, v6].map((socket) => socket && new Promise<void>((done) => socket.close(done))));
    },
  };
}

function encodePacket(body: string, lastRefTime: number): Buffer {
  const packet = Buffer.from(JSON.stringify({ type: "dom", data: body, lastRefTime }));
  return packet.length < GZIP_FROM_BYTES ? packet : process.getBuiltinModule("node:zlib").gzipSync(packet);
}

/** The `lastRefTime` of an acknowledgement, written as text or as a number; undefined for anything else. */
export function readAck(data: Buffer): string | undefined {
  if (data.length > ACK_BYTES_MAX) return undefined;
  try {
    const { type, lastRefTime } = JSON.parse(data.toString("utf8")) as { type?: unknown; lastRefTime?: unknown };
    if (type !== "push-ack") return undefined;
    return typeof lastRefTime === "string" || typeof lastRefTime === "number" ? String(lastRefTime) : undefined;
  } catch {
    return undefined;
  }
}

/** An acknowledgement counts only from the address that the message went to. */
function keyOf(ip: string, port: number, refTime: number | string): string {
  return `${ip} ${port} ${refTime}`;
}

function topicKey({ ip, port, topic }: UdpMessage): string {
  return `${ip} ${port} ${topic}`;
}
