/** The application on the Node client `nacos`, which speaks the HTTP API v1 and beats. */
import nacos from "nacos";
import { drive, type Shown } from "./drive-kit.ts";

type Instance = Parameters<InstanceType<typeof nacos.NacosNamingClient>["registerInstance"]>[1];

await drive(async (serverList) => {
  const quiet = () => {};
  const logger = { ...console, debug: quiet, info: quiet, log: quiet, warn: quiet, error: quiet };
  const naming = new nacos.NacosNamingClient({ logger, serverList, namespace: "public" });
  // A poll that fails while the server is down must not end the program.
  (naming as unknown as { _hostReactor: { on(name: "error", listener: () => void): void } })._hostReactor.on(
    "error",
    quiet,
  );
  await naming.ready();
  const instance = (ip: string, port: number) => ({ ip, port, healthy: true, enabled: true }) as Instance;
  return {
    register: async (service, ip, port) => void (await naming.registerInstance(service, instance(ip, port))),
    deregister: async (service, ip, port) => void (await naming.deregisterInstance(service, instance(ip, port))),
    subscribe: async (service, show) => void naming.subscribe(service, (hosts) => show(hosts as readonly Shown[])),
  };
});
