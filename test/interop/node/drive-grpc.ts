/** The application on nacos-sdk-rust-binding-node, the Node client that speaks gRPC. */
import { NacosConfigClient, NacosNamingClient } from "nacos-sdk-rust-binding-node";
import { drive } from "./drive-kit.ts";

const GROUP = "DEFAULT_GROUP";

await drive(async (serverAddr) => {
  const naming = new NacosNamingClient({ serverAddr, namespace: "", namingPushEmptyProtection: false });
  let configClient: NacosConfigClient | undefined;
  const configs = () => {
    configClient ??= new NacosConfigClient({ serverAddr, namespace: "" });
    return configClient;
  };
  return {
    register: (service, ip, port) => naming.registerInstance(service, GROUP, { ip, port }),
    deregister: (service, ip, port) => naming.deregisterInstance(service, GROUP, { ip, port }),
    subscribe: (service, show) => naming.subscribe(service, GROUP, [], (_error, hosts) => show(hosts)),
    publish: (dataId, content) => configs().publishConfig(dataId, GROUP, content),
    listen: (dataId, show) =>
      configs().addListener(dataId, GROUP, (error, shown) => {
        if (error === null) show(shown.content);
      }),
  };
});
