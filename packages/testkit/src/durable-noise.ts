import type { Event as ConfigEvent } from "@nacre/core/config";
import type { Event as NamingEvent } from "@nacre/core/naming";
import { type ConfigBench, holding } from "./config-bench.ts";
import { DURABLE_ADDRESSES, DURABLE_CONFIGS, DURABLE_SERVICES } from "./durable-commands.ts";
import { CALLER, instance, type NamingBench } from "./naming-bench.ts";
import type { Random } from "./random.ts";

/** What happens at one member alone: clients come, go, publish, subscribe and listen, and time goes on. */

const CLIENTS = ["c1", "c2", "c3"];

/** Performs something at random. @returns its effects. */
export function namingNoise(random: Random, bench: NamingBench): ReturnType<NamingBench["send"]> {
  const clientId = random.pick(CLIENTS);
  const name = random.pick(DURABLE_SERVICES);
  const input = instance(random.pick(DURABLE_ADDRESSES), {
    weight: random.pick([1, 7]),
    metadata: random.pick([{}, { b: "2", a: "1" }]),
    clusterName: random.pick(["", "A"]),
  });
  const instances = [input];
  const address = { service: name, instance: input, caller: CALLER } as const;
  const { ip, port } = input;
  const event = random.pick<NamingEvent | "copy" | "forward">([
    { type: "connected", clientId, ip: "10.9.0.1", port: 1, caller: CALLER },
    { type: "connected", clientId, ip: "10.9.0.1", port: 1, caller: CALLER },
    { type: "disconnected", clientId, cause: "reset" },
    { type: "publish", clientId, service: name, instances, caller: CALLER },
    { type: "publish", clientId, service: name, instances, caller: CALLER },
    { type: "withdraw", clientId, service: name, caller: CALLER },
    { type: "publishAddress", ...address },
    { type: "withdrawAddress", service: name, ip, port, caller: CALLER },
    { type: "beat", ip, port, ...address },
    { type: "subscribe", clientId, service: name, clusters: "", caller: CALLER },
    { type: "unsubscribe", clientId, service: name },
    { type: "forgetCopy", clientId: "there", cause: "removed", owner: "there" },
    { type: "labels", byIp: new Map([[ip, { zone: "x" }]]) },
    "copy",
    "forward",
  ]);
  const { counter = 0 } = bench.state.clients.get("there") ?? {};
  if (event === "copy") return bench.copy("there", counter + 1, [[name, input]]);
  return event === "forward" ? bench.forward(random.pick([1, 100, 20_000, 700_000])) : bench.send(event);
}

export function configNoise(random: Random, bench: ConfigBench): void {
  const clientId = random.pick(CLIENTS);
  const names = random.some(DURABLE_CONFIGS);
  const contexts = names.map((name) => holding(name, random.pick([undefined, "a"])));
  const event = random.pick<ConfigEvent | "forward">([
    { type: "listen", clientId, labels: { ClientIp: "10.0.0.1" }, contexts },
    { type: "unlisten", clientId, names },
    { type: "disconnected", clientId },
    { type: "poll", id: random.below(1_000_000), ip: "10.0.0.2", labels: {}, contexts, holdMs: 30_000 },
    { type: "watch", clientId, pattern: "public>>*>>*", received: [], initializing: true },
    "forward",
  ]);
  if (event === "forward") bench.forward(random.pick([1, 100, 20_000]));
  else bench.send(event);
}
