import type { DistroOptions } from "@nacre/core/distro";
import {
  type Address,
  beatBy,
  type Effect,
  type LinkId,
  linkTo,
  type MemberState,
  type MembershipOptions,
  ownBeat,
  ownerIn,
} from "@nacre/core/membership";
import { contentsOf, heardAt, isLeft, isSuperseded, patienceOf } from "@nacre/core/naming";
import type { Clock } from "../clock.ts";
import type { Log } from "../connections/connections.ts";
import type { Naming } from "../naming/naming.ts";
import type { Files } from "../storage/files.ts";
import { VERSION } from "../version.ts";
import { askPeers } from "./ask-peers.ts";
import { ClientWords } from "./client-words.ts";
import { DistroRunner } from "./distro-runner.ts";
import { forwarded } from "./forwarded-rules.ts";
import {
  type AddressEvent,
  type BeatAnswer,
  FORWARD_TIMEOUT_MS,
  type ForwardingFailures,
  forwardWrite,
  noteForwarded,
  readForwarded,
} from "./forwarding.ts";
import { joinOf } from "./group/forming-runner.ts";
import type { GroupLinks } from "./group/group-links.ts";
import type { GroupHandle } from "./group/group-log.ts";
import { MemberGroup } from "./group/member-group.ts";
import type { OpenedIdentity } from "./identity.ts";
import { type Connects, connectsByTcp, InstanceProbe } from "./instance-probe.ts";
import { Links } from "./links/links.ts";
import type { ClusterLinks, LinksSetup, LinkTls } from "./links/types.ts";
import { newResolve } from "./lookup/resolve.ts";
import { MemberRunner } from "./member-runner.ts";
import type { PeerCallHandlers, Peers } from "./peer-calls.ts";

/** Members speak to each other when each understands what the other one speaks. */
export const CLUSTER_PROTOCOL = { speaks: 1, oldest: 1 } as const;

export interface ClusterSetup {
  readonly clock: Clock;
  readonly log: Log;
  readonly naming: Naming;
  readonly identity: OpenedIdentity;
  /** Where the journal of clients lies; undefined keeps none. */
  readonly directory: string | undefined;
  readonly membership: Partial<MembershipOptions>;
  readonly distro: Partial<DistroOptions>;
  /** Of the identity token that members show each other; not asked for before there is another one. */
  readonly fingerprint: () => string;
  /** What an operator says this member's host is. */
  readonly host: string | undefined;
  /** The main port. */
  readonly port: number;
  /** What is added to the main port of any member to find its cluster port. */
  readonly portOffset: number;
  readonly tls: LinkTls | undefined;
  /** What this member answers others, beside what the cluster answers itself. */
  readonly calls: Omit<PeerCallHandlers, "naming.write" | "group.join">;
  /** The log of durable data, and what it hears others through; undefined for a member that keeps nothing. */
  readonly group?: { readonly log: GroupHandle; readonly links: GroupLinks };
  readonly resolve: (host: string) => Promise<{ readonly ips: readonly string[]; readonly error?: string }>;
  /** This member has what it needs to serve clients, or not yet and why. Called when that changes. */
  readonly readiness: (state: {
    readonly ready: boolean;
    readonly reason: string;
    /** What durable data it would show its clients is not as it should be. */
    readonly isWrong?: boolean;
  }) => void;
  /** What is outside of the process, for members of a simulated network; by default this machine's own. */
  readonly outside?: Outside;
}

export interface Outside {
  readonly links: (setup: LinksSetup) => ClusterLinks;
  readonly connects: Connects;
  readonly files: Files;
}

const PEER_STATES: Record<MemberState, "unknown" | "up" | "suspicious" | "down"> = {
  STARTING: "unknown",
  UP: "up",
  // It still answers and speaks for its clients: that it stops changes nothing about what it holds.
  LEAVING: "up",
  SUSPICIOUS: "suspicious",
  DOWN: "down",
};

