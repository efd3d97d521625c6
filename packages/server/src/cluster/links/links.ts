import type { Address, Frame, LinkId } from "@nacre/core/membership";
import {
  type CallListener,
  GrpcServer,
  type Method,
  type Peer,
  type ServerCall,
  Status,
  StatusError,
} from "@nacre/grpc";
import { RegistryError } from "@nacre/protocol";
import type { Timer } from "../../clock.ts";
import { uncaught } from "../../faults.ts";
import { Complaints } from "./complaints.ts";
import { LINK_LIMITS, type LinkLimits } from "./limits.ts";
import { Link, type LinkShared } from "./link.ts";
import { ConnectFailure, callMember, ENDS, grpcLimits, LINK_PATH, ServerPipe, WRONG_PORT } from "./pipes.ts";
import { Turns } from "./turns.ts";
import type { ClusterLinks, LinksFacts, LinksSetup, LinkTls } from "./types.ts";

/** How often it is looked whether peers take what waits for them. */
const LOOK_MS = 1_000;
/** Who connects and says nothing for this long is let go. */
const SILENT_MS = 5_000;
/** The two methods of servers and SDKs of Nacos. */
const FOREIGN_PATHS = { "/Request/request": "unary", "/BiRequestStream/requestBiStream": "stream" } as const;

/** Connections between members: see DESIGN.md of the cluster, "Links" and "Calls". */
export class Links implements LinkShared, ClusterLinks {
  readonly setup: LinksSetup;
  readonly limits: LinkLimits;
  readonly turns: Turns;
  readonly #links = new Map<LinkId, Link>();
  /** Of connections that were accepted. */
  readonly #byPeer = new Map<Peer, Link>();
  readonly #complaints: Complaints;
  #tls: LinkTls | undefined;
  #server: GrpcServer | undefined;
  #looking: Timer | undefined;
  #nextId: LinkId = 1;
  #stopped = false;
  #allGone: PromiseWithResolvers<void> | undefined;
  readonly #counted = { opened: 0, connectFailures: 0, malformed: 0, strangers: 0 };

  constructor(setup: LinksSetup) {
    this.setup = setup;
    this.limits = { ...LINK_LIMITS, ...setup.limits };
    this.turns = new Turns(setup.clock, this.limits.sliceMs);
    this.#complaints = new Complaints(setup.clock);
    this.#tls = setup.tls;
  }

