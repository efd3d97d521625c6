import type { ConfigFields, GrayTarget } from "@nacre/core/config";
import type { ConfigName } from "@nacre/protocol";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { openTestLog } from "../durable.fixture.ts";
import { type KeptLog, testedNaming } from "../naming/http.fixture.ts";
import { stateMachine } from "../state-machine.ts";
import type { ConfigStore } from "../storage/config-store.ts";
import { type DurableLogOptions, openDurableLog } from "../storage/durable-log.ts";
import { openMemoryLog } from "../storage/memory-log.ts";
import { anotherMachine, testedConfigs } from "./configs.fixture.ts";
import type { Configs, ConfigsSetup } from "./configs.ts";
import type { ImportItem } from "./service.ts";

export const BY = { user: "ada", ip: "10.0.0.9" };
export const named = (dataId: string, namespace = "public"): ConfigName => ({ namespace, group: "g", dataId });

/** In place of a folder, for what is measured of one member: its log is in memory whatever is set. */
export const IN_MEMORY = Symbol("in memory");

/** A real core and shell on a clock that stands still, over a log and a store in memory or in a folder. */
export class Member {
  readonly clock: FakeClock;
  readonly configs: Configs;
  readonly log: KeptLog;
  readonly #durable: { close(): Promise<void> };

  private constructor(clock: FakeClock, configs: Configs, log: KeptLog, durable: { close(): Promise<void> }) {
    this.clock = clock;
    this.configs = configs;
    this.log = log;
    this.#durable = durable;
  }

  /** @param over  takes the place of methods of the store. */
  static async open(
    some: Partial<ConfigsSetup> = {},
    directory?: string | typeof IN_MEMORY,
    over: (store: ConfigStore) => Partial<ConfigStore> = () => ({}),
    storage: Pick<DurableLogOptions<unknown, unknown>, "boot" | "files" | "limits"> = {},
  ): Promise<Member> {
    const clock = new FakeClock();
    const { log, connections, naming } = testedNaming("m", {}, clock);
    const checkContent: ConfigsSetup["checkContent"] = async (type, text) =>
      text === "{" ? `${type}: line 1, column 2: it ends too early` : undefined;
    const configs = testedConfigs({ clock, log, connections }, { checkContent, ...some });
    const machine = stateMachine(naming, configs);
    const wallClock = (): number => clock.wall();
    const another = (): typeof machine => anotherMachine({ checkContent, ...some });
    const durable =
      directory === undefined
        ? openTestLog({ machine, another, wallClock })
        : directory === IN_MEMORY
          ? openMemoryLog({ machine, wallClock })
          : await openDurableLog({ machine, directory, wallClock, ...storage });
    const store = Object.assign(Object.create(durable.configs) as ConfigStore, over(durable.configs));
    configs.attach({ durable, store });
    return new Member(clock, configs, log, durable);
  }

  async close(): Promise<void> {
    this.configs.stop();
    await this.#durable.close();
  }

  publish(dataId: string, content: string, more: { fields?: ConfigFields; gray?: GrayTarget; key?: string } = {}) {
    const { fields = {}, gray, key } = more;
    return this.configs.publish({
      name: named(dataId),
      content,
      fields,
      ...(gray === undefined ? {} : { gray }),
      ...(key === undefined ? {} : { encryptedDataKey: key }),
      terms: {},
      by: BY,
    });
  }

  async text(dataId: string, labels = {}): Promise<string | undefined> {
    const read = await this.configs.read(named(dataId), { labels });
    return read.found ? read.content : undefined;
  }

  async history(dataId: string) {
    return (await this.configs.store.history({ name: named(dataId) }, { page: 1, size: 100 })).items;
  }

  import(items: Iterable<ImportItem> | AsyncIterable<ImportItem>, policy: "ABORT" | "SKIP" | "OVERWRITE" = "ABORT") {
    return this.configs.importAll(items, policy, BY);
  }
}
