/** Identity strings of naming and configuration, and their defaults. Source: domain rules of the Nacos wire. */

export const DEFAULT_NAMESPACE = "public";
export const DEFAULT_GROUP = "DEFAULT_GROUP";
export const DEFAULT_CLUSTER = "DEFAULT";

/** Between group and name, and between the parts of a service key. */
export const NAME_SEPARATOR = "@@";

/** Who a service is. The ephemeral flag is a property of its first creator, not a part of its identity. */
export interface ServiceName {
  readonly namespace: string;
  readonly group: string;
  readonly name: string;
}

/** `namespace@@group@@name`. */
export type ServiceKey = string;

export function serviceKey(service: ServiceName): ServiceKey {
  return `${service.namespace}@@${service.group}@@${service.name}`;
}

/** The service of a key; only the first two separators count, so that a name may hold one where names are not checked. */
export function serviceNameOfKey(key: ServiceKey): ServiceName {
  const [namespace = "", group = "", ...name] = key.split(NAME_SEPARATOR);
  return { namespace, group, name: name.join(NAME_SEPARATOR) };
}

/** `group@@name`, as v1 HTTP, instance ids and the `serviceName` of an instance write it. */
export function groupedName(service: ServiceName): string {
  return `${service.group}@@${service.name}`;
}

/**
 * The service a request means: blank namespace and group take their defaults, and a name written `group@@name`
 * brings its own group.
 */
export function serviceNameOf(namespace: string | undefined, group: string | undefined, name: string): ServiceName {
  const at = name.indexOf(NAME_SEPARATOR);
  return {
    namespace: namespaceOf(namespace),
    group: at > 0 ? name.slice(0, at) : orDefault(group, DEFAULT_GROUP),
    name: at > 0 ? name.slice(at + NAME_SEPARATOR.length) : name,
  };
}

/** Blank, absent and `public` are one namespace. */
export function namespaceOf(namespace: string | undefined): string {
  return orDefault(namespace, DEFAULT_NAMESPACE);
}

export function clusterOf(cluster: string | undefined): string {
  return orDefault(cluster, DEFAULT_CLUSTER);
}

function orDefault(text: string | undefined, otherwise: string): string {
  return text === undefined || text.trim() === "" ? otherwise : text.trim();
}