  /** Opens the cluster port. @returns the port. @throws the system's error, for example with code EADDRINUSE. */
  listen({ host, port }: { readonly host: string; readonly port: number }): Promise<number> {
    const stream: Method = { type: "stream", open: (call) => this.#accept(call) };
    const refused = Object.entries(FOREIGN_PATHS).map(([path, type]): [string, Method] => [path, this.#refusing(type)]);
    this.#server = new GrpcServer({
      host,
      port,
      methods: { [LINK_PATH]: stream, ...Object.fromEntries(refused) },
      limits: grpcLimits(this.limits),
      connectionsMax: this.limits.connectionsMax,
      firstCallMs: SILENT_MS,
      ...(this.#tls !== undefined && { tls: this.#tls.server }),
      closed: (peer, cause) => {
        const link = this.#byPeer.get(peer);
        this.#byPeer.delete(peer);
        link?.ended(cause);
      },
      onError: uncaught,
    });
    return this.#server.listen();
  }

  /** Calls the member with this main address; `opened` or `connectFailed` follows within 2 s. */
  connect(address: Address): void {
    void this.#connect(address);
  }

  /** Sends what is queued and tells the peer the reason, then closes; `closed` follows. */
  closeLink(link: LinkId, reason: string): void {
    this.#links.get(link)?.close(reason);
  }

  /** Goes before everything but frames. Of a link that is gone it is lost. */
  sendFrame(link: LinkId, frame: Frame): void {
    this.#links.get(link)?.sendFrame(frame);
  }

  /**
   * Queues the frames of one Distro message. Of a link that is gone, or whose queue is full, it is lost.
   * @returns whether it was queued.
   */
  sendMessage(link: LinkId, frames: readonly Uint8Array[]): boolean {
    return this.#links.get(link)?.sendMessage(frames) ?? false;
  }

  /** Goes before calls and Distro messages. Of a link that is gone, or whose queue is full, it is lost. @returns whether it was queued. */
  sendRaft(link: LinkId, frame: Uint8Array): boolean {
    return this.#links.get(link)?.sendRaft(frame) ?? false;
  }

  /**
   * Asks the member at the other end.
   *
   * @throws RegistryError: that of the other member by name and sentence; `peerUnreachable` when the link is gone, closes
   * or has no answer in time, so that nobody knows whether it was done; `overThreshold` when too much waits already.
   */
  async call(link: LinkId, name: string, payload: unknown, timeoutMs: number): Promise<unknown> {
    const found = this.#links.get(link);
    if (found === undefined)
      throw new RegistryError("peerUnreachable", `call '${name}' was not made: its link is gone`);
    return found.call(name, payload, timeoutMs);
  }

  /** New certificates for connections that come from now on. @throws TypeError when they cannot be used. */
  renewTls(tls: LinkTls): void {
    this.#server?.renewTls(tls.server);
    this.#tls = tls;
  }

  facts(): LinksFacts {
    return { links: [...this.#links.values()].map((link) => link.facts()), ...this.#counted };
  }

  /** Closes all links and the port. */
  async close(graceMs: number): Promise<void> {
    this.#stopped = true;
    for (const link of this.#links.values()) link.close("this member stops");
    await this.#server?.close(graceMs);
    if (this.#links.size > 0) {
      this.#allGone ??= Promise.withResolvers();
      await this.#allGone.promise;
    }
    this.#looking?.cancel();
  }

  gone(link: Link, reason: string): void {
    this.#links.delete(link.id);
    this.setup.handlers.closed(link.id, reason);
    if (this.#links.size > 0) return;
    this.#looking?.cancel();
    this.#looking = undefined;
    this.#allGone?.resolve();
  }

  malformed({ id, address, remoteIp }: Link, reason: string): void {
    this.#counted.malformed++;
    if (!this.#complaints.isNew(`${remoteIp} ${reason}`)) return;
    const details = { link: id, address, remoteIp, reason };
    this.setup.log.warn(details, "a link was closed: its peer sent what no member sends");
  }

  async #connect(address: Address): Promise<void> {
    const { handlers, portOffset } = this.setup;
    try {
      await callMember(address, portOffset, this.#tls?.client, this.limits, (pipe) => {
        const link = this.#add((id) => new Link(this, id, address, pipe));
        handlers.opened(link.id, address);
        if (this.#stopped) link.close("this member stops");
        return link;
      });
    } catch (thrown) {
      if (!(thrown instanceof ConnectFailure)) return uncaught(thrown);
      this.#counted.connectFailures++;
      handlers.connectFailed(address, thrown.message, thrown.refused);
    }
  }

  #accept(call: ServerCall): CallListener {
    if (this.#stopped) throw new StatusError(Status.UNAVAILABLE, "this member stops");
    if (this.#byPeer.has(call.peer))
      throw new StatusError(Status.FAILED_PRECONDITION, "there is a link on this connection already");
    call.sendMetadata();
    const link = this.#add((id) => new Link(this, id, undefined, new ServerPipe(call, this.limits)));
    this.#byPeer.set(call.peer, link);
    this.setup.handlers.opened(link.id, undefined);
    return {
      message: (batch) => link.received(batch),
      halfClosed: () => call.end(Status.OK),
      drained: () => link.drained(),
      closed: (end) => {
        // Of a connection that has ended more is known a moment later.
        if (end === "connection") return;
        link.ended(end === "completed" ? "the peer ended the link" : ENDS[end]);
        call.peer.close(this.limits.closeMs);
      },
    };
  }

  #add(make: (id: LinkId) => Link): Link {
    const link = make(this.#nextId++);
    this.#links.set(link.id, link);
    this.#counted.opened++;
    this.#looking ??= this.setup.clock.schedule(LOOK_MS, () => this.#look());
    return link;
  }

  #look(): void {
    this.#looking = this.setup.clock.schedule(LOOK_MS, () => this.#look());
    for (const link of [...this.#links.values()]) link.look(LOOK_MS);
  }

  /** An SDK or a server of another kind takes this port for its own. */
  #refusing(type: "unary" | "stream"): Method {
    const refuse = (call: ServerCall): never => {
      const { remoteAddress } = call.peer;
      this.#counted.strangers++;
      if (this.#complaints.isNew(remoteAddress))
        this.setup.log.warn(
          { remoteIp: remoteAddress, path: call.path },
          "a call on the cluster port was refused: it is of an SDK or a Nacos server, not of a member of this cluster",
        );
      throw WRONG_PORT;
    };
    return type === "unary" ? { type, handle: (_, call) => refuse(call) } : { type, open: refuse };
  }
}
