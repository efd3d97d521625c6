import type { SilentClients } from "@nacre/core/diagnosis";
import { type Client, isOwn, type NamingState } from "@nacre/core/naming";

/** Clients that one look goes through: some milliseconds. */
const CLIENTS_PER_LOOK = 20_000;
/** Agents that are told apart; what comes beyond counts as one without a name. */
const AGENTS_MAX = 100;

type Counted = { -readonly [K in keyof SilentClients]: SilentClients[K] };

/**
 * Counts persistent instances, and address clients whose heartbeats stopped, by what they say they are: a client version that stops beating is a
 * known cause of services that go offline. Goes through all clients a part at a time, and shows the last whole round.
 */
export class SilentClientCount {
  readonly #state: NamingState;
  #round: Iterator<Client> | undefined;
  #counts = new Map<string, Counted>();
  #last: readonly SilentClients[] = [];
  #persistent = 0;
  #persistentLast = 0;

  constructor(state: NamingState) {
    this.#state = state;
  }

  get last(): readonly SilentClients[] {
    return this.#last;
  }

  /** Persistent instances, each service of an address by itself. */
  get persistentInstances(): number {
    return this.#persistentLast;
  }

  /** The next part. */
  look(): void {
    this.#round ??= this.#state.clients.values();
    for (let looked = 0; looked < CLIENTS_PER_LOOK; looked++) {
      const { value: client, done } = this.#round.next();
      if (done === true) return this.#finish();
      if (client.kind === "persistent") this.#persistent += client.publications.size;
      if (client.kind === "address" && isOwn(this.#state, client)) this.#count(client);
    }
  }

  #finish(): void {
    this.#last = [...this.#counts.values()].filter(({ clients }) => clients > 0);
    this.#persistentLast = this.#persistent;
    this.#persistent = 0;
    this.#counts = new Map();
    this.#round = undefined;
  }

  #count(client: Client): void {
    let silent = false;
    let heardAt = Number.POSITIVE_INFINITY;
    for (const { entries, beatAt } of client.publications.values()) {
      silent ||= entries.some(({ instance }) => !instance.healthy);
      heardAt = Math.min(heardAt, beatAt);
    }
    const agent = this.#counts.size < AGENTS_MAX || this.#counts.has(client.agent) ? client.agent : "";
    const counted = this.#counts.get(agent) ?? {
      agent,
      clients: 0,
      of: 0,
      heardAt: Number.POSITIVE_INFINITY,
      example: "",
    };
    this.#counts.set(agent, counted);
    counted.of++;
    if (!silent) return;
    counted.clients++;
    if (heardAt >= counted.heardAt) return;
    counted.heardAt = heardAt;
    counted.example = `${client.ip}:${client.port}`;
  }
}
