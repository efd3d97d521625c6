/** Requests as a well-behaved SDK writes them, for attacks to spoil. */

type Fields = Record<string, unknown>;

export function service(serviceName: string): Fields {
  return { headers: {}, module: "naming", namespace: "public", groupName: "DEFAULT_GROUP", serviceName };
}

export function instance(more: Fields = {}): Fields {
  return {
    ip: "10.20.0.15",
    port: 8081,
    weight: 1,
    healthy: true,
    enabled: true,
    ephemeral: true,
    clusterName: "DEFAULT",
    metadata: {},
    ...more,
  };
}

export function instanceRequest(serviceName: string, more: Fields = {}): Fields {
  return { ...service(serviceName), type: "registerInstance", instance: instance(more) };
}

/** One valid request of every naming message. */
export const VALID: Readonly<Record<string, Fields>> = {
  InstanceRequest: instanceRequest("valid"),
  PersistentInstanceRequest: {
    ...service("valid-persistent"),
    type: "registerInstance",
    instance: instance({ ephemeral: false }),
  },
  BatchInstanceRequest: { ...service("valid-batch"), type: "batchRegisterInstance", instances: [instance()] },
  ServiceQueryRequest: { ...service("valid"), cluster: "", healthyOnly: false, healthOnly: false, udpPort: 0 },
  ServiceListRequest: { ...service(""), pageNo: 1, pageSize: 10, selector: "" },
  SubscribeServiceRequest: { ...service("valid"), subscribe: true, clusters: "", type: "", instances: [] },
  NamingFuzzyWatchRequest: {
    ...service(""),
    groupKeyPattern: "public>>none>>none",
    receivedGroupKeys: [],
    watchType: "WATCH",
    initializing: true,
  },
};
