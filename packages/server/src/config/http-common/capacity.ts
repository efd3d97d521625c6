import type { CapacityScope } from "@nacre/core/config";
import { namespaceOf, RegistryError } from "@nacre/protocol";
import type { Params } from "../../transport/http/params.ts";
import type { CapacityInfo, CapacityLimits } from "../service.ts";

/** The group, or else the namespace that a call is about. @throws RegistryError `parameterMissing` for neither. */
export function scopeIn(params: Params, group: string, namespace: string): CapacityScope {
  const wanted = params.optional(group)?.trim();
  if (wanted !== undefined) return { group: wanted };
  if (params.optional(namespace) === undefined)
    throw new RegistryError("parameterMissing", `the parameter ${group} or ${namespace} is required`);
  return { namespace: namespaceOf(params.optional(namespace)) };
}

/** @throws RegistryError `parameterMissing` when no limit is given. */
export function limitsIn(params: Params): CapacityLimits {
  const limits: Record<string, number> = {};
  for (const [param, field] of LIMITS)
    if (params.optional(param) !== undefined) limits[field] = params.integer(param, 0);
  if (Object.keys(limits).length === 0)
    throw new RegistryError(
      "parameterMissing",
      `one of ${LIMITS.map(([param]) => param).join(", ")} is required, a number or 0 for the default`,
    );
  return limits;
}

const LIMITS = [
  ["quota", "quota"],
  ["maxSize", "maxBytes"],
  ["maxAggrCount", "maxAggrCount"],
  ["maxAggrSize", "maxAggrSize"],
] as const satisfies readonly (readonly [string, keyof CapacityLimits])[];

/** `time` writes a point in time as the dialect does. */
export function capacityBody(
  scope: CapacityScope,
  { quota, usage, maxBytes, maxAggrCount, maxAggrSize, createdAt, modifiedAt }: CapacityInfo,
  time: (at: number) => unknown,
): Record<string, unknown> {
  return {
    // Nothing is stored under a number; the wire has the field.
    id: "0",
    ...("group" in scope ? { groupName: scope.group } : { namespaceId: scope.namespace }),
    quota,
    usage,
    maxSize: maxBytes,
    maxAggrCount,
    maxAggrSize,
    gmtCreate: createdAt === 0 ? null : time(createdAt),
    gmtModified: modifiedAt === 0 ? null : time(modifiedAt),
  };
}
