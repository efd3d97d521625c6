/** Scenarios with the Node client `nacos`, which speaks the HTTP API v1, beats and listens for pushes over UDP. */
import nacos from "nacos";
import { type ConfigAdapter, configScenarios, type Heard } from "./configs.ts";
import { Api, addresses, ask, eventually, GROUP, type Host, METADATA, run, type Scenarios, servers } from "./kit.ts";

type Client = InstanceType<typeof nacos.NacosNamingClient>;
type Instance = Parameters<Client["registerInstance"]>[1];

const { server, strictServer } = servers();
const api = new Api(server);
const warnings: string[] = [];
let client: Client;

async function connect(serverList: string, namespace = "public"): Promise<Client> {
  const quiet = () => {};
  // A failed call reaches the caller without its reason; the log has it.
  const warn = (...parts: unknown[]) => warnings.push(parts.join(" "));
  const logger = { ...console, debug: quiet, info: quiet, log: quiet, warn, error: warn };
  const made = new nacos.NacosNamingClient({ logger, serverList, namespace });
  // A poll that fails while the server is down must not end the program.
  (made as unknown as { _hostReactor: { on(name: "error", listener: () => void): void } })._hostReactor.on(
    "error",
    quiet,
  );
  await made.ready();
  return made;
}

function instance(ip: string, more: Record<string, unknown> = {}): Instance {
  return { ip, port: 8080, healthy: true, enabled: true, ...more } as Instance;
}

async function found(service: string, from = client, group = GROUP, clusters = "DEFAULT"): Promise<string> {
  return addresses(await from.getAllInstances(service, group, clusters, false));
}

function watch(service: string): { hosts: readonly Host[] } {
  const pushed: { hosts: readonly Host[] } = { hosts: [] };
  client.subscribe(service, (hosts) => {
    pushed.hosts = hosts;
  });
  return pushed;
}

