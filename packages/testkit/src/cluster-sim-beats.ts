import type { InstanceInput } from "@nacre/core/naming";
import { RegistryError } from "@nacre/protocol";
import type { AddressEvent, BeatAnswer } from "@nacre/server/cluster";
import type { SimHost } from "./cluster-sim-machine.ts";
import type { SimMember } from "./cluster-sim-member.ts";
import { type Machine, SimProcess } from "./cluster-sim-process.ts";
import { instance, service } from "./naming-bench.ts";

const BEAT_MS = 5000;
const REQUEST_MS = 3000;
const TRIES = 3;

type Saying =
  | { readonly type: "publishAddress"; readonly instance: InstanceInput }
  | { readonly type: "beat"; readonly ip: string; readonly port: number; readonly instance: InstanceInput };

/** A member that answered, and what it knew when it was asked. */
export interface Answered {
  readonly beat: BeatAnswer | undefined;
  readonly by: SimMember;
  /** When the request came there, and whether that member showed the instance then. */
  readonly askedAt: number;
  readonly wasShown: boolean;
}

/** A process that registers over HTTP and says every 5 s that it is there, each time to whichever member answers. */
export class SimBeater {
  readonly name: string;
  readonly host: SimHost;
  readonly process: SimProcess;
  readonly address: string;
  readonly serviceName: string;
  wanted = false;
  changedAt = 0;
  /** Nothing else is said before the answer to that has come. */
  isWithdrawing = false;
  /** When a member last confirmed it. */
  heardAt = Number.NEGATIVE_INFINITY;
  /** Since when each beat was confirmed. */
  heardSince = Number.POSITIVE_INFINITY;
  /** When a request was last left without an answer: it may be carried out later. */
  unansweredAt = Number.NEGATIVE_INFINITY;
  readonly #members: () => readonly SimMember[];
  #saying: Promise<void> | undefined;

  constructor(
    host: SimHost,
    name: string,
    machine: Machine,
    serviceName: string,
    address: string,
    members: () => readonly SimMember[],
  ) {
    this.name = name;
    this.host = host;
    this.address = address;
    this.serviceName = serviceName;
    this.#members = members;
    this.process = new SimProcess(host.net.agenda, machine);
    this.#beat();
  }

  register(): void {
    this.wanted = true;
    this.heardSince = Number.POSITIVE_INFINITY;
    this.changedAt = this.host.net.agenda.now;
    this.#sayNow({ type: "publishAddress", instance: this.#instance });
  }

  /** @returns the answer of the member that confirmed it, if one did. */
  async deregister(): Promise<Answered | undefined> {
    this.wanted = false;
    this.changedAt = this.host.net.agenda.now;
    // One that is overtaken by the removal would bring the instance back.
    while (this.#saying !== undefined) await this.#saying;
    if (this.wanted) return undefined;
    const [ip = "", port] = this.address.split(":");
    this.isWithdrawing = true;
    const answer = await this.#ask({ type: "withdrawAddress", ip, port: Number(port), ...this.#told });
    this.isWithdrawing = false;
    return answer;
  }

  die(): void {
    this.host.log(`${this.name} dies`);
    this.process.end("on");
  }

  get #told() {
    return {
      service: service(this.serviceName),
      caller: { ip: "10.9.0.2", app: "", agent: "Nacos-Java-Client:v1.4.6" },
    };
  }

  get #instance(): InstanceInput {
    return instance(this.address);
  }

  #beat(): void {
    this.process.schedule(BEAT_MS, () => {
      const [ip = "", port] = this.address.split(":");
      if (this.wanted) this.#sayNow({ type: "beat", ip, port: Number(port), instance: this.#instance });
      this.#beat();
    });
  }

  #sayNow(write: Saying): void {
    const saying = this.#say(write).finally(() => {
      if (this.#saying === saying) this.#saying = undefined;
    });
    this.#saying = saying;
  }

  async #say(write: Saying): Promise<void> {
    const askedAt = this.host.net.agenda.now;
    const answer = await this.#ask({ ...write, ...this.#told });
    if (!this.wanted) return;
    if (answer === undefined) {
      this.heardSince = Number.POSITIVE_INFINITY;
      return;
    }
    this.heardAt = askedAt;
    this.heardSince = Math.min(this.heardSince, this.host.net.agenda.now);
  }

  /** Undefined: nobody confirmed it. */
  async #ask(event: AddressEvent): Promise<Answered | undefined> {
    for (let left = TRIES; left > 0; left--) {
      const members = this.#members();
      if (members.length === 0) return undefined;
      const answer = await this.#askOne(this.host.random.pick(members), event);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  #askOne(member: SimMember, event: AddressEvent): Promise<Answered | undefined> {
    const { net } = this.host;
    const here = this.process.machine.place;
    const there = member.machine.place;
    const { promise, resolve } = Promise.withResolvers<Answered | undefined>();
    this.process.schedule(REQUEST_MS, () => {
      if (!isAnswered) this.unansweredAt = net.agenda.now;
      resolve(undefined);
    });
    let isAnswered = false;
    const answered = (answer: Answered | undefined): void => {
      isAnswered = true;
      resolve(answer);
    };
    const arrive = (from: string, to: string, run: () => void): void =>
      net.agenda.at(net.agenda.now + net.delay(from, to), () => {
        if (!net.isCut(from, to)) run();
      });
    arrive(here, there, () => {
      if (!member.isUp) return arrive(there, here, () => this.process.do(() => answered(undefined)));
      member.process.do(async () => {
        const askedAt = net.agenda.now;
        const wasShown = member.shows(event.service).has(this.address);
        let answer: Answered | undefined;
        try {
          answer = { beat: await member.write(event), by: member, askedAt, wasShown };
        } catch (thrown) {
          if (!(thrown instanceof RegistryError)) throw thrown;
          this.host.log(`${this.name}: ${member.machine.place} answers ${thrown.message}`);
        }
        arrive(there, here, () => this.process.do(() => answered(answer)));
      });
    });
    return promise;
  }
}
