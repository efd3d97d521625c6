import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { holding } from "@nacre/testkit/config-bench";
import { durable } from "@nacre/testkit/config-log";
import { configCommand, DURABLE_CONFIGS, DURABLE_SERVICES, namingCommand } from "@nacre/testkit/durable-commands";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { CALLER } from "@nacre/testkit/naming-bench";
import { Random } from "@nacre/testkit/random";
import Database from "better-sqlite3";
import { encodeCommand } from "./config/command-codec.ts";
import { testedConfigs } from "./config/configs.fixture.ts";
import { Connections, type Push } from "./connections/connections.ts";
import { KeptLog } from "./naming/http.fixture.ts";
import { Naming } from "./naming/naming.ts";
import { type AnyCommand, stateMachine } from "./state-machine.ts";
import { openStorage } from "./storage/storage.ts";

const SEEDS = 8;
const AT = Date.UTC(2026, 1, 1);
const TABLES = ["rows", "config_info", "config_info_gray", "config_tags", "his_config_info", "staged_config"];

/** The whole durable side of a member of a group: what is appended is applied. */
async function member(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), "nacre-machine-"));
  const clock = new FakeClock();
  const log = new KeptLog();
  const address = { ip: "10.0.0.1", port: 8848 };
  const connections = new Connections({ clock, log, abilities: {}, address, queuedBytesMax: 1024 });
  const pushes: Push[] = [];
  connections.push = (push) => void pushes.push(push);
  const self = { memberId: "m", incarnation: 1 };
  const naming = new Naming({ clock, log, connections, options: {}, pushTimeoutMs: 5000, self });
  const configs = testedConfigs({ clock, log, connections });
  const storage = await openStorage({
    directory,
    machine: stateMachine(naming, configs),
    replays: false,
    boot: "here",
  });
  const nothing = async () => assert.fail("nothing is proposed");
  const none = { propose: nothing, readIndex: nothing, appliedIndex: 0 };
  configs.attach({ durable: none, store: storage.configs });
  naming.attach({ durable: none });
  t.after(async () => {
    configs.stop();
    naming.stop();
    await storage.close();
    await rm(directory, { recursive: true });
  });
  return {
    naming,
    configs,
    storage,
    pushes,
    async apply(commands: readonly AnyCommand[]): Promise<void> {
      for (const command of commands) {
        const { appliedIndex } = storage.applier;
        const record = {
          term: 1,
          kind: "command",
          at: AT + appliedIndex,
          payload: Buffer.from(encodeCommand(command)),
        } as const;
        await storage.log.append([record]);
        const records = await storage.log.read(appliedIndex + 1, 1);
        await storage.applier.apply(records ?? assert.fail("it was appended"), () => {});
      }
    },
    tables() {
      const store = new Database(join(directory, "store.db"), { readonly: true });
      try {
        return TABLES.map((table) => store.prepare(`SELECT * FROM ${table} ORDER BY 1, 2, 3`).all());
      } finally {
        store.close();
      }
    },
    async texts(): Promise<(string | undefined)[]> {
      const texts: (string | undefined)[] = [];
      for (const name of DURABLE_CONFIGS) {
        const read = await configs.read(name, { labels: {} });
        if (read.found) assert.equal(createHash("md5").update(read.content).digest("hex"), read.version.md5, "G2");
        texts.push(read.found ? read.content : undefined);
      }
      return texts;
    },
    lists: () =>
      DURABLE_SERVICES.map(
        (service) => naming.view(service, { clusters: "", healthyOnly: false, consumerIp: undefined }).hosts,
      ),
  };
}

function commands(random: Random, count: number): AnyCommand[] {
  return Array.from({ length: count }, () => (random.chance(0.5) ? configCommand(random) : namingCommand(random)));
}

describe("a member that fell behind and is given a snapshot while clients are connected", () => {
  for (let seed = 1; seed <= SEEDS; seed++)
    test(`holds, serves and goes on with what the other one has, seed ${seed}`, async (t) => {
      const random = new Random(seed);
      const [ahead, behind] = [await member(t), await member(t)];
      const first = commands(random, 40);
      await ahead.apply(first);
      await behind.apply(random.chance(0.7) ? first : commands(random, 40));
      behind.naming.submit({ type: "connected", clientId: "one", ip: "10.9.0.1", port: 1, caller: CALLER });
      for (const service of DURABLE_SERVICES)
        behind.naming.submit({ type: "subscribe", clientId: "one", service, clusters: "", caller: CALLER });
      const before = await behind.texts();
      const contexts = DURABLE_CONFIGS.map((name, at) => holding(name, before[at]));
      behind.configs.listen({ clientId: "one", labels: {}, contexts });
      behind.pushes.length = 0;

      await ahead.apply(commands(random, 40));
      const { index, term, bytes: total } = await ahead.storage.snapshots.take();
      const incoming = await behind.storage.receive({ index, term, total });
      await incoming.write(0, await ahead.storage.snapshots.read(index, 0, total));
      await behind.storage.install(incoming);

      assert.deepEqual(behind.tables(), ahead.tables(), "the store");
      assert.deepEqual(durable(behind.configs.state), durable(ahead.configs.state), "configurations");
      const after = await behind.texts();
      assert.deepEqual(after, await ahead.texts());
      assert.deepEqual(behind.lists().map(sorted), ahead.lists().map(sorted), "lists");
      assert.deepEqual(behind.naming.state.switches, ahead.naming.state.switches);
      const noticed = behind.pushes.filter(({ type }) => type === "ConfigChangeNotifyRequest").length;
      const changed = after.filter((text, at) => text !== before[at]).length;
      assert.ok(noticed >= changed, `${noticed} notices of ${changed} changes`);

      const more = commands(random, 20);
      for (const one of [ahead, behind]) await one.apply(more);
      assert.deepEqual(behind.tables(), ahead.tables(), "the store, later");
      assert.deepEqual(await behind.texts(), await ahead.texts());
      assert.deepEqual(behind.lists().map(sorted), ahead.lists().map(sorted), "lists, later");
    });
});

/** Hosts come in the order in which they came. */
function sorted(hosts: string): string[] {
  return (JSON.parse(hosts) as object[]).map((host) => JSON.stringify(host)).sort();
}
