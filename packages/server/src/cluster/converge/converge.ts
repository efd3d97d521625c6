import { compareHeads } from "@nacre/core/distro";
import { compareServices, type ShownInstance } from "@nacre/core/naming";
import { RegistryError, type ServiceName } from "@nacre/protocol";
import type { Clock } from "../../clock.ts";
import { everyPage, type Peers } from "../peer-calls.ts";
import { type ConvergeName, INSTANCE_KEY } from "./answers.ts";
import { compareInstances, type Found, versionText } from "./compare.ts";
import { type Paged, type Row, sideBySide } from "./merge.ts";
import { explain, explainClient, type Said } from "./why.ts";
import type { ConvergeCalls, KnownClient, OwnersAnswer, ServiceDigest } from "./wire.ts";

const ANSWER_MS = 2_000;
/** In all; what was found by then is told. */
const TIME_MAX_MS = 20_000;
/** What is on its way between two members arrives meanwhile, and is no difference. */
const SECOND_LOOK_MS = 500;
const SERVICES_MAX = 500;
const INSTANCES_MAX = 20_000;
const DIFFERENCES_MAX = 1_000;
const CLIENTS_MAX = 200;
const IDS_PER_CALL = 500;
const SILENT: ConvergeCalls["converge.why"]["answered"] = { sentence: "", because: "", at: 0 };

export interface ConvergeSetup {
  readonly clock: Clock;
  readonly self: string;
  /** This member's own answers. */
  readonly answers: { readonly [Name in ConvergeName]: (given: unknown) => ConvergeCalls[Name]["answered"] };
  readonly peers: Peers;
  /** Who is to own an address client; undefined for other clients, and while nobody is. */
  readonly ringOwner: (clientId: string) => string | undefined;
  /** The address of a member. */
  readonly shown: (memberId: string) => string;
  /** Addresses that are listed and behind which nobody was found. */
  readonly unfound: () => readonly string[];
}

/** Moments are epoch milliseconds. */
export interface ConvergeReport {
  readonly by: { readonly id: string; readonly address: string };
  readonly at: number;
  readonly tookMs: number;
  /** All members answered, everything was compared, and nothing differs. */
  readonly equal: boolean;
  /** Why not everything was compared; blank when it was. */
  readonly incomplete: string;
  readonly members: readonly ConvergeMember[];
  readonly differences: readonly DifferenceBody[];
  /** Clients that members know differently although they show the same: copies under a newer client, say. */
  readonly clients: readonly ClientDifference[];
  /** Services that differed when they were first looked at, and half a second later no more. */
  readonly settled: number;
}

export interface ConvergeMember {
  readonly id: string;
  readonly address: string;
  readonly answered: boolean;
  readonly error?: string;
  readonly services?: number;
  readonly clients?: number;
}

interface Value {
  readonly member: string;
  readonly value: string;
}

export interface DifferenceBody {
  readonly namespaceId: string;
  readonly groupName: string;
  readonly serviceName: string;
  readonly ip: string;
  readonly port: number;
  readonly clusterName: string;
  readonly field: string;
  readonly values: readonly Value[];
  readonly since: number | null;
  readonly why: string;
}

export interface ClientDifference {
  readonly clientId: string;
  readonly owner: string;
  readonly values: readonly Value[];
  readonly since: number | null;
  readonly why: string;
}

/** Compares what all members show and hold, and tells where they differ. */
export async function converge(setup: ConvergeSetup): Promise<ConvergeReport> {
  return new Comparison(setup).run();
}

class Comparison {
  readonly #setup: ConvergeSetup;
  readonly #startedAt: number;
  /** Members that answer, this one first. */
  #members: string[] = [];
  #owners = new Map<string, OwnersAnswer>();
  readonly #failed = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  readonly #incomplete = new Set<string>();

  constructor(setup: ConvergeSetup) {
    this.#setup = setup;
    this.#startedAt = setup.clock.now();
  }

