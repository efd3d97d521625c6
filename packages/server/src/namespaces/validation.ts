import { type ConfigState, findNamespace } from "@nacre/core/config";
import { namespaceOf, RegistryError } from "@nacre/protocol";
import type { Filter } from "../connections/handlers.ts";

/** Why a namespace may not be named, where only those that somebody made may. */
export function unknownNamespace(state: ConfigState, namespace: string): RegistryError | undefined {
  if (findNamespace(state, namespace) !== undefined) return undefined;
  return new RegistryError("namespaceNotFound", `namespace '${namespace}' does not exist: make it first`);
}

/**
 * Refuses gRPC calls into a namespace that may not be named. Lists of several configurations are let through: one of
 * them that cannot exist is like one that does not exist.
 */
export function namespaceFilter(refused: (namespace: string) => RegistryError | undefined): Filter {
  return (request) => {
    const { namespace, tenant } = request as { readonly namespace?: unknown; readonly tenant?: unknown };
    const named = namespace ?? tenant;
    const failure = typeof named === "string" ? refused(namespaceOf(named)) : undefined;
    if (failure !== undefined) throw failure;
  };
}
