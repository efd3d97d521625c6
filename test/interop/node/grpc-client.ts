/** Scenarios with nacos-sdk-rust-binding-node, the Node client that speaks gRPC. */
import { NacosConfigClient, NacosNamingClient, type NacosServiceInstance } from "nacos-sdk-rust-binding-node";
import { type ConfigAdapter, configScenarios, type Heard } from "./configs.ts";
import { Api, addresses, ask, eventually, GROUP, type Host, METADATA, run, type Scenarios, servers } from "./kit.ts";

const { server, strictServer } = servers();
const api = new Api(server);
let publisher: NacosNamingClient;
let reader: NacosNamingClient;

function connect(serverAddr: string, namespace = ""): NacosNamingClient {
  return new NacosNamingClient({ serverAddr, namespace, namingPushEmptyProtection: false });
}

function instance(ip: string, more: Partial<NacosServiceInstance> = {}): NacosServiceInstance {
  return { ip, port: 8080, ...more };
}

async function found(client: NacosNamingClient, service: string, group = GROUP, clusters: string[] = []) {
  return addresses(await client.getAllInstances(service, group, clusters, false));
}

/** Subscribes and keeps what is pushed last. */
async function watch(service: string): Promise<{ hosts: readonly Host[] }> {
  const pushed: { hosts: readonly Host[] } = { hosts: [] };
  await reader.subscribe(service, GROUP, [], (_error, hosts) => {
    pushed.hosts = hosts;
  });
  return pushed;
}