  async run(): Promise<ConvergeReport> {
    const { clock, self, shown, unfound } = this.#setup;
    await this.#askOwners();
    const differing = await this.#services();
    if (differing.length > 0 || this.#differingOwners().length > 0) {
      await this.#pause(SECOND_LOOK_MS);
      await this.#askOwners();
    }
    const differences: DifferenceBody[] = [];
    let settled = 0;
    for (const service of differing) {
      if (this.#isOver(differences.length)) break;
      const found = await this.#instances(service);
      if (found.length === 0) settled++;
      differences.push(...(await this.#explained(service, found.slice(0, DIFFERENCES_MAX - differences.length))));
    }
    const clients = await this.#clients();
    for (const address of unfound()) this.#failed.set(address, "nobody was found there");
    const incomplete = [...this.#incomplete].join("; ");
    return {
      by: { id: self, address: shown(self) },
      at: clock.wall(),
      tookMs: Math.round(clock.now() - this.#startedAt),
      equal: incomplete === "" && this.#failed.size === 0 && differences.length + clients.length === 0,
      incomplete,
      members: this.#membersBody(),
      differences,
      clients,
      settled,
    };
  }

  #membersBody(): ConvergeMember[] {
    const { shown } = this.#setup;
    const all = new Set([...this.#members, ...this.#failed.keys()]);
    return [...all].map((id) => {
      const error = this.#failed.get(id);
      const about = { id, address: shown(id) };
      if (error !== undefined) return { ...about, answered: false, error };
      const clients = this.#owners.get(id)?.owners.reduce((sum, { count }) => sum + count, 0) ?? 0;
      return { ...about, answered: true, services: this.#counts.get(id) ?? 0, clients };
    });
  }

  async #askOwners(): Promise<void> {
    const { self, answers, peers } = this.#setup;
    const owners = new Map([[self, answers["converge.owners"](null)]]);
    for (const { memberId, answer, error } of await peers.askAll("converge.owners", null, ANSWER_MS)) {
      if (answer === undefined) this.#failed.set(memberId, error.message);
      else if (!this.#failed.has(memberId)) owners.set(memberId, answer);
    }
    this.#owners = owners;
    this.#members = [...owners.keys()];
  }

  /** The services of which not all members show the same. A member that fails meanwhile is left out of the rest. */
  async #services(): Promise<ServiceName[]> {
    const lists = this.#members.map(
      (member): Paged<ServiceDigest> => ({
        member,
        ask: (from) => this.#ask(member, "converge.services", { from }, { items: [], next: undefined }),
      }),
    );
    const found: ServiceName[] = [];
    for await (const row of sideBySide(lists, compareServices)) {
      for (const member of row.keys()) this.#counts.set(member, (this.#counts.get(member) ?? 0) + 1);
      const [one] = row.values();
      if (one === undefined || this.#isEqual(row, ({ digest }) => digest)) continue;
      if (found.length === SERVICES_MAX) {
        this.#incomplete.add(`more than ${SERVICES_MAX} services differ`);
        break;
      }
      found.push({ namespace: one.namespace, group: one.group, name: one.name });
      if (this.#isOver(0)) break;
    }
    return found;
  }

  async #instances({ namespace, group, name }: ServiceName): Promise<Found[]> {
    const lists = await Promise.all(
      this.#members.map(async (member): Promise<[string, readonly ShownInstance[]]> => {
        const ask = (from: string | undefined) =>
          this.#ask(member, "converge.instances", { namespace, group, name, from }, { items: [], next: undefined });
        const { items, complete } = await everyPage(ask, INSTANCES_MAX);
        if (!complete) this.#incomplete.add(`a service has more than ${INSTANCES_MAX} instances`);
        return [member, items];
      }),
    );
    const byMember = new Map(lists);
    for (const member of this.#failed.keys()) byMember.delete(member);
    return compareInstances(byMember);
  }

  async #explained(service: ServiceName, found: readonly Found[]): Promise<DifferenceBody[]> {
    const { clock, shown, ringOwner } = this.#setup;
    const known = await this.#known([...new Set(found.flatMap(({ clientIds }) => clientIds))]);
    const bodies: DifferenceBody[] = [];
    for (const one of found) {
      const gone = new Map<string, string>();
      if (one.field === "presence")
        for (const [member, value] of one.values)
          if (value === "not there") gone.set(member, await this.#journal(member, service, one.key));
      const { ageMs, why } = explain(one, { known, owners: this.#owners, gone, ringOwner, shown });
      const [, ip = one.key, port = "0", clusterName = ""] = INSTANCE_KEY.exec(one.key) ?? [];
      bodies.push({
        namespaceId: service.namespace,
        groupName: service.group,
        serviceName: service.name,
        ip,
        port: Number(port),
        clusterName,
        field: one.field,
        values: [...one.values].map(([member, value]) => ({
          member: shown(member),
          value: one.field === "owner" ? shown(value) : value,
        })),
        since: ageMs === undefined ? null : Math.round(clock.wall() - ageMs),
        why,
      });
    }
    return bodies;
  }

  async #journal(member: string, { namespace, group, name }: ServiceName, key: string): Promise<string> {
    return (await this.#ask(member, "converge.why", { namespace, group, name, key }, SILENT)).sentence;
  }

  async #known(ids: readonly string[]): Promise<Said["known"]> {
    const lists = await Promise.all(
      this.#members.map(async (member): Promise<[string, ReadonlyMap<string, KnownClient>]> => {
        const clients = new Map<string, KnownClient>();
        for (let at = 0; at < ids.length; at += IDS_PER_CALL) {
          const given = { ids: ids.slice(at, at + IDS_PER_CALL) };
          for (const one of (await this.#ask(member, "converge.clients", given, { items: [] })).items)
            clients.set(one.id, one);
        }
        return [member, clients];
      }),
    );
    const known = new Map(lists);
    for (const member of this.#failed.keys()) known.delete(member);
    return known;
  }

  #differingOwners(): string[] {
    const all = new Set([...this.#owners.values()].flatMap(({ owners }) => owners.map(({ owner }) => owner)));
    return [...all].filter((owner) => {
      const texts = [...this.#owners.values()].map(({ owners }) => {
        const held = owners.find((one) => one.owner === owner);
        return `${held?.count}:${held?.hash}`;
      });
      return new Set(texts).size > 1;
    });
  }

  /** Clients of which members know different versions, of the owners whose digests differ. */
  async #clients(): Promise<ClientDifference[]> {
    const { clock, shown, ringOwner } = this.#setup;
    const bodies: ClientDifference[] = [];
    // A client that moves stands under its old owner on some members and under its new one on others.
    const seen = new Set<string>();
    for (const owner of this.#differingOwners()) {
      const ids: string[] = [];
      const lists = this.#members.map(
        (member): Paged<KnownClient> => ({
          member,
          ask: (from) => this.#ask(member, "converge.heads", { owner, from }, { items: [], next: undefined }),
        }),
      );
      for await (const row of sideBySide(lists, compareHeads)) {
        const [one] = row.values();
        if (one !== undefined && !seen.has(one.id) && !this.#isEqual(row, headText)) {
          seen.add(one.id);
          ids.push(one.id);
        }
        if (this.#isOver(0)) break;
        if (bodies.length + ids.length < CLIENTS_MAX) continue;
        this.#incomplete.add(`${CLIENTS_MAX} clients or more differ`);
        break;
      }
      const known = await this.#known(ids);
      for (const id of ids) {
        const about = explainClient(id, { known, owners: this.#owners, gone: new Map(), ringOwner, shown });
        if (about === undefined) continue;
        bodies.push({
          clientId: id,
          owner: shown(owner),
          values: [...known].map(([member, clients]) => ({ member: shown(member), value: knownText(clients.get(id)) })),
          since: about.ageMs === undefined ? null : Math.round(clock.wall() - about.ageMs),
          why: about.why,
        });
      }
    }
    return bodies;
  }

  /** Whether all members that still answer have it, and alike. */
  #isEqual<T>(row: Row<T>, read: (item: T) => string): boolean {
    const values = new Set<string>();
    for (const member of this.#members) {
      if (this.#failed.has(member)) continue;
      const item = row.get(member);
      if (item === undefined) return false;
      values.add(read(item));
    }
    return values.size < 2;
  }

  /** A member that fails is told as one that did not answer, and asked nothing more. */
  async #ask<Name extends ConvergeName>(
    member: string,
    name: Name,
    given: ConvergeCalls[Name]["given"],
    otherwise: ConvergeCalls[Name]["answered"],
  ): Promise<ConvergeCalls[Name]["answered"]> {
    const { self, answers, peers } = this.#setup;
    if (this.#failed.has(member)) return otherwise;
    try {
      if (member !== self) return await peers.ask(member, name, given, ANSWER_MS);
      // Between two pages of this member others have their turn too.
      await new Promise(setImmediate);
      return answers[name](given);
    } catch (thrown) {
      this.#failed.set(member, RegistryError.from(thrown).message);
      return otherwise;
    }
  }

  #isOver(differences: number): boolean {
    if (differences >= DIFFERENCES_MAX) this.#incomplete.add(`${DIFFERENCES_MAX} differences or more`);
    else if (this.#setup.clock.now() - this.#startedAt < TIME_MAX_MS) return false;
    else this.#incomplete.add(`not all was compared within ${TIME_MAX_MS / 1_000} s`);
    return true;
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#setup.clock.schedule(ms, resolve);
    return promise;
  }
}

function headText(client: KnownClient): string {
  return `${versionText(client)} ${client.contentHash}`;
}

function knownText(client: KnownClient | undefined): string {
  if (client === undefined) return "not known";
  return client.state === "held" ? versionText(client) : client.state;
}
