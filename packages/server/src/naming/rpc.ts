import type { Connection } from "@nacre/core/connections";
import { type Caller, type InstanceInput, page, serviceNames } from "@nacre/core/naming";
import {
  clustersBroken,
  DEFAULT_GROUP,
  namespaceOf,
  namingMessages,
  RegistryError,
  refuseBroken,
  ruleBroken,
  type ServiceName,
  serviceNameOf,
  success,
  type WireInstance,
} from "@nacre/protocol";
import { textPayload } from "../connections/answers.ts";
import { type Feature, feature, type Handlers, type RequestContext } from "../connections/handlers.ts";
import type { Naming } from "./naming.ts";

/** What most calls are answered with: always the same, and so written once. */
const REGISTERED = instanceAnswer("registerInstance");
const DEREGISTERED = instanceAnswer("deregisterInstance");

function instanceAnswer(type: string): { readonly payload: Uint8Array } {
  return { payload: textPayload(namingMessages.InstanceRequest.response, JSON.stringify(success({ type }))) };
}

/** The naming messages of the gRPC wire. */
export function namingFeature(naming: Naming): Feature {
  const { checkParams } = naming.state.options;

  function serviceOf(request: { namespace: string; groupName: string; serviceName: string }): ServiceName {
    const service = serviceNameOf(request.namespace, request.groupName, request.serviceName);
    if (service.name.trim() === "") throw new RegistryError("parameterMissing", "Param 'serviceName' is required.");
    if (checkParams)
      refuseBroken(
        ruleBroken("namespace", service.namespace),
        ruleBroken("group", service.group),
        ruleBroken("serviceName", service.name),
      );
    return service;
  }

  /** The client of a connection is made when it first asks for naming, whatever its labels say. */
  function clientOf({ connection }: RequestContext): { clientId: string; caller: Caller } {
    const caller = callerOf(connection);
    const { id, remoteIp, remotePort } = connection;
    if (!naming.state.clients.has(id))
      naming.submit({ type: "connected", clientId: id, ip: connection.clientIp || remoteIp, port: remotePort, caller });
    return { clientId: id, caller };
  }

  function publish(service: ServiceName, instances: readonly WireInstance[], context: RequestContext): void {
    if (instances.length === 0) naming.submit({ type: "withdraw", service, ...clientOf(context) });
    else naming.submit({ type: "publish", service, instances: instances.map(inputOf), ...clientOf(context) });
  }

  function info(
    service: ServiceName,
    clusters: string,
    healthyOnly: boolean,
    consumerIp: string,
    response: string,
    extra: string,
  ): { payload: Uint8Array } {
    if (checkParams) refuseBroken(clustersBroken(clusters));
    const query = { clusters, healthyOnly, consumerIp };
    return {
      payload: naming.encoded(
        service,
        query,
        response,
        (text) => `{"resultCode":200,"errorCode":0,"success":true,${extra}"serviceInfo":${text}}`,
      ),
    };
  }

  return feature(namingMessages, {
    InstanceRequest: {
      handle({ type, instance, ...names }, context) {
        const service = serviceOf(names);
        if (type === "registerInstance") {
          publish(service, [instance], context);
          return REGISTERED;
        }
        if (type !== "deregisterInstance")
          throw new RegistryError("invalidParameter", `Unsupported request type ${type}`);
        naming.submit({ type: "withdraw", service, instance, ...clientOf(context) });
        return DEREGISTERED;
      },
    },
    PersistentInstanceRequest: {
      async handle({ type, instance, ...names }, { connection }) {
        const service = serviceOf(names);
        const caller = callerOf(connection);
        if (type === "registerInstance")
          await naming.propose({ type: "registerPersistent", service, instance: inputOf(instance), caller });
        else if (type === "deregisterInstance")
          await naming.propose({ type: "deregisterPersistent", service, ip: instance.ip, port: instance.port, caller });
        else throw new RegistryError("invalidParameter", `Unsupported request type ${type}`);
        return { type };
      },
    },
    BatchInstanceRequest: {
      handle({ type, instances, ...names }, context) {
        if (type !== "batchRegisterInstance")
          throw new RegistryError("invalidParameter", `Unsupported request type ${type}`);
        publish(serviceOf(names), instances, context);
        return { type };
      },
    },
    ServiceQueryRequest: {
      handle({ cluster, healthyOnly, healthOnly, ...names }, { connection }) {
        const { response } = namingMessages.ServiceQueryRequest;
        return info(serviceOf(names), cluster, healthyOnly || healthOnly, connection.clientIp, response, "");
      },
    },
    ServiceListRequest: {
      handle({ namespace, groupName, pageNo, pageSize }) {
        if (checkParams) refuseBroken(ruleBroken("namespace", namespace), ruleBroken("group", groupName));
        if (pageNo < 1 || pageSize < 0)
          throw new RegistryError("invalidParameter", "Param 'pageNo' must be at least 1 and 'pageSize' at least 0.");
        const names = serviceNames(naming.state, namespaceOf(namespace), groupName.trim() || DEFAULT_GROUP);
        const { total, items } = page(names, pageNo, pageSize);
        return { count: total, serviceNames: items };
      },
    },
    SubscribeServiceRequest: {
      handle({ subscribe, clusters, type, instances, ...names }, context) {
        const service = serviceOf(names);
        if (type === "batchRegisterInstance" && instances !== undefined) publish(service, instances, context);
        else if (subscribe) {
          if (checkParams) refuseBroken(clustersBroken(clusters));
          naming.submit({ type: "subscribe", service, clusters, ...clientOf(context) });
        } else naming.submit({ type: "unsubscribe", clientId: context.connection.id, service });
        const { response } = namingMessages.SubscribeServiceRequest;
        return info(service, clusters, false, context.connection.clientIp, response, '"message":"success",');
      },
    },
    NamingFuzzyWatchRequest: {
      handle({ groupKeyPattern, receivedGroupKeys, watchType, initializing }, context) {
        const { clientId } = clientOf(context);
        if (watchType === "CANCEL_WATCH") naming.submit({ type: "unwatch", clientId, pattern: groupKeyPattern });
        else if (watchType === "WATCH")
          naming.submit({
            type: "watch",
            clientId,
            pattern: groupKeyPattern,
            received: receivedGroupKeys,
            initializing,
          });
        else
          throw new RegistryError(
            "invalidParameter",
            `Param 'watchType' must be WATCH or CANCEL_WATCH, not ${watchType}`,
          );
        return {};
      },
    },
  } satisfies Handlers<typeof namingMessages>);
}

function callerOf(connection: Connection): Caller {
  return { ip: connection.clientIp || connection.remoteIp, app: connection.appName, agent: connection.clientVersion };
}

function inputOf(instance: WireInstance): InstanceInput {
  const { ip, port, weight, healthy, enabled, clusterName, metadata, instanceId } = instance;
  return { ip, port, weight, healthy, enabled, clusterName, metadata, instanceId };
}
