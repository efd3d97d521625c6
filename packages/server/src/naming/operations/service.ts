import { type Caller, findService, parseSelector, type Service, type ServiceEdit } from "@nacre/core/naming";
import {
  DEFAULT_GROUP,
  groupedName,
  namespaceOf,
  RegistryError,
  type ServiceName,
  serviceNameOf,
} from "@nacre/protocol";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Naming } from "../naming.ts";

/** Who makes a call, as naming's records name them. */
export function callerOf({ sourceIp, app, agent }: Call): Caller {
  return { ip: sourceIp, app, agent };
}

/**
 * The service that `namespaceId`, `groupName` and `serviceName` mean. A name written `group@@name` brings its own group
 * in every family.
 *
 * @throws RegistryError `parameterMissing`, or `invalidParameter` for a name that is nothing but a group.
 */
export function serviceOf(params: Params): ServiceName {
  return named(params, params.required("serviceName"));
}

/** As `serviceOf`, for endpoints whose reference binds the parameter. */
export function boundServiceOf(params: Params): ServiceName {
  return named(params, params.bound("serviceName"));
}

function named(params: Params, serviceName: string): ServiceName {
  const service = serviceNameOf(params.optional("namespaceId"), params.optional("groupName"), serviceName);
  if (service.name.trim() === "" || service.name.startsWith("@@"))
    throw new RegistryError(
      "invalidParameter",
      "Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'",
    );
  return service;
}

export function namespaceIn(params: Params): string {
  return namespaceOf(params.optional("namespaceId"));
}

export function groupIn(params: Params): string {
  return params.text("groupName", DEFAULT_GROUP).trim();
}

/** A service that is listed. @throws RegistryError `serviceNotFound`. */
export function listedService(naming: Naming, name: ServiceName): Service {
  const service = findService(naming.state, name);
  if (service?.listed === true) return service;
  throw new RegistryError("serviceNotFound", notFoundText(name));
}

export function notFoundText(name: ServiceName): string {
  return `service not found, namespace: ${name.namespace}, serviceName: ${groupedName(name)}`;
}

/** `protectThreshold`, `metadata` and `selector`. @throws RegistryError naming the one that is wrong. */
export function serviceEditOf(params: Params): ServiceEdit {
  const protectThreshold = params.double("protectThreshold", 0);
  if (protectThreshold < 0 || protectThreshold > 1)
    throw new RegistryError("invalidParameter", "Param 'protectThreshold' is illegal, it must be between 0 and 1.");
  return {
    protectThreshold,
    selector: selectorOf(params.optional("selector")),
    metadata: params.metadata() ?? {},
  };
}

function selectorOf(text: string | undefined) {
  // Some clients encode the JSON once more than the form does.
  return parseSelector(text?.startsWith("%7B") === true ? decodeAgain(text) : text);
}

function decodeAgain(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @throws RegistryError `serviceExists`. */
export async function createService(
  naming: Naming,
  service: ServiceName,
  ephemeral: boolean,
  edit: ServiceEdit,
): Promise<void> {
  await naming.propose({ type: "createService", service, ephemeral, edit });
}

/** @throws RegistryError `serviceNotFound`. */
export async function updateService(naming: Naming, service: ServiceName, edit: ServiceEdit): Promise<void> {
  await naming.propose({ type: "updateService", service, edit });
}

/** @throws RegistryError `serviceNotFound`, `serviceNotEmpty`. */
export async function deleteService(naming: Naming, service: ServiceName): Promise<void> {
  await naming.propose({ type: "deleteService", service });
}
