import { betaTarget, type ConfigCommand, type StagedItem } from "@nacre/core/config";
import { type Command, instanceKey } from "@nacre/core/naming";
import { config } from "./config-bench.ts";
import { content, OPERATOR } from "./config-log.ts";
import { CALLER, instance, service } from "./naming-bench.ts";
import type { Random } from "./random.ts";

/** Random entries of the log, over names that are few enough to meet again and again. */

export const DURABLE_SERVICES = [service(), service("mail"), service("orders", "OTHER"), service("mail", "G", "dev")];
export const DURABLE_ADDRESSES = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
export const DURABLE_CONFIGS = [config("app"), config("log"), config("app", "OTHER"), config("app", "G", "dev")];

const METADATA = [
  {},
  { enableHealthCheck: "true" },
  { a: "1", b: "2" },
  { b: "2", a: "1" },
  { "preserved.instance.id.generator": "snowflake" },
];

export function namingCommand(random: Random): Command {
  const name = random.pick(DURABLE_SERVICES);
  const input = instance(random.pick(DURABLE_ADDRESSES), {
    weight: random.pick([1, 2]),
    healthy: random.chance(0.7),
    enabled: random.chance(0.9),
    clusterName: random.pick(["", "A"]),
    metadata: random.pick(METADATA),
  });
  const { ip, port } = input;
  const instances = random.some(DURABLE_ADDRESSES).map((address) => {
    const at = instance(address);
    return instanceKey({ ip: at.ip, port: at.port, cluster: random.pick(["DEFAULT", "A"]) });
  });
  const edit = {
    protectThreshold: random.pick([0, 0.5]),
    selector: { type: "none" },
    metadata: random.pick(METADATA),
  } as const;
  const override = {
    weight: random.pick([undefined, 5]),
    enabled: random.pick([undefined, true, false]),
    metadata: random.pick(METADATA),
  };
  const overrides = (how: Extract<Command, { type: "setOverrides" }>["edit"]): Command => ({
    type: "setOverrides",
    service: name,
    instances,
    edit: how,
    caller: CALLER,
  });
  return random.pick<Command>([
    { type: "registerPersistent", service: name, instance: input, caller: CALLER },
    { type: "registerPersistent", service: name, instance: input, caller: CALLER },
    { type: "registerPersistent", service: name, instance: input, caller: CALLER },
    { type: "deregisterPersistent", service: name, ip, port, caller: CALLER },
    {
      type: "setHealth",
      changes: instances.map((key) => ({
        service: name,
        instance: key,
        healthy: random.chance(0.5),
        cause: "healthCheck",
        detail: "",
      })),
    },
    { type: "createService", service: name, ephemeral: random.chance(0.6), edit },
    { type: "updateService", service: name, edit },
    { type: "deleteService", service: name },
    {
      type: "updateCluster",
      service: name,
      cluster: random.pick(["", "A"]),
      metadata: {
        healthChecker: random.pick([{ type: "TCP" }, { type: "NONE" }]),
        healthyCheckPort: random.pick([80, 81]),
        useInstancePort: random.chance(0.5),
        metadata: random.pick(METADATA),
      },
    },
    overrides({ how: "replace", override }),
    overrides({ how: "patch", weight: 3 }),
    overrides({ how: "mergeMetadata", metadata: random.pick(METADATA) }),
    overrides({ how: "removeMetadata", keys: ["a"] }),
    overrides({ how: "drop" }),
    { type: "setSwitch", entry: "pushEnabled", value: String(random.chance(0.7)) },
    { type: "setSwitch", entry: "healthCheckTimes", value: random.pick(["0", "2", "3"]) },
  ]);
}

/** Of a member that enforces capacities, as one of two members does that take proposals. */
const CAPACITY = { namespaceQuota: 3, groupQuota: 3, clusterQuota: 4, capacityBytesMax: 100 };

export function configCommand(random: Random): ConfigCommand {
  const name = random.pick(DURABLE_CONFIGS);
  const text = content(random.pick(["a", "b", "c"]));
  const capacity = random.chance(0.5) ? { capacity: CAPACITY } : {};
  const fields = random.chance(0.3) ? ({ type: "json", tags: ["t"] } as const) : {};
  const importId = random.pick(["one", "two"]);
  const items: StagedItem[] = random.some(DURABLE_CONFIGS).map((staged) => ({ name: staged, content: text, fields }));
  const gray = betaTarget(random.pick(["10.0.0.1", "10.0.0.2"]));
  const expectedMd5 = random.pick([text.md5, ""]);
  const publish = { type: "publishConfig", name, content: text, fields, by: OPERATOR, ...capacity } as const;
  const scope = random.pick([{ namespace: "public" }, { group: "OTHER" }]);
  const limit = random.pick([0, 1, 5]);
  return random.pick<ConfigCommand>([
    { ...publish, terms: {} },
    { ...publish, terms: {} },
    { ...publish, terms: { expectedMd5 } },
    { ...publish, terms: { insertOnly: true } },
    { ...publish, terms: {}, gray },
    { type: "removeConfigs", names: random.some(DURABLE_CONFIGS), by: OPERATOR },
    { type: "removeConfigs", names: [name], expectedMd5, by: OPERATOR },
    { type: "removeConfigs", names: [name], gray: gray.name, by: OPERATOR },
    { type: "stageConfigs", importId, items },
    { type: "commitConfigs", importId, policy: random.pick(["ABORT", "SKIP", "OVERWRITE"]), by: OPERATOR, ...capacity },
    { type: "dropStaged", importId },
    { type: "pruneHistory", before: random.below(1_000) },
    { type: "createNamespace", id: "dev", name: "Dev", description: "" },
    { type: "updateNamespace", id: "dev", name: "Development", description: "of all" },
    { type: "deleteNamespace", id: "dev" },
    { type: "setCapacity", scope, quota: limit },
    { type: "setCapacity", scope, maxBytes: limit },
  ]);
}