/** The parts of a member that concern other members, joined. See DESIGN.md for who feeds whom. */
export class Cluster {
  readonly members: MemberRunner;
  readonly distro: DistroRunner;
  readonly links: ClusterLinks;
  /** The other members, to be asked. */
  readonly peers: Peers;
  /** Members to which writes of address clients could not be forwarded last time. */
  readonly forwardingFailures: ForwardingFailures = new Map();
  readonly #setup: ClusterSetup;
  readonly #probe: InstanceProbe;
  readonly #clients: ClientWords;
  readonly #group: MemberGroup | undefined;
  /** The link that this member uses for each other one, as far as Distro was told of its credit. */
  readonly #outs = new Map<string, LinkId>();
  readonly #credits = new Map<LinkId, number>();
  /** When a member last came, went or changed its state; monotonic milliseconds. */
  membersChangedAt = 0;
  #ring: readonly string[] = [];
  #distroReady: { readonly ready: boolean; readonly reason: string } = { ready: false, reason: "it has just started" };

  constructor(setup: ClusterSetup) {
    this.#setup = setup;
    const { clock, log, naming, identity, group, outside } = setup;
    this.peers = askPeers({
      members: () => this.members.state.members.values(),
      shown: (id) => this.shown(id),
      linkTo: (id) => this.#outs.get(id),
      call: (link, name, given, timeoutMs) => this.links.call(link, name, given, timeoutMs),
    });
    this.#group =
      group &&
      new MemberGroup({
        ...group,
        clock,
        identity,
        logger: log,
        membership: () => this.members.state,
        feed: (event) => this.members.feed(event),
        sendRaft: (link, frame) => this.links.sendRaft(link, frame),
        shown: (id) => this.shown(id),
        peers: this.peers,
        servingChanged: () => this.#judgeReadiness(),
      });
    this.#clients = new ClientWords({
      clock,
      naming,
      memberId: identity.identity.memberId,
      distro: () => this.distro,
    });
    const { memberId, clusterId, settled, epoch, incarnation, joined } = identity.identity;
    const newLinks = outside?.links ?? ((links) => new Links(links));
    this.links = newLinks({
      clock,
      log,
      portOffset: setup.portOffset,
      ...(setup.tls === undefined ? {} : { tls: setup.tls }),
      handlers: {
        memberOf: (link) => this.members.state.links.get(link)?.memberId,
        opened: (link, address) => this.members.feed({ type: "linkOpened", link, address }),
        connectFailed: (address, error, refused) =>
          this.members.feed({ type: "connectFailed", address, error, refused }),
        closed: (link, error) => {
          this.#credits.delete(link);
          group?.links.closed(link);
          this.members.feed({ type: "linkClosed", link, error });
        },
        frame: (link, frame) => this.members.feed({ type: "received", link, frame }),
        message: (link, message) => {
          const from = this.members.state.links.get(link)?.memberId;
          if (from !== undefined) this.distro.feed({ type: "received", from, message });
        },
        raft: (link, frame) => {
          const from = this.members.state.links.get(link)?.memberId;
          return from === undefined ? undefined : group?.links.received(link, from, frame);
        },
        credit: (link, batches) => {
          this.#credits.set(link, batches);
          const peer = this.members.state.links.get(link)?.memberId;
          if (peer !== undefined && this.#outs.get(peer) === link) this.distro.credit(peer, batches);
        },
      },
      calls: {
        ...setup.calls,
        "naming.write": (given) => forwarded(naming, readForwarded(given), ownBeat(this.members.state, clock.now())),
        "group.join": (given, from) => joinOf(group?.log, identity.identity.epoch, from, given),
      } satisfies PeerCallHandlers,
    });
    this.members = new MemberRunner({
      clock,
      log,
      start: {
        id: memberId,
        incarnation,
        clusterId,
        settled,
        epoch,
        holdsData: group?.log.holdsData === true,
        joined,
        protocol: CLUSTER_PROTOCOL,
        version: VERSION,
        get fingerprint() {
          return setup.fingerprint();
        },
        port: setup.port,
        host: setup.host,
      },
      options: setup.membership,
      links: this.links,
      listener: {
        memberChanged: (effect) => this.#memberChanged(effect),
        restarted: (id, peerIncarnation) => this.#tellPeer(id, peerIncarnation),
        selfChanged: () => this.#judgeReadiness(),
        ringChanged: (members) => {
          this.#ring = members;
          this.distro.feed({ type: "ring", ownerOf: (clientId) => ownerIn(members, clientId) });
        },
        membersKnown: () => this.distro.feed({ type: "membersKnown" }),
        refused: (reason) => this.distro.feed({ type: "refused", reason }),
        isolated: (isolated) => this.distro.feed({ type: "isolated", isolated }),
        stepped: () => this.#followLinks(),
      },
      persist: ({ clusterId, settled, epoch: newEpoch, joined: addresses }) => {
        const ids = { clusterId, settled, epoch: newEpoch, joined: addresses };
        return this.#group?.save(ids) ?? identity.save(ids);
      },
      resolve: setup.resolve,
    });
    this.distro = new DistroRunner({
      clock,
      log,
      memberId,
      incarnation,
      options: setup.distro,
      naming: {
        contentsOf: (id, services) => contentsOf(naming.state, id, services),
        heardAt: (id) => heardAt(naming.state, id),
        isLeft: (id) => isLeft(naming.state, id),
        patienceOf: (id) => patienceOf(naming.state, id),
        isSuperseded: (id) => isSuperseded(naming.state, id),
        perform: (effect) => this.#clients.tellNaming(effect),
      },
      send: (to, message) => {
        const link = this.#outs.get(to);
        // What is not sent shows as a difference in the next digests.
        if (link !== undefined) this.links.sendMessage(link, message);
      },
      probe: (clientIds, withinMs, answered) => this.#probe.probe({ clientIds, withinMs, answered }),
      ready: (how, reason) => {
        log.info({ how, reason }, "Distro is ready");
        this.#distroReady = { ready: true, reason };
        this.#judgeReadiness();
      },
      notReady: (reason) => {
        this.#distroReady = { ready: false, reason };
        this.#judgeReadiness();
      },
    });
    const connects = outside?.connects ?? connectsByTcp(newResolve(clock));
    this.#probe = new InstanceProbe(clock, (id) => contentsOf(naming.state, id), connects);
  }

  /** Reads what this member knew in its last life, and begins to hear what clients publish here. */
  async open(): Promise<void> {
    const { log, directory, naming, outside } = this.#setup;
    const recovered = directory === undefined ? [] : await this.#clients.open(directory, log, outside?.files);
    this.distro.feed({ type: "start", journal: recovered });
    naming.share((news) => this.#clients.hear(news));
    // Before any port: an earlier life has begun it.
    if (this.#group?.isRenewing === true) this.#judgeReadiness();
  }

  /** What this member waits for before it serves durable data, as a clause; undefined once it does. */
  get catchingUp(): string | undefined {
    return this.#group?.catchingUp;
  }

  /** Opens the cluster port. @throws the system's error. */
  listen(host: string): Promise<number> {
    return this.links.listen({ host, port: this.#setup.port + this.#setup.portOffset });
  }

  /** Begins to look for others. The list and this machine's addresses are fed to `members` by the lookup. */
  start(): void {
    this.members.start();
    this.#group?.start();
  }

  /** Who owns an address client; undefined while nobody does. */
  ownerOf(clientId: string): string | undefined {
    return ownerIn(this.#ring, clientId);
  }

  /** Whether anybody else is a member, or expected to be. */
  get others(): boolean {
    const { members, list, joined } = this.members.state;
    return members.size > 0 || list.entries.length > 1 || joined.size > 0;
  }

  /** Whether clients of this member have somewhere to go. */
  get hasOthersUp(): boolean {
    for (const { state } of this.members.state.members.values()) if (state === "UP") return true;
    return false;
  }

  /** Whether every member that is up has taken what it was to be told. */
  get isFlushed(): boolean {
    for (const peer of this.distro.state.peers.values())
      if (peer.state === "up" && peer.pending.size + peer.inFlight.size > 0) return false;
    return true;
  }

  /** Tells the others that this member stops. `forever`: it does not come back under this id. */
  leave(forever: boolean): void {
    this.#group?.leave();
    this.members.feed({ type: "leave", forever });
  }

  /** Nothing that happens from here on, such as the end of connections, is told to anybody. */
  freeze(): void {
    this.distro.stop();
    this.#probe.stop();
  }

  async stop(graceMs: number): Promise<void> {
    this.freeze();
    this.#group?.stop();
    this.members.stop();
    await this.#clients.close();
    await this.links.close(graceMs);
  }

  #memberChanged({ id, to }: Extract<Effect, { type: "memberChanged" }>): void {
    this.membersChangedAt = this.#setup.clock.now();
    if (to === undefined) this.distro.feed({ type: "peerRemoved", id });
    else this.#tellPeer(id, this.#member(id)?.incarnation ?? 0);
  }

  #tellPeer(id: string, incarnation: number): void {
    const member = this.#member(id);
    if (member !== undefined) this.distro.feed({ type: "peer", id, state: PEER_STATES[member.state], incarnation });
  }

  #member(id: string) {
    return this.members.state.members.get(id);
  }

  /** Distro has to know what the link takes over which it sends; the group, who is out of reach. */
  #followLinks(): void {
    const { state } = this.members;
    const groupLinks = this.#setup.group?.links;
    for (const member of state.members.values()) {
      const { id } = member;
      const out = linkTo(state, member);
      // A cut cable leaves the link for a while; whom nobody hears is out of reach all the same.
      groupLinks?.follow(id, member.state === "DOWN" ? undefined : out);
      if (this.#outs.get(id) === out) continue;
      if (out === undefined) this.#outs.delete(id);
      else this.#outs.set(id, out);
      this.distro.credit(id, out === undefined ? undefined : (this.#credits.get(out) ?? 0));
    }
    for (const id of this.#outs.keys()) {
      if (this.#member(id) !== undefined) continue;
      this.#outs.delete(id);
      groupLinks?.forget(id);
      this.distro.credit(id, undefined);
    }
    for (const id of this.forwardingFailures.keys()) if (!this.#ring.includes(id)) this.forwardingFailures.delete(id);
  }

  /** Makes a write of an address client at the member that owns it. @throws RegistryError when naming refuses it. */
  forward(event: AddressEvent): Promise<BeatAnswer | undefined> {
    const { naming, identity } = this.#setup;
    return forwardWrite(
      {
        memberId: identity.identity.memberId,
        ownerOf: (id) => this.ownerOf(id),
        submit: (write) => naming.submit(write),
        beatOf: (id) => {
          const member = this.#member(id);
          return member && beatBy(member, this.#setup.clock.now());
        },
        call: (to, write) => this.peers.ask(to, "naming.write", write, FORWARD_TIMEOUT_MS),
        settled: (to, clientId, error) =>
          noteForwarded(this.forwardingFailures, to, clientId, error, this.#setup.clock.now()),
      },
      event,
    );
  }

  #judgeReadiness(): void {
    const { selfState } = this.members.state;
    const isWrong = this.#group?.isRenewing === true;
    const waiting = (reason: string): void => this.#setup.readiness({ ready: false, reason, isWrong });
    if (selfState === "STARTING") waiting("it does not know its own address");
    else if (!this.#distroReady.ready) waiting(this.#distroReady.reason);
    else if (this.catchingUp !== undefined) waiting(this.catchingUp);
    else this.#setup.readiness(this.#distroReady);
  }

  /** The address of a member, as people know it. */
  shown(memberId: string): Address {
    return this.#member(memberId)?.addresses[0] ?? memberId;
  }
}
