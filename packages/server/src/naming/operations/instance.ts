import {
  type Caller,
  findService,
  type Instance,
  type InstanceInput,
  instanceKey,
  instancesOf,
} from "@nacre/core/naming";
import { clusterOf, groupedName, RegistryError, type ServiceName, type TextMap } from "@nacre/protocol";
import type { Params } from "../../transport/http/params.ts";
import type { Naming } from "../naming.ts";
import { notFoundText } from "./service.ts";

/** The parameter names of a cluster. Clients of 1.x write either or both. */
export const CLUSTER_PARAM = ["clusterName", "cluster"] as const;

/** Where an instance is to be found inside its service. */
export interface InstanceAddress {
  readonly ip: string;
  readonly port: number;
  readonly cluster: string;
}

export function addressIn(params: Params): InstanceAddress {
  const ip = params.required("ip").trim();
  return { ip, port: params.requiredInteger("port"), cluster: clusterOf(params.optional(CLUSTER_PARAM)) };
}

/** The instance that the parameters describe; `ip` and `port` are required, the core checks the rest. */
export function instanceIn(params: Params): InstanceInput {
  const { ip, port, cluster } = addressIn(params);
  return {
    ip,
    port,
    weight: params.double("weight", 1),
    healthy: params.flag("healthy", true),
    enabled: params.flag(["enabled", "enable"], true),
    clusterName: cluster,
    metadata: params.metadata() ?? {},
    instanceId: "",
  };
}

/** Whether the call is about an ephemeral instance; when it does not say, an operator's switch decides. */
export function ephemeralIn(naming: Naming, params: Params): boolean {
  return params.flag("ephemeral", naming.state.switches.defaultInstanceEphemeral);
}

/** Publishes the instance under the client of its address. Ephemeral ones live by their heartbeats from now on. */
export async function register(
  naming: Naming,
  service: ServiceName,
  instance: InstanceInput,
  ephemeral: boolean,
  caller: Caller,
): Promise<void> {
  if (ephemeral) await naming.submitAddress({ type: "publishAddress", service, instance, caller });
  else await naming.propose({ type: "registerPersistent", service, instance, caller });
}

/** Takes the instance back; one that is not there is a success. */
export async function deregister(
  naming: Naming,
  service: ServiceName,
  { ip, port }: { readonly ip: string; readonly port: number },
  ephemeral: boolean,
  caller: Caller,
): Promise<void> {
  if (ephemeral) await naming.submitAddress({ type: "withdrawAddress", service, ip, port, caller });
  else await naming.propose({ type: "deregisterPersistent", service, ip, port, caller });
}

/**
 * Replaces what an operator set for the instance: weight, enabled and metadata as one.
 *
 * @throws RegistryError `instanceError` when there is no such service.
 */
export async function replaceOverride(
  naming: Naming,
  service: ServiceName,
  { ip, port, clusterName, weight, enabled, metadata }: InstanceInput,
  caller: Caller,
): Promise<void> {
  refuseWeight(weight);
  if (findService(naming.state, service)?.listed !== true)
    throw new RegistryError("instanceError", notFoundText(service));
  const instances = [instanceKey({ ip, port, cluster: clusterOf(clusterName) })];
  const override = { weight, enabled, metadata };
  await naming.propose({ type: "setOverrides", service, instances, edit: { how: "replace", override }, caller });
}

/** What a partial update may change; what is undefined stays. */
export interface InstancePatch {
  readonly weight: number | undefined;
  readonly enabled: boolean | undefined;
  readonly metadata: TextMap | undefined;
}

/** Only what was sent: a field that is left out keeps its value. */
export function patchIn(params: Params): InstancePatch {
  const names = ["enabled", "enable"];
  return {
    weight: params.optional("weight") === undefined ? undefined : params.double("weight", 1),
    enabled: params.optional(names) === undefined ? undefined : params.flag(names, true),
    metadata: params.metadata(),
  };
}

/** @throws RegistryError `notFound` when there is no such instance. */
export async function patchOverride(
  naming: Naming,
  service: ServiceName,
  at: InstanceAddress,
  { weight, enabled, metadata }: InstancePatch,
  caller: Caller,
): Promise<void> {
  if (weight !== undefined) refuseWeight(weight);
  const instances = [instanceKey(findInstance(naming, service, at))];
  const edit = {
    how: "patch",
    ...(weight === undefined ? {} : { weight }),
    ...(enabled === undefined ? {} : { enabled }),
    ...(metadata === undefined ? {} : { metadata }),
  } as const;
  await naming.propose({ type: "setOverrides", service, instances, edit, caller });
}

function refuseWeight(weight: number): void {
  if (!(weight >= 0 && weight <= 10_000))
    throw new RegistryError("weightError", "instance format invalid: The weights range from 0.0 to 10000.0");
}

/** One instance as operators see it, disabled ones too. @throws RegistryError `notFound`. */
export function findInstance(naming: Naming, name: ServiceName, { ip, port, cluster }: InstanceAddress): Instance {
  const service = findService(naming.state, name);
  const instances = service === undefined ? [] : instancesOf(service, "");
  if (instances.length === 0)
    throw new RegistryError("notFound", `no ips found for cluster ${cluster} in service ${groupedName(name)}`);
  const found = instances.find((held) => held.ip === ip && held.port === port && held.cluster === cluster);
  if (found === undefined) throw new RegistryError("notFound", "no matched ip found!");
  return found;
}

/** Sets the health of a persistent instance by hand. @throws RegistryError `healthCheckRunning`, `notFound`. */
export async function setHealthByHand(
  naming: Naming,
  service: ServiceName,
  at: InstanceAddress,
  healthy: boolean,
): Promise<void> {
  const held = findService(naming.state, service);
  const clusters = held?.metadata?.clusters ?? {};
  const checker = Object.hasOwn(clusters, at.cluster) ? clusters[at.cluster]?.healthChecker.type : undefined;
  if (held === undefined || held.ephemeral || checker !== "NONE")
    throw new RegistryError(
      "healthCheckRunning",
      `health check is still working, service: ${groupedName(service)}, cluster: ${at.cluster}`,
    );
  const instance = instanceKey(findInstance(naming, service, at));
  await naming.propose({
    type: "setHealth",
    changes: [{ service, instance, healthy, cause: "operator", detail: "" }],
  });
}
