/**
 * What both Node clients share as applications that do what they are told on standard input for as long as that is open,
 * with the addresses of a whole cluster: see test/cluster/lib/driver.ts.
 */
import { createInterface } from "node:readline";
import { say } from "./say.ts";

export interface Shown {
  readonly ip: string;
  readonly port: number;
  readonly healthy?: boolean;
}

export interface Application {
  register(service: string, ip: string, port: number): Promise<void>;
  deregister(service: string, ip: string, port: number): Promise<void>;
  /** `show` is called with each list. */
  subscribe(service: string, show: (hosts: readonly Shown[]) => void): Promise<void>;
  publish?(dataId: string, content: string): Promise<boolean>;
  /** `show` is called with each content. */
  listen?(dataId: string, show: (content: string) => void): Promise<void>;
}

interface Order {
  readonly id: number;
  readonly do: string;
  readonly service: string;
  readonly ip?: string;
  readonly port?: number;
  /** Of a configuration. */
  readonly dataId?: string;
  readonly content?: string;
}

/** @param connect makes the application from the addresses. */
export async function drive(connect: (addresses: string) => Promise<Application>): Promise<never> {
  const application = await connect(process.argv[3] ?? "");
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line) as Order;
    try {
      await follow(application, order);
      say({ done: order.id });
    } catch (failure) {
      say({ done: order.id, error: String(failure) });
    }
  }
  // The clients offer no close that ends their timers.
  process.exit(0);
}

async function follow(application: Application, order: Order): Promise<void> {
  const { service, ip = "", port = 0, dataId = "", content = "" } = order;
  switch (order.do) {
    case "register":
      return application.register(service, ip, port);
    case "deregister":
      return application.deregister(service, ip, port);
    case "subscribe":
      return application.subscribe(service, (shown) => {
        const hosts = shown.map((host) => ({ address: `${host.ip}:${host.port}`, healthy: host.healthy ?? true }));
        say({ service, hosts });
      });
    case "publish":
      if ((await application.publish?.(dataId, content)) !== true) throw new Error("the publish was not accepted");
      return;
    case "listen":
      return application.listen?.(dataId, (shown) => say({ dataId, content: shown }));
    default:
      throw new Error(`nobody knows how to ${order.do}`);
  }
}
