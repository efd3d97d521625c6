import type { ServiceName } from "@nacre/protocol";
import type { Naming } from "./naming.ts";

const BY_OPERATOR = { ip: "", app: "", agent: "" } as const;

/** Persistent instances, each service of an address by itself. Goes through all clients. */
export function countPersistent({ state }: Naming): number {
  let counted = 0;
  for (const { kind, publications } of state.clients.values()) if (kind === "persistent") counted += publications.size;
  return counted;
}

/** How many services a namespace lists. */
export function countServices({ state }: Naming, namespace: string): number {
  let count = 0;
  for (const names of state.listed.get(namespace)?.values() ?? []) count += names.size;
  return count;
}

/**
 * Removes what is durable of the services of a namespace: persistent instances, and what operators said about services
 * that nobody publishes to any more. What clients publish lasts as long as they do.
 */
export async function removeServices(naming: Naming, namespace: string): Promise<void> {
  const { state } = naming;
  const services: ServiceName[] = [];
  for (const [group, names] of state.listed.get(namespace) ?? [])
    for (const name of names.all()) services.push({ namespace, group, name });
  for (const service of services) {
    const held = state.services.get(`${namespace}@@${service.group}@@${service.name}`);
    for (const { kind, ip, port } of [...(held?.publications.keys() ?? [])])
      if (kind === "persistent")
        await naming.propose({ type: "deregisterPersistent", service, ip, port, caller: BY_OPERATOR });
    if (held?.listed === true && held.metadata !== undefined && held.hosts.size === 0)
      await naming.propose({ type: "deleteService", service });
  }
}
