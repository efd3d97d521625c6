import { type Address, readAddress } from "@nacre/core/membership";
import {
  type CallEnd,
  type ClientTls,
  connectGrpc,
  GRPC_LIMITS,
  type GrpcConnection,
  type GrpcLimits,
  type ServerCall,
  Status,
  StatusError,
} from "@nacre/grpc";
import { HEAD_BYTES } from "./envelopes.ts";
import { BODY_BYTES_MAX, type LinkLimits } from "./limits.ts";
import type { Pipe } from "./link.ts";

export const LINK_PATH = "/nacre.Cluster/Link";
const PORT_MAX = 65_535;
const MEBIBYTE = 1024 * 1024;

/** What the listener of a pipe hears. */
export interface PipeListener {
  received(batch: Buffer): void;
  drained(): void;
  /** Once, last. */
  ended(reason: string): void;
}

/** The engine's limits, as links need them on both sides. */
export function grpcLimits({ batchBytesMax }: LinkLimits): Partial<GrpcLimits> {
  return {
    // One link, and calls of those who take this for the port of clients: they are told so.
    streamsMax: 8,
    messageBytesMax: Math.max(batchBytesMax, HEAD_BYTES + BODY_BYTES_MAX),
    partialBytesMax: 8 * MEBIBYTE,
    // 100 MB/s at a round trip of 40 ms.
    streamWindowBytes: 4 * MEBIBYTE,
    connectionWindowBytes: 8 * MEBIBYTE,
    // More than a batch and this never waits before what comes next: a frame of membership overtakes the rest.
    streamQueuedBytes: 256 * 1024,
    // Every few megabytes of a peer cost a window update; they pay for themselves only in what is sent.
    idleFrames: { burst: 4 * GRPC_LIMITS.idleFrames.burst, perSecond: 2_000 },
  };
}

/** Why a connect came to nothing. */
export class ConnectFailure extends Error {
  override readonly name = "ConnectFailure";
  /** The machine answered that nobody listens. */
  readonly refused: boolean;

  constructor(message: string, refused = false) {
    super(message);
    this.refused = refused;
  }
}

/**
 * Calls a member and waits until it has sent its first batch, which is given to the listener that `opened` returns.
 *
 * @throws ConnectFailure.
 */
export async function callMember(
  address: Address,
  portOffset: number,
  tls: ClientTls | undefined,
  limits: LinkLimits,
  opened: (pipe: Pipe) => PipeListener,
): Promise<void> {
  const read = readAddress(address, 0);
  if (typeof read === "string") throw new ConnectFailure(`'${address}' is no address: it ${read}`);
  const port = read.port + portOffset;
  if (read.port === 0 || port < 1 || port > PORT_MAX)
    throw new ConnectFailure(
      `the cluster port of ${address} would be ${port}: main ports are below ${PORT_MAX - portOffset}`,
    );
  const startedAt = performance.now();
  const connection = await connectTo(read.host, port, tls, limits);
  const first = Promise.withResolvers<void>();
  let listener: PipeListener | undefined;
  const timer = setTimeout(
    () => {
      first.reject(new ConnectFailure(`it did not greet within ${limits.connectMs} ms`));
      connection.destroy();
    },
    limits.connectMs - (performance.now() - startedAt),
  );
  const pipe = new ClientPipe(read.host, connection, limits, tls !== undefined);
  pipe.call = connection.call(LINK_PATH, {
    message(batch) {
      if (listener === undefined) {
        clearTimeout(timer);
        listener = opened(pipe);
        first.resolve();
      }
      listener.received(batch);
    },
    drained: () => listener?.drained(),
    closed(status, text) {
      clearTimeout(timer);
      first.reject(new ConnectFailure(notMember(status, text)));
      void connection.close(limits.closeMs);
      listener?.ended(status === Status.OK ? "the peer ended the link" : text);
    },
  });
  return first.promise;
}

async function connectTo(
  host: string,
  port: number,
  tls: ClientTls | undefined,
  limits: LinkLimits,
): Promise<GrpcConnection> {
  try {
    return await connectGrpc({
      host,
      port,
      connectTimeoutMs: limits.connectMs,
      limits: grpcLimits(limits),
      ...(tls !== undefined && { tls }),
    });
  } catch (thrown) {
    const { message, cause } = thrown as Error;
    throw new ConnectFailure(withoutAddress(message, host, port), isRefused(cause));
  }
}

/** Whoever tells of the failure names the member; engine and system have each named its address as well. */
function withoutAddress(message: string, host: string, port: number): string {
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const why = message.replace(`cannot connect to ${address}: `, "");
  return why.replaceAll(` ${address}`, "").replaceAll(` ${host}:${port}`, "");
}

function isRefused(cause: unknown): boolean {
  if (cause instanceof AggregateError) return cause.errors.every(isRefused);
  return (cause as NodeJS.ErrnoException | undefined)?.code === "ECONNREFUSED";
}

/** A server of another kind listens there: both sides are to say so. */
function notMember(status: Status, text: string): string {
  if (status === Status.UNIMPLEMENTED)
    return `the server there is no member of a Nacre cluster: it does not know ${LINK_PATH} (${text})`;
  return status === Status.OK ? "the server there ended the link before it began" : text;
}

class ClientPipe implements Pipe {
  readonly remoteIp: string;
  readonly encrypted: boolean;
  call: ReturnType<GrpcConnection["call"]> | undefined;
  readonly #connection: GrpcConnection;
  readonly #limits: LinkLimits;

  constructor(host: string, connection: GrpcConnection, limits: LinkLimits, encrypted: boolean) {
    this.remoteIp = host;
    this.encrypted = encrypted;
    this.#connection = connection;
    this.#limits = limits;
  }

  get queuedBytes(): number {
    return this.#connection.queuedBytes;
  }

  send(batch: Buffer): boolean {
    return this.call?.send(batch) !== false;
  }

  end(): void {
    this.call?.halfClose();
    void this.#connection.close(this.#limits.closeMs);
  }

  destroy(): void {
    this.#connection.destroy();
  }
}

export class ServerPipe implements Pipe {
  readonly #call: ServerCall;
  readonly #limits: LinkLimits;

  constructor(call: ServerCall, limits: LinkLimits) {
    this.#call = call;
    this.#limits = limits;
  }

  get remoteIp(): string {
    return this.#call.peer.remoteAddress;
  }

  get encrypted(): boolean {
    return this.#call.peer.encrypted;
  }

  get queuedBytes(): number {
    return this.#call.peer.queuedBytes;
  }

  send(batch: Buffer): boolean {
    return this.#call.send(batch);
  }

  end(): void {
    this.#call.end(Status.OK);
    this.#call.peer.close(this.#limits.closeMs);
  }

  destroy(): void {
    this.#call.peer.destroy();
  }
}

export const ENDS: Record<CallEnd, string> = {
  completed: "this side ended the link",
  cancelled: "the peer cancelled the link",
  deadline: "the deadline of the link passed",
  connection: "the connection ended",
  error: "the peer broke the rules of HTTP/2",
};

/** For SDKs and servers of another kind that call the cluster port. */
export const WRONG_PORT: StatusError = new StatusError(
  Status.FAILED_PRECONDITION,
  "this is the cluster port of a Nacre member, on which members of a Nacre cluster alone speak: clients use the main " +
    "port (HTTP) and the one 1000 above it (gRPC); a Nacos server cannot be a member of this cluster",
);
