import {
  type Caller,
  findService,
  type Instance,
  instanceKey,
  instancesOf,
  type OverrideEdit,
} from "@nacre/core/naming";
import { clusterOf, type Infer, integer, list, object, RegistryError, type ServiceName, text } from "@nacre/protocol";
import type { Params } from "../../transport/http/params.ts";
import type { Naming } from "../naming.ts";

/** Instances that one batch may name. */
const TARGETS_MAX = 100_000;

const targets = list(object({ ip: text(), port: integer(0), clusterName: text() }), TARGETS_MAX);
type Targets = Infer<typeof targets>;

/**
 * Merges or removes metadata of many instances at once, as an operator. `instances` empty means all of the service;
 * `consistencyType` narrows to `ephemeral` or `persist`. Instances that are not there are passed over.
 *
 * @returns the instances that were meant, as the API shows them.
 */
export async function editMetadata(
  naming: Naming,
  service: ServiceName,
  params: Params,
  how: "mergeMetadata" | "removeMetadata",
  caller: Caller,
): Promise<readonly string[]> {
  params.required("metadata");
  const metadata = params.metadata() ?? {};
  const found = meantBy(naming, service, targetsIn(params), params.text("consistencyType", ""));
  if (found.length === 0) return [];
  const edit: OverrideEdit = how === "mergeMetadata" ? { how, metadata } : { how, keys: Object.keys(metadata) };
  await naming.propose({ type: "setOverrides", service, instances: found.map(instanceKey), edit, caller });
  return found.map(({ ip, port, cluster, ephemeral }) => {
    return `${ip}:${port}:unknown:${cluster}:${ephemeral ? "ephemeral" : "persist"}`;
  });
}

function targetsIn(params: Params): Targets {
  const given = params.optional("instances");
  if (given === undefined) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(given);
  } catch (cause) {
    throw new RegistryError("invalidParameter", "Param 'instances' is illegal, it must be a JSON array.", { cause });
  }
  return targets.read(parsed, "instances");
}

function meantBy(naming: Naming, name: ServiceName, wanted: Targets, consistencyType: string): readonly Instance[] {
  const service = findService(naming.state, name);
  if (service === undefined) return [];
  const keys = new Set(
    wanted.map(({ ip, port, clusterName }) => instanceKey({ ip, port, cluster: clusterOf(clusterName) })),
  );
  return instancesOf(service, "").filter(
    (instance) =>
      (keys.size === 0 || keys.has(instanceKey(instance))) &&
      (consistencyType === "" || (consistencyType === "persist") !== instance.ephemeral),
  );
}
