import { contentHashOf, contentsOf, differing, type SimClient, type SimMember } from "./distro-model.ts";
import type { World } from "./distro-world.ts";

const BEAT_MS = 5_000;
const SERVICES = ["s0", "s1", "s2", "s3"];

/** Processes that register, beat, move and go, and what members make of it as naming would. */
export class SimClients {
  readonly #world: World;
  #text = 0;

  constructor(world: World) {
    this.#world = world;
  }

  live(client: SimClient): void {
    if (client.kind === "address") {
      if (client.published && this.#world.now >= client.beatAt + BEAT_MS) this.beat(client);
      return;
    }
    if (client.member !== undefined || !client.published || this.#world.now < client.reconnectAt) return;
    const member = this.#anyFor(client);
    if (member === undefined) return;
    client.member = member;
    client.generation++;
    client.clientId = `${client.name}-${client.generation}`;
    this.publish(client);
  }

  /** A ready member on the client's side. */
  #anyFor(client: SimClient): SimMember | undefined {
    const home = this.#world.members[client.side] as SimMember;
    const members = this.#world.members.filter(
      (member) => member.readyAt !== undefined && member.pausedUntil <= this.#world.now && member.distro !== undefined,
    );
    const near = members.filter((member) => member === home || !this.#world.link(home, member).cut);
    return near.length === 0 ? undefined : this.#world.random.pick(near);
  }

  connect(client: SimClient, member: SimMember): void {
    client.member = member;
    client.generation++;
    client.clientId = `${client.name}-${client.generation}`;
  }

  publish(client: SimClient): void {
    const { member } = client;
    if (member === undefined) return;
    client.published = true;
    this.#changed(client);
    this.#own(member, client);
  }

  #own(member: SimMember, client: SimClient): void {
    const contents = contentsOf(client);
    const held = member.naming.get(client.clientId);
    const counter = (held?.version.counter ?? 0) + 1;
    const version = { owner: member.id, incarnation: member.incarnation, counter };
    const contentHash = contentHashOf(contents);
    const { kind, clientId } = client;
    // Naming tells which services changed, unless these are very many.
    const isKnown = held?.own === true && this.#world.texts.chance(0.9);
    const services = isKnown ? differing(held.contents, contents) : undefined;
    this.#world.removed.delete(clientId);
    this.#world.lastChangeAt = this.#world.now;
    member.naming.set(clientId, { kind, version, own: true, contents, contentHash, shown: "asPublished" });
    this.#world.feed(member, { type: "changed", clientId, kind, counter, contentHash, services });
    this.#world.supersede(member, clientId);
  }

  #changed(client: SimClient): void {
    client.changedAt = this.#world.now;
    this.#world.lastChangeAt = this.#world.now;
  }

  /** The connection ends, or the client is deregistered. */
  unpublish(client: SimClient): void {
    client.published = false;
    this.#changed(client);
    if (client.kind === "address") return this.#forward(client, (owner) => this.#take(owner, client));
    const { member } = client;
    client.member = undefined;
    if (member !== undefined) this.#take(member, client);
  }

  #take(member: SimMember, { clientId, published, kind }: SimClient): void {
    if (published || !member.naming.delete(clientId)) return;
    if (kind === "address") member.heardAt.set(clientId, this.#world.now);
    this.#world.feed(member, { type: "removed", clientId, cause: "asked" });
    const counter = member.distro?.table.get(clientId)?.version.counter ?? 0;
    this.#world.removed.set(clientId, { at: this.#world.now, counter, spread: false });
  }

  /** A heartbeat, or a registration, which is the same for a client by address. */
  beat(client: SimClient): void {
    client.beatAt = this.#world.now;
    this.#forward(client, (owner) => {
      if (!client.published) return;
      owner.heardAt.set(client.clientId, this.#world.now);
      const held = owner.naming.get(client.clientId);
      if (held?.own && held.contentHash === contentHashOf(contentsOf(client))) return;
      this.#own(owner, client);
    });
  }

  change(client: SimClient): void {
    const { texts } = client;
    const random = this.#world.texts;
    const service = random.pick(SERVICES);
    if (texts.size > 1 && texts.has(service) && random.chance(0.3)) texts.delete(service);
    else texts.set(service, ++this.#text);
    if (client.kind === "connection") this.publish(client);
    else {
      client.published = true;
      this.#changed(client);
      this.beat(client);
    }
  }

  #forward(client: SimClient, run: (owner: SimMember) => void): void {
    const any = this.#anyFor(client);
    if (any === undefined) return;
    const owner = this.#world.members.find(({ id }) => id === this.#world.ownerOf(any, client.clientId));
    run(owner !== undefined && owner.readyAt !== undefined && this.#world.direct(any, owner) ? owner : any);
  }

  judgeBeats(member: SimMember): void {
    const { distro } = member;
    if (distro === undefined) return;
    for (const [id, held] of member.naming) {
      if (held.kind !== "address" || !held.own || this.#world.ownerOf(member, id) !== member.id) continue;
      if (this.#world.now - (member.heardAt.get(id) ?? this.#world.now) < 30_000) continue;
      member.naming.delete(id);
      this.#world.lastChangeAt = this.#world.now;
      this.#world.feed(member, { type: "removed", clientId: id, cause: "expired" });
    }
  }
}
