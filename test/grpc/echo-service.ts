/** The service that the clients call: one table, whatever server carries it. */
import {
  type CallEnd,
  type CallListener,
  Metadata,
  type Method,
  type Methods,
  type ServerCall,
  Status,
  StatusError,
} from "@nacre/grpc";

export const SERVICE = "nacre.test.Echo";

/** How long running calls may go on after Drain. */
const DRAIN_GRACE_MS = 20_000;
const ECHOED_METADATA = ["x-text", "x-data-bin"];

/**
 * | Method | Request | Answer |
 * |---|---|---|
 * | Echo | any bytes | the same |
 * | ServerStream | `count size [name]` | `count` messages of `size` bytes, see {@link numbered}; its end counts for `name` |
 * | ClientStream | messages | `messages bytes` |
 * | Bidi | messages | each of them |
 * | Meta | any | the same; `x-text` and `x-data-bin` of the request in its initial and its trailing metadata |
 * | Fail | `code message` | that status |
 * | Hang | `name` | none; its end counts for `name` |
 * | Ended | `name` | `cancelled deadline other`: how many calls of that name ended so |
 * | Port | | the client's port, which names the connection |
 * | Drain | | the same, after GOAWAY was said on its connection |
 * | Pings | | how many PING frames clients have sent through the counting proxy |
 */
export function echoService(pings: () => number): Methods {
  const ends = new Map<string, { cancelled: number; deadline: number; other: number }>();

  function count(name: string, reason: CallEnd): void {
    const own = ends.get(name) ?? { cancelled: 0, deadline: 0, other: 0 };
    ends.set(name, own);
    own[reason === "cancelled" || reason === "deadline" ? reason : "other"]++;
  }

  const methods: Record<string, Method> = {
    Echo: { type: "unary", handle: (message) => message },
    ServerStream: { type: "stream", open: (call) => serverStream(call, count) },
    ClientStream: { type: "stream", open: clientStream },
    Bidi: { type: "stream", open: bidi },
    Meta: { type: "stream", open: meta },
    Fail: { type: "unary", handle: fail },
    Hang: { type: "stream", open: () => hang(count) },
    Ended: {
      type: "unary",
      handle(message) {
        const { cancelled, deadline, other } = ends.get(message.toString()) ?? { cancelled: 0, deadline: 0, other: 0 };
        return Buffer.from(`${cancelled} ${deadline} ${other}`);
      },
    },
    Port: { type: "unary", handle: (_, { peer }) => Buffer.from(String(peer.remotePort)) },
    Drain: {
      type: "unary",
      handle(_, { peer }) {
        peer.close(DRAIN_GRACE_MS);
        return Buffer.from(String(peer.remotePort));
      },
    },
    Pings: { type: "unary", handle: () => Buffer.from(String(pings())) },
  };
  return Object.fromEntries(Object.entries(methods).map(([name, method]) => [`/${SERVICE}/${name}`, method]));
}

/** Message `i` of a server stream: its number in decimal, filled with dots or cut to `size` bytes. */
export function numbered(i: number, size: number): Buffer {
  return Buffer.from(String(i).padEnd(size, ".").slice(0, size));
}

function serverStream(call: ServerCall, count: (name: string, reason: CallEnd) => void): CallListener {
  let [total, size, next] = [0, 0, 0];
  let name: string | undefined;
  const sendMore = () => {
    while (next < total && !call.ended) {
      if (!call.send(numbered(next++, size)) && next < total) return;
    }
    if (!call.ended) call.end();
  };
  return {
    message(message) {
      const words = message.toString().split(" ");
      [total, size] = [Number(words[0]), Number(words[1])];
      name = words[2];
      sendMore();
    },
    drained: sendMore,
    closed(reason) {
      if (name !== undefined) count(name, reason);
    },
  };
}

function clientStream(call: ServerCall): CallListener {
  let [messages, bytes] = [0, 0];
  return {
    message(message) {
      messages++;
      bytes += message.length;
    },
    halfClosed() {
      call.send(Buffer.from(`${messages} ${bytes}`));
      call.end();
    },
  };
}

function bidi(call: ServerCall): CallListener {
  return {
    message(message) {
      if (!call.send(message)) call.pause();
    },
    drained: () => call.resume(),
    halfClosed: () => call.end(),
  };
}

function meta(call: ServerCall): CallListener {
  const echoed = (): Metadata => {
    const metadata = new Metadata();
    for (const name of ECHOED_METADATA) {
      for (const value of call.metadata.getAll(name)) metadata.add(name, value);
    }
    return metadata;
  };
  return {
    message(message) {
      call.sendMetadata(echoed());
      call.send(message);
      call.end(Status.OK, "", echoed());
    },
  };
}

function fail(message: Buffer): never {
  const [, code, text] = /^(\d+) (.*)$/s.exec(message.toString()) ?? [];
  throw new StatusError(Number(code) as Status, text ?? "");
}

function hang(count: (name: string, reason: CallEnd) => void): CallListener {
  let name = "";
  return {
    message(message) {
      name = message.toString();
    },
    closed: (reason) => count(name, reason),
  };
}