const naming: Scenarios = {
  async register() {
    await client.registerInstance("register", instance("10.1.0.1"));
    await eventually(10, "the instance over HTTP", "10.1.0.1:8080", () => api.addresses("register"));
    await eventually(10, "the instance through the client", "10.1.0.1:8080", () => found("register"));
    return String(await client.getServerStatus());
  },

  async deregister() {
    await client.registerInstance("deregister", instance("10.1.0.2"));
    await eventually(10, "the instance", "10.1.0.2:8080", () => api.addresses("deregister"));
    await client.deregisterInstance("deregister", instance("10.1.0.2"));
    await eventually(10, "no instance", "", () => api.addresses("deregister"));
    return "";
  },

  async subscribe() {
    await api.publish("subscribe", "10.3.0.9");
    const pushed = watch("subscribe");
    await eventually(15, "what is there already", "10.3.0.9:8080", () => addresses(pushed.hosts));
    // The client polls a second time after one second; what comes later in this scenario comes by UDP.
    const startedAt = performance.now();
    await client.registerInstance("subscribe", instance("10.3.0.1"));
    await eventually(8, "an added instance", "10.3.0.1:8080 10.3.0.9:8080", () => addresses(pushed.hosts));
    await client.registerInstance("subscribe", instance("10.3.0.1", { weight: 5, metadata: { zone: "b" } }));
    await eventually(8, "its new weight and metadata", "5 b", () => {
      const seen = pushed.hosts.find((host) => host.ip === "10.3.0.1");
      return `${seen?.weight} ${seen?.metadata?.zone}`;
    });
    await client.deregisterInstance("subscribe", instance("10.3.0.1"));
    await eventually(8, "its removal", "10.3.0.9:8080", () => addresses(pushed.hosts));
    return `three changes within ${Math.round(performance.now() - startedAt)} ms`;
  },

  async select() {
    await api.publish("select", "10.4.0.1", { weight: "1" });
    await api.publish("select", "10.4.0.2", { weight: "9" });
    await api.publish("select", "10.4.0.3", { weight: "5", healthy: "false" });
    await api.publish("select", "10.4.0.4", { weight: "0" });
    const select = async (healthy: boolean) =>
      addresses(await client.selectInstances("select", GROUP, "DEFAULT", healthy, false));
    await eventually(5, "the healthy ones with a weight", "10.4.0.1:8080 10.4.0.2:8080", () => select(true));
    await eventually(5, "the unhealthy one", "10.4.0.3:8080", () => select(false));
    return "this client has no weighted pick";
  },

  async metadata() {
    await client.registerInstance("metadata", instance("10.5.0.1", { metadata: METADATA }));
    await eventually(10, "over HTTP", METADATA, async () => (await api.hosts("metadata"))[0]?.metadata as never);
    await eventually(10, "through the client", METADATA, async () => {
      const hosts = await client.getAllInstances("metadata", GROUP, "DEFAULT", false);
      return hosts[0]?.metadata as never;
    });
    return "";
  },

  async "metadata-refused"() {
    const strict = await connect(strictServer);
    const large = instance("10.5.0.2", { ephemeral: false, metadata: { large: "x".repeat(1100) } });
    const refused = await strict.registerInstance("refused-node", large).then(
      () => false,
      () => true,
    );
    if (!refused) throw new Error("1.1 kB of metadata was accepted");
    const reason = warnings.find((text) => text.includes("1024"));
    if (reason === undefined) throw new Error(`the refusal does not name the limit: ${warnings}`);
    return reason.slice(reason.indexOf("code:"));
  },

  async persistent() {
    await client.registerInstance("persistent", instance("127.0.0.1", { ephemeral: false }));
    await eventually(10, "a persistent instance", false, async () => {
      const [host] = await api.hosts("persistent");
      return host?.ephemeral ?? true;
    });
    await client.deregisterInstance("persistent", instance("127.0.0.1", { ephemeral: false }));
    await eventually(10, "no instance", "", () => api.addresses("persistent"));
    return "";
  },

  async groups() {
    await client.registerInstance("groups", instance("10.6.0.1"), "GROUP_A");
    await client.registerInstance("groups", instance("10.6.0.2"), "GROUP_B");
    await eventually(10, "the first group", "10.6.0.1:8080", () => found("groups", client, "GROUP_A"));
    await eventually(10, "the second group", "10.6.0.2:8080", () => found("groups", client, "GROUP_B"));
    await client.deregisterInstance("groups", instance("10.6.0.2"), "GROUP_B");
    await eventually(10, "one group empty", "", () => api.addresses("groups", "GROUP_B"));
    return "";
  },

  async namespaces() {
    const blue = await connect(server, "blue");
    await blue.registerInstance("namespaces", instance("10.6.1.1"));
    await client.registerInstance("namespaces", instance("10.6.1.2"));
    await eventually(10, "the named one", "10.6.1.1:8080", () => found("namespaces", blue));
    await eventually(10, "the default one", "10.6.1.2:8080", () => found("namespaces"));
    await eventually(10, "over HTTP", "10.6.1.1:8080", () => api.addresses("namespaces", GROUP, "blue"));
    return "";
  },

  async clusters() {
    await client.registerInstance("clusters", instance("10.7.0.1", { clusterName: "east" }));
    await client.registerInstance("clusters", instance("10.7.0.2", { clusterName: "west" }));
    const both = "10.7.0.1:8080 10.7.0.2:8080";
    await eventually(10, "both", both, () => found("clusters", client, GROUP, "east,west"));
    await eventually(10, "one cluster", "10.7.0.2:8080", () => found("clusters", client, GROUP, "west"));
    return "";
  },

  async thousand() {
    const pushed = watch("thousand");
    const instances = Array.from({ length: 1000 }, (_, i) => instance(`10.9.${Math.floor(i / 250)}.${(i % 250) + 1}`));
    for (let start = 0; start < instances.length; start += 20) {
      await Promise.all(instances.slice(start, start + 20).map((each) => client.registerInstance("thousand", each)));
    }
    await eventually(20, "a thousand over HTTP", 1000, async () => (await api.hosts("thousand")).length);
    await eventually(20, "a thousand pushed", 1000, () => pushed.hosts.length);
    // A thousand beats every five seconds would be heard by the scenarios that follow.
    await Promise.all(instances.map((each) => client.deregisterInstance("thousand", each)));
    return "one by one";
  },

  async restart() {
    const pushed = watch("restart");
    await client.registerInstance("restart", instance("10.11.0.1"));
    await eventually(15, "the instance is pushed", "10.11.0.1:8080", () => addresses(pushed.hosts));
    await ask("restart");
    const restartedAt = performance.now();
    await eventually(60, "the instance is back", "10.11.0.1:8080", () => api.addresses("restart"));
    const backMs = Math.round(performance.now() - restartedAt);
    await api.publish("restart", "10.11.0.2");
    await eventually(30, "pushes go on", "10.11.0.1:8080 10.11.0.2:8080", () => addresses(pushed.hosts));
    return `back after ${backMs} ms`;
  },
};

/** What `NacosConfigClient` shares among all of its kind in a process, whatever namespace they are made for. */
type ConfigClient = InstanceType<typeof nacos.DataClient>;

const configs: ConfigAdapter<ConfigClient> = {
  largeBytes: 10 * 1024 * 1024,
  manyChanged: 3000,
  hearsExistence: true,
  reconnectSeconds: 60,
  async connect(namespace = "") {
    const made = new nacos.DataClient({ serverAddr: server, namespace, requestTimeout: 20_000 });
    // A poll that fails while the server is down must not end the program.
    (made as unknown as { on(name: "error", listener: () => void): void }).on("error", () => {});
    await made.ready();
    return made;
  },
  put: (from, dataId, content) => from.publishSingle(dataId, GROUP, content),
  get: (from, dataId) => from.getConfig(dataId, GROUP, {}),
  remove: (from, dataId) => from.remove(dataId, GROUP, {}),
  async hear(from, dataId) {
    const heard: Heard = { latest: undefined };
    from.subscribe({ dataId, group: GROUP }, (content: string | null) => {
      heard.latest = content;
    });
    // What is there already is read first and told; what is not there is not told.
    const { found } = await ask("show", { dataId });
    if (found === true) await eventually(10, "what is there", true, () => heard.latest !== undefined);
    return heard;
  },
};

await run(
  async () => {
    client = await connect(server);
    return naming;
  },
  () => configScenarios(configs),
);
