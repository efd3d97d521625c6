import {
  type Address,
  addressOf,
  type Effect,
  type Event,
  isolation,
  type LinkId,
  type Membership,
  type MembershipOptions,
  newMembership,
  readAddress,
  refusedByMost,
  type Start,
  step,
  unfound,
} from "@nacre/core/membership";
import { RegistryError } from "@nacre/protocol";
import type { Clock, Timer } from "../clock.ts";
import type { Log } from "../connections/connections.ts";
import { escalate } from "../faults.ts";

/** The core must hear of time at least this often, or takes it for a pause of this process. */
const TICK_MS = 200;
/** Addresses that nobody has answered for this long are not waited for any more at a start. */
const FIRST_TRY_MS = 3_000;
/** And those that refuse for this long: they are called again each second. */
const REFUSED_TRY_MS = 2_000;
/** An order to join ends with the first answer of the member that is named, or with a failure to reach it. */
const JOIN_MS = 10_000;

type FrameOf = Extract<Effect, { type: "send" }>["frame"];

/** What membership needs of the links between members. */
export interface MemberLinks {
  connect(address: Address): void;
  closeLink(link: LinkId, reason: string): void;
  sendFrame(link: LinkId, frame: FrameOf): void;
}

/** What others hear of members. Called in the order of the effects, each after what it follows from is durable. */
export interface MemberListener {
  memberChanged(effect: Extract<Effect, { type: "memberChanged" }>): void;
  restarted(id: string, incarnation: number): void;
  selfChanged(state: "STARTING" | "UP" | "LEAVING", address: Address | undefined): void;
  ringChanged(members: readonly string[]): void;
  /** Every address of the list was tried once, so that who can be found is found. Once. */
  membersKnown(): void;
  /** Why most of the listed members refuse this one; undefined when they no longer do. */
  refused(reason: string | undefined): void;
  isolated(isolated: boolean): void;
  /** After each event: links of members may have changed. */
  stepped(): void;
}

export interface MemberRunnerSetup {
  readonly clock: Clock;
  readonly log: Log;
  readonly start: Start;
  readonly options: Partial<MembershipOptions>;
  readonly links: MemberLinks;
  readonly listener: MemberListener;
  /** Durable when the promise resolves. */
  readonly persist: (ids: Extract<Effect, { type: "persist" }>) => Promise<void>;
  /** Never rejects. */
  readonly resolve: (host: string) => Promise<{ readonly ips: readonly string[]; readonly error?: string }>;
}

/** Feeds the core of membership and performs what it decides. */
export class MemberRunner {
  readonly state: Membership;
  readonly #setup: MemberRunnerSetup;
  readonly #waiting: Effect[] = [];
  readonly #joining = new Map<Address, PromiseWithResolvers<string>>();
  #performing = false;
  #timer: Timer | undefined;
  #membersKnown = false;
  #refused: string | undefined;
  #isolated = false;
  #clusterTold: string;
  #stopped = false;

  constructor(setup: MemberRunnerSetup) {
    this.#setup = setup;
    this.state = newMembership(setup.start, setup.clock.now(), setup.options);
    this.#clusterTold = `${this.state.clusterId} ${this.state.settled}`;
  }

  /** Begins to feed time. The list and this machine's addresses are fed by whoever reads them. */
  start(): void {
    this.#tick();
  }