const naming: Scenarios = {
  async register() {
    await publisher.registerInstance("register", GROUP, instance("10.1.0.1"));
    await eventually(10, "the instance over HTTP", "10.1.0.1:8080", () => api.addresses("register"));
    await eventually(10, "the instance through the client", "10.1.0.1:8080", () => found(reader, "register"));
    return "";
  },

  async deregister() {
    await publisher.registerInstance("deregister", GROUP, instance("10.1.0.2"));
    await eventually(10, "the instance", "10.1.0.2:8080", () => api.addresses("deregister"));
    await publisher.deregisterInstance("deregister", GROUP, instance("10.1.0.2"));
    await eventually(10, "no instance", "", () => api.addresses("deregister"));
    return "";
  },

  async batch() {
    await publisher.batchRegisterInstance(
      "batch",
      GROUP,
      ["10.2.0.1", "10.2.0.2"].map((ip) => instance(ip)),
    );
    await eventually(10, "two instances", "10.2.0.1:8080 10.2.0.2:8080", () => api.addresses("batch"));
    await publisher.batchRegisterInstance("batch", GROUP, [instance("10.2.0.3")]);
    await eventually(10, "the smaller batch", "10.2.0.3:8080", () => api.addresses("batch"));
    return "";
  },

  async subscribe() {
    await api.publish("subscribe", "10.3.0.9");
    const pushed = await watch("subscribe");
    await eventually(15, "what is there already", "10.3.0.9:8080", () => addresses(pushed.hosts));
    await publisher.registerInstance("subscribe", GROUP, instance("10.3.0.1"));
    await eventually(8, "an added instance", "10.3.0.1:8080 10.3.0.9:8080", () => addresses(pushed.hosts));
    const changed = instance("10.3.0.1", { weight: 5, metadata: { zone: "b" } });
    await publisher.registerInstance("subscribe", GROUP, changed);
    await eventually(8, "its new weight and metadata", "5 b", () => {
      const seen = pushed.hosts.find((host) => host.ip === "10.3.0.1");
      return `${seen?.weight} ${seen?.metadata?.zone}`;
    });
    await publisher.deregisterInstance("subscribe", GROUP, changed);
    await eventually(8, "its removal", "10.3.0.9:8080", () => addresses(pushed.hosts));
    return "";
  },

  async select() {
    await api.publish("select", "10.4.0.1", { weight: "1" });
    await api.publish("select", "10.4.0.2", { weight: "9" });
    await api.publish("select", "10.4.0.3", { weight: "5", healthy: "false" });
    const select = async (healthy: boolean) =>
      addresses(await reader.selectInstances("select", GROUP, [], false, healthy));
    await eventually(5, "the healthy ones", "10.4.0.1:8080 10.4.0.2:8080", () => select(true));
    await eventually(5, "the unhealthy one", "10.4.0.3:8080", () => select(false));
    let heavy = 0;
    for (let i = 0; i < 1000; i++) {
      const { ip } = await reader.selectOneHealthyInstance("select", GROUP, [], true);
      if (ip === "10.4.0.2") heavy++;
      else if (ip !== "10.4.0.1") throw new Error(`picked ${ip}`);
    }
    if (heavy < 800 || heavy > 980) throw new Error(`weight 9 of 10 was picked ${heavy} times of 1000`);
    return `${heavy} of 1000 picks for weight 9 of 10`;
  },

  async metadata() {
    await publisher.registerInstance("metadata", GROUP, instance("10.5.0.1", { metadata: METADATA }));
    await eventually(10, "over HTTP", METADATA, async () => (await api.hosts("metadata"))[0]?.metadata as never);
    await eventually(10, "through the client", METADATA, async () => {
      const hosts = await reader.getAllInstances("metadata", GROUP, [], false);
      return { ...hosts[0]?.metadata } as never;
    });
    return "";
  },

  async "metadata-refused"() {
    const client = connect(strictServer);
    const large = instance("10.5.0.2", { metadata: { large: "x".repeat(1100) } });
    const refusal = await client.registerInstance("refused-node", GROUP, large).then(
      () => undefined,
      (error: unknown) => String(error),
    );
    if (refusal === undefined) throw new Error("1.1 kB of metadata was accepted");
    if (!refusal.includes("1024")) throw new Error(`the refusal does not name the limit: ${refusal}`);
    return refusal;
  },

  async persistent() {
    const lasting = instance("127.0.0.1", { ephemeral: false });
    await publisher.registerInstance("persistent", GROUP, lasting);
    await eventually(10, "a persistent instance", false, async () => {
      const [host] = await api.hosts("persistent");
      return host?.ephemeral ?? true;
    });
    await eventually(10, "through the client", "127.0.0.1:8080", () => found(reader, "persistent"));
    await publisher.deregisterInstance("persistent", GROUP, lasting);
    await eventually(10, "no instance", "", () => api.addresses("persistent"));
    return "";
  },

  async groups() {
    await publisher.registerInstance("groups", "GROUP_A", instance("10.6.0.1"));
    await publisher.registerInstance("groups", "GROUP_B", instance("10.6.0.2"));
    await eventually(10, "the first group", "10.6.0.1:8080", () => found(reader, "groups", "GROUP_A"));
    await eventually(10, "the second group", "10.6.0.2:8080", () => found(reader, "groups", "GROUP_B"));
    return "";
  },

  async namespaces() {
    const blue = connect(server, "blue");
    await blue.registerInstance("namespaces", GROUP, instance("10.6.1.1"));
    await publisher.registerInstance("namespaces", GROUP, instance("10.6.1.2"));
    await eventually(10, "the named one", "10.6.1.1:8080", () => found(blue, "namespaces"));
    await eventually(10, "the default one", "10.6.1.2:8080", () => found(reader, "namespaces"));
    await eventually(10, "over HTTP", "10.6.1.1:8080", () => api.addresses("namespaces", GROUP, "blue"));
    return "";
  },

  async clusters() {
    await api.publish("clusters", "10.7.0.1", { clusterName: "east" });
    await api.publish("clusters", "10.7.0.2", { clusterName: "west" });
    await eventually(10, "both", "10.7.0.1:8080 10.7.0.2:8080", () => found(reader, "clusters"));
    await eventually(10, "one cluster", "10.7.0.2:8080", () => found(reader, "clusters", GROUP, ["west"]));
    return "";
  },

  async thousand() {
    const pushed = await watch("thousand");
    const instances = Array.from({ length: 1000 }, (_, i) => instance(`10.9.${Math.floor(i / 250)}.${(i % 250) + 1}`));
    await publisher.batchRegisterInstance("thousand", GROUP, instances);
    await eventually(20, "a thousand over HTTP", 1000, async () => (await api.hosts("thousand")).length);
    await eventually(20, "a thousand pushed", 1000, () => pushed.hosts.length);
    return "one batch";
  },

  async restart() {
    const pushed = await watch("restart");
    await publisher.registerInstance("restart", GROUP, instance("10.11.0.1"));
    await publisher.batchRegisterInstance("restart-batch", GROUP, [instance("10.11.1.1"), instance("10.11.1.2")]);
    await eventually(15, "the instance is pushed", "10.11.0.1:8080", () => addresses(pushed.hosts));
    await ask("restart");
    const restartedAt = performance.now();
    await eventually(60, "the instance is back", "10.11.0.1:8080", () => api.addresses("restart"));
    await eventually(30, "the batch is back", "10.11.1.1:8080 10.11.1.2:8080", () => api.addresses("restart-batch"));
    const backMs = Math.round(performance.now() - restartedAt);
    await api.publish("restart", "10.11.0.2");
    await eventually(30, "pushes go on", "10.11.0.1:8080 10.11.0.2:8080", () => addresses(pushed.hosts));
    return `back after ${backMs} ms`;
  },
};

const configs: ConfigAdapter<NacosConfigClient> = {
  // This client takes messages of 4 MiB, and the content stands in one.
  largeBytes: 4_000_000,
  // Not run: a burst of changes stops all calls of its process for good.
  manyChanged: 0,
  hearsExistence: false,
  // It asks for its configurations again with its next round, which it makes each minute.
  reconnectSeconds: 75,
  connect: async (namespace = "") => new NacosConfigClient({ serverAddr: server, namespace }),
  put: (client, dataId, content) => client.publishConfig(dataId, GROUP, content),
  get: (client, dataId) =>
    client.getConfig(dataId, GROUP).catch((error: unknown) => {
      if (/not exist|not found/i.test(String(error))) return null as unknown as string;
      throw error;
    }),
  remove: (client, dataId) => client.removeConfig(dataId, GROUP),
  async hear(client, dataId, namespaceId = "public") {
    const heard: Heard = { latest: undefined };
    await client.addListener(dataId, GROUP, (_error, { content }) => {
      heard.latest = content;
    });
    // It tells the server after it has added the listener, and does not look at the answer.
    await eventually(10, "the server knows that it listens", true, async () => {
      const { clients } = await ask("listening", { dataId, namespaceId });
      return clients !== 0;
    });
    return heard;
  },
};

await run(
  async () => {
    publisher = connect(server);
    reader = connect(server);
    return naming;
  },
  () => configScenarios(configs),
);
