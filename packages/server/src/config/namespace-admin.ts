import {
  BATCH_ITEMS_MAX,
  type ConfigState,
  itemsIn,
  listNamespaces,
  namespaceFixed,
  type Operator,
} from "@nacre/core/config";
import { type ConfigName, RegistryError } from "@nacre/protocol";
import { nodeCrypto } from "../node-crypto.ts";
import { turn } from "../storage/turn.ts";
import type { ProposeConfig } from "./propose.ts";
import type { NamespaceInfo } from "./service.ts";

/** What naming holds of a namespace. */
export interface ServicesOfNamespaces {
  count(namespace: string): number;
  /** Removes what is durable of its services. What clients publish there lasts as long as they do. */
  remove(namespace: string): Promise<void>;
}

export interface NamespaceAdminSetup {
  readonly state: ConfigState;
  readonly services: ServicesOfNamespaces;
  readonly propose: ProposeConfig;
}

/** Items collected before the event loop gets its turn. */
const ITEMS_AT_A_TIME = 10_000;

/** Namespaces: those that somebody made, and `public`, which is always there. */
export class NamespaceAdmin {
  readonly #setup: NamespaceAdminSetup;

  constructor(setup: NamespaceAdminSetup) {
    this.#setup = setup;
  }

  list(): readonly NamespaceInfo[] {
    return listNamespaces(this.#setup.state);
  }

  /** @returns its id: the one given, or a new one. */
  async create(given: string | undefined, name: string, description: string): Promise<string> {
    const id = given === undefined || given.trim() === "" ? nodeCrypto().randomUUID() : given.trim();
    await this.#setup.propose({ type: "createNamespace", id, name, description }, "done");
    return id;
  }

  async update(id: string, name: string, description: string): Promise<void> {
    await this.#setup.propose({ type: "updateNamespace", id, name, description }, "done");
  }

  /** Refused while it holds anything, unless it is told to remove that first (G10). */
  async delete(id: string, by: Operator, force: boolean): Promise<void> {
    const { state, services, propose } = this.#setup;
    const refused = namespaceFixed(state, id);
    if (refused !== undefined) throw new RegistryError(refused.failure, refused.message);
    const held = services.count(id);
    if (force) {
      await this.#removeConfigs(id, by);
      await services.remove(id);
    } else if (held > 0)
      throw new RegistryError(
        "namespaceNotEmpty",
        `namespace '${id}' holds ${held} ${held === 1 ? "service" : "services"}: remove what it holds first`,
      );
    await propose({ type: "deleteNamespace", id }, "done");
  }

  async #removeConfigs(namespace: string, by: Operator): Promise<void> {
    const { state, propose } = this.#setup;
    const names: ConfigName[] = [];
    const grays: { readonly name: ConfigName; readonly gray: string }[] = [];
    for (const item of itemsIn(state, namespace)) {
      if (item.formal !== undefined) names.push(item.name);
      for (const { name: gray } of item.grays) grays.push({ name: item.name, gray });
      if ((names.length + grays.length) % ITEMS_AT_A_TIME === 0) await turn();
    }
    for (let from = 0; from < names.length; from += BATCH_ITEMS_MAX)
      await propose({ type: "removeConfigs", names: names.slice(from, from + BATCH_ITEMS_MAX), by }, "removed");
    for (const { name, gray } of grays) await propose({ type: "removeConfigs", names: [name], gray, by }, "removed");
  }
}