  /** No frame leaves and nothing is decided from here on. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const joining of this.#joining.values())
      joining.reject(new RegistryError("illegalState", "this member stops and does not join any more"));
    this.#joining.clear();
  }

  feed(event: Event): readonly Effect[] {
    if (this.#stopped) return [];
    const { clock, listener } = this.#setup;
    const effects = step(this.state, event, clock.now());
    for (const effect of effects) this.#waiting.push(effect);
    this.#perform();
    listener.stepped();
    this.#look();
    return effects;
  }

  /** Joins the cluster of which a member is at the address. @returns the id of that member. @throws RegistryError. */
  async join(text: string): Promise<string> {
    const read = readAddress(text.trim(), this.state.start.port);
    const address = typeof read === "string" ? text : addressOf(read);
    const held = this.#joining.get(address);
    if (held !== undefined) return held.promise;
    const joining = Promise.withResolvers<string>();
    this.#joining.set(address, joining);
    const overdue = this.#setup.clock.schedule(JOIN_MS, () =>
      joining.reject(
        new RegistryError(
          "illegalState",
          `${address} did not answer within ${JOIN_MS / 1000} s; it is tried further, also after a restart, until it answers: ` +
            "nacre cluster join --cancel takes the order back",
        ),
      ),
    );
    this.feed({ type: "join", address: text });
    try {
      return await joining.promise;
    } finally {
      overdue.cancel();
      this.#joining.delete(address);
    }
  }

  /** Takes back orders to join that did not come to anything. @returns the addresses. @throws RegistryError with the reason when there is none. */
  cancelJoin(): readonly Address[] {
    for (const effect of this.feed({ type: "cancelJoin" })) {
      if (effect.type === "cancelRefused") throw new RegistryError("illegalState", effect.sentence);
      if (effect.type === "joinCancelled") return effect.addresses;
    }
    throw new RegistryError("illegalState", "this member stops and does not join any more");
  }

  /** Takes a member that is down off this member's list for good. @throws RegistryError with the reason when it may not. */
  forget(id: string): void {
    for (const effect of this.feed({ type: "forget", id }))
      if (effect.type === "forgetRefused") throw new RegistryError("illegalState", effect.sentence);
  }

  #tick(): void {
    if (this.#stopped) return;
    this.feed({ type: "tick", clockAt: this.#setup.clock.wall() });
    this.#timer = this.#setup.clock.schedule(TICK_MS, () => this.#tick());
  }

  #look(): void {
    const { clock, listener } = this.#setup;
    const now = clock.now();
    // Members that were found but not told of yet, for who this member is has to be durable first, are not nobody.
    if (!this.#performing) {
      const refused = refusedByMost(this.state);
      if (refused !== this.#refused) listener.refused(refused);
      this.#refused = refused;
      const known = this.#membersKnown || this.#tried(now);
      if (known && !this.#membersKnown) listener.membersKnown();
      this.#membersKnown = known;
    }
    const isolated = isolation(this.state, now) !== undefined;
    if (isolated !== this.#isolated) {
      this.#isolated = isolated;
      listener.isolated(isolated);
    }
  }

  #tried(now: number): boolean {
    const { listReadAt, names } = this.state;
    if (listReadAt === undefined) return false;
    if (now - listReadAt > FIRST_TRY_MS) return true;
    for (const { ips, error } of names.values()) if (ips.length === 0 && error === undefined) return false;
    const left = unfound(this.state);
    // Who refuses may be starting as well, and may be the one that holds what this member lacks.
    return left.length === 0 || (now - listReadAt > REFUSED_TRY_MS && left.every(({ errors }) => errors.length > 0));
  }

  /** Effects are performed one at a time and in order; what has to be durable first holds up what follows it. */
  #perform(): void {
    if (this.#performing) return;
    this.#performing = true;
    for (let effect = this.#waiting.shift(); effect !== undefined; effect = this.#waiting.shift()) {
      if (effect.type === "persist") {
        const { clusterId, settled } = effect;
        this.#setup.persist(effect).then(
          () => {
            this.#tellCluster(clusterId, settled);
            this.#goOn();
          },
          (err: unknown) => {
            this.#setup.log.error({ err }, "who this member is could not be stored: it is told to nobody until it is");
            this.#waiting.unshift(effect);
            this.#setup.clock.schedule(1_000, () => this.#goOn());
          },
        );
        return;
      }
      try {
        this.#do(effect);
      } catch (thrown) {
        escalate(thrown);
        this.#setup.log.error({ err: thrown, effect: effect.type }, "membership failed to do what it had decided");
      }
    }
    this.#performing = false;
  }

  #tellCluster(clusterId: string, settled: boolean): void {
    const told = `${clusterId} ${settled}`;
    if (told === this.#clusterTold) return;
    this.#clusterTold = told;
    const how = settled ? ", for good" : ", unless it meets one that stands";
    this.#setup.log.info({ clusterId, settled }, `this member belongs to cluster '${clusterId}'${how}`);
  }

  #goOn(): void {
    this.#performing = false;
    if (!this.#stopped) this.#perform();
  }

  #do(effect: Exclude<Effect, { type: "persist" }>): void {
    const { links, listener, log } = this.#setup;
    switch (effect.type) {
      case "resolve":
        void this.#resolve(effect.host);
        return;
      case "connect":
        return links.connect(effect.address);
      case "closeLink":
        return links.closeLink(effect.link, effect.reason);
      case "send":
        return links.sendFrame(effect.link, effect.frame);
      case "memberChanged":
        log.info(
          { member: effect.id, from: effect.from, to: effect.to },
          `${this.state.members.get(effect.id)?.addresses[0] ?? "a member"} is ${effect.to ?? "forgotten"}: ${effect.cause}`,
        );
        return listener.memberChanged(effect);
      case "selfChanged":
        return listener.selfChanged(effect.state, effect.address);
      case "restarted":
        return listener.restarted(effect.id, effect.incarnation);
      case "ringChanged":
        return listener.ringChanged(effect.members);
      case "joined":
        return this.#joining.get(effect.address)?.resolve(effect.id);
      case "joinRefused":
        return this.#joining.get(effect.address)?.reject(new RegistryError("illegalState", effect.sentence));
      case "forgetRefused":
      case "cancelRefused":
      case "joinCancelled":
        // Read by those who feed the event, from its effects.
        return;
    }
  }

  async #resolve(host: string): Promise<void> {
    const { ips, error } = await this.#setup.resolve(host);
    this.feed({ type: "resolved", host, ips, ...(error === undefined ? {} : { error }) });
  }
}
