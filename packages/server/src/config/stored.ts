import { type ConfigState, findItem, type Version } from "@nacre/core/config";
import { type ConfigName, RegistryError } from "@nacre/protocol";
import type { Clock } from "../clock.ts";
import type { ConfigStore, StoredConfig, StoredGray } from "../storage/config-store.ts";
import type { Contents } from "./contents.ts";

/** What the store takes is in it after milliseconds, unless it fails. */
const WAIT_MS = 1_000;

export interface StoredSetup {
  readonly state: ConfigState;
  readonly contents: Pick<Contents, "onSaved">;
  readonly clock: Clock;
  readonly store: () => Pick<ConfigStore, "config" | "gray">;
}

/**
 * Single configurations with all that only the store holds of them, never older than what was acknowledged: what was
 * applied while the store failed is answered for, and the store takes it later.
 */
export class Stored implements Pick<ConfigStore, "config" | "gray"> {
  readonly #setup: StoredSetup;

  constructor(setup: StoredSetup) {
    this.#setup = setup;
  }

  /** @throws RegistryError `dataAccess` when the store does not come to hold the newest version. */
  async config(name: ConfigName): Promise<StoredConfig | undefined> {
    const { state, store } = this.#setup;
    const tables = store();
    return (await this.#holds(findItem(state, name)?.formal)) ? tables.config(name) : undefined;
  }

  /** @throws RegistryError as `config`. */
  async gray(name: ConfigName, gray: string): Promise<StoredGray | undefined> {
    const { state, store } = this.#setup;
    const tables = store();
    const version = findItem(state, name)?.grays.find((one) => one.name === gray);
    return (await this.#holds(version)) ? tables.gray(name, gray) : undefined;
  }

  /** @returns once the store has the version, or at once whether there is one. */
  async #holds(version: Version | undefined): Promise<boolean> {
    if (version === undefined) return false;
    const { clock, contents } = this.#setup;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const forget = contents.onSaved(version.revision, () => resolve(true));
    const timer = clock.schedule(WAIT_MS, () => resolve(false));
    const isThere = await promise;
    timer.cancel();
    forget();
    if (isThere) return true;
    throw new RegistryError(
      "dataAccess",
      "the store of this member has not taken the newest version yet: nacre doctor says why; read it from another member",
    );
  }
}
