/**
 * Discovery with an official SDK, unmodified: one client provides a service, another one watches it.
 * Start a server with `npm start`, then run this with `npm run tour`, or `npm run tour -- host:port` for another one.
 */
import { NacosNamingClient } from "nacos-sdk-rust-binding-node";

const serverAddr = process.argv[2] ?? "127.0.0.1:8848";
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const client = () => new NacosNamingClient({ serverAddr, namespace: "", namingPushEmptyProtection: false });
const connected = () => {
  try {
    return [client(), client()] as const;
  } catch {
    process.stderr.write(
      `No server answers at ${serverAddr}: start one with npm start, or name one: npm run tour -- host:port\n`,
    );
    process.exit(1);
  }
};
const [provider, consumer] = connected();

/** Resolves when the watched list has as many instances as wanted. */
let expecting: { count: number; arrived: () => void } | undefined;
const until = (count: number) => new Promise<void>((arrived) => (expecting = { count, arrived }));

const two = until(2);
await consumer.subscribe("cart", "DEFAULT_GROUP", [], (_error, instances) => {
  say(`pushed: ${instances.map(({ ip, port, weight }) => `${ip}:${port} (weight ${weight})`).join(", ") || "nobody"}`);
  if (instances.length === expecting?.count) expecting.arrived();
});

say("register two instances of cart");
await provider.batchRegisterInstance("cart", "DEFAULT_GROUP", [
  { ip: "10.0.0.1", port: 8080, weight: 1 },
  { ip: "10.0.0.2", port: 8080, weight: 3 },
]);
await two;

const { ip } = await consumer.selectOneHealthyInstance("cart", "DEFAULT_GROUP", [], true);
say(`the consumer would call ${ip}`);

say("deregister them");
const none = until(0);
await provider.deregisterInstance("cart", "DEFAULT_GROUP", { ip: "10.0.0.1", port: 8080 });
await none;
say("done");
process.exit(0);
