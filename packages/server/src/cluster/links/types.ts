import type { Message } from "@nacre/core/distro";
import type { Address, Frame, LinkId, MemberId } from "@nacre/core/membership";
import type { ClientTls, ServerTls } from "@nacre/grpc";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../connections/connections.ts";
import type { LinkLimits } from "./limits.ts";

/** What links tell. Never called inside a method of `Links`, but for `connectFailed` of nothing and `opened` of nothing. */
export interface LinkHandlers {
  /** A link stands. `address` is the one of `connect`; undefined when the other side opened it. */
  opened(link: LinkId, address: Address | undefined): void;
  /** `connect` came to nothing. `refused`: the machine answered that nobody listens. */
  connectFailed(address: Address, error: string, refused: boolean): void;
  /** Once for each link that was opened, whoever closed it; nothing is told of it afterwards. */
  closed(link: LinkId, error: string): void;
  /** A frame of membership, with every field checked. */
  frame(link: LinkId, frame: Frame): void;
  /** A message of Distro, in the order of one link; of links that `memberOf` knows alone. */
  message(link: LinkId, message: Message): void;
  /** A frame of Raft; of links that `memberOf` knows alone. @returns why the link is to be closed, if it is. */
  raft(link: LinkId, frame: Uint8Array): string | undefined;
  /** How many Distro messages the link takes now; told when the peer has made room. */
  credit(link: LinkId, batches: number): void;
  /** Who is at the other end, as membership has found. Calls and Distro messages of strangers are not taken. */
  memberOf(link: LinkId): MemberId | undefined;
}

/**
 * Answers a call of another member with something that JSON can hold; undefined is answered as null.
 *
 * @param payload as it came: to be read with a typed reader.
 * @throws RegistryError, which the caller gets by name and sentence; anything else reaches it as `serverError`.
 */
export type CallHandler = (payload: unknown, from: MemberId) => unknown;

/** The links of one member as the rest of the cluster's shell uses them: `Links` says what each method does. */
export interface ClusterLinks {
  listen(at: { readonly host: string; readonly port: number }): Promise<number>;
  connect(address: Address): void;
  closeLink(link: LinkId, reason: string): void;
  sendFrame(link: LinkId, frame: Frame): void;
  sendMessage(link: LinkId, frames: readonly Uint8Array[]): boolean;
  sendRaft(link: LinkId, frame: Uint8Array): boolean;
  call(link: LinkId, name: string, payload: unknown, timeoutMs: number): Promise<unknown>;
  facts(): LinksFacts;
  /** New certificates for connections that come from now on. */
  renewTls(tls: LinkTls): void;
  close(graceMs: number): Promise<void>;
}

/** Certificates of both halves of links: what this member shows and whom it believes. */
export interface LinkTls {
  readonly server: ServerTls;
  readonly client: ClientTls;
}

export interface LinksSetup {
  readonly clock: Clock;
  readonly log: Log;
  /** What is added to the main port of any member to find its cluster port. */
  readonly portOffset: number;
  readonly handlers: LinkHandlers;
  /** By name. */
  readonly calls: Readonly<Record<string, CallHandler>>;
  /** Default: no TLS. */
  readonly tls?: LinkTls;
  readonly limits?: Partial<LinkLimits>;
}

/** What one link has carried and holds. Counters grow while it stands. */
export interface LinkFacts {
  readonly link: LinkId;
  /** Undefined of a link that the other side opened. */
  readonly address: Address | undefined;
  readonly remoteIp: string;
  readonly encrypted: boolean;
  /** Monotonic milliseconds. */
  readonly openedAt: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Distro messages that found the queue full: Distro tells the same again. */
  readonly messagesDropped: number;
  /** Frames of Raft that found a queue full, here or as they came: Raft says the same again. */
  readonly raftDropped: number;
  /** Distro messages that the link takes now. */
  readonly credit: number;
  /** Waiting here or in the socket. */
  readonly queuedBytes: number;
  /** Came, and not handled yet. */
  readonly unhandledBytes: number;
  readonly callsInFlight: number;
  readonly callsServed: number;
  /** Calls that were answered, and how long that took: the sum and the latest, milliseconds. */
  readonly callsAnswered: number;
  readonly roundTripsMs: number;
  readonly roundTripMs: number | undefined;
}

/** Over all links since the start. */
export interface LinksFacts {
  readonly links: readonly LinkFacts[];
  readonly opened: number;
  readonly connectFailures: number;
  /** Links that were closed because their peer sent what no member sends. */
  readonly malformed: number;
  /** Calls of SDKs and of servers of another kind that were refused. */
  readonly strangers: number;
}
