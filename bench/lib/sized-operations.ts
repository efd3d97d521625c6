import { message } from "./grpc-connection.ts";
import { batch, instanceJson, METADATA, named, serviceJson } from "./operations.ts";

/** Calls on a server that holds very many small services. */
export type Wire = "grpc" | "http";
export type SizedOperation = "register" | "register again" | "beat" | "query" | "query the same" | "deregister";

/** Instances of each service that a server is filled with. */
export const FILLED_EACH = 10;
/** Services that are read again and again; the smallest server has as many. */
const READ_AGAIN = 1000;

export function filledName(n: number): string {
  return `filled-${n}`;
}

/** One of the services that are read again and again, spread over all of them. */
export function readName(services: number, n: number): string {
  return filledName((n % READ_AGAIN) * Math.floor(services / READ_AGAIN));
}

export function fillBatch(n: number): Uint8Array {
  const host = `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
  return batch(
    filledName(n),
    Array.from({ length: FILLED_EACH }, (_, at) => instanceJson(host, 8080 + at)),
  );
}

/** Call `at` has an address of its own, as long as there are fewer than some billions. */
function address(at: number): { ip: string; port: number } {
  return { ip: `11.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}`, port: 9000 };
}

export function grpcCall(operation: SizedOperation, at: number, service: string): Uint8Array {
  switch (operation) {
    case "register":
    case "register again":
    case "deregister": {
      const { ip, port } = address(at);
      const type = operation === "deregister" ? "deregisterInstance" : "registerInstance";
      const body = `{"headers":{},${serviceJson(service)},"type":"${type}","instance":${instanceJson(ip, port)}}`;
      return message("InstanceRequest", body);
    }
    case "query":
    case "query the same":
      return message(
        "ServiceQueryRequest",
        `{"headers":{},${serviceJson(service)},"cluster":"","healthyOnly":false,"udpPort":0}`,
      );
    case "beat":
      throw new Error("2.x clients send no heartbeats");
  }
}

export function httpCall(operation: SizedOperation, at: number, service: string): [string, string] {
  const { ip, port } = address(at);
  const instance = "/nacos/v1/ns/instance";
  const own = `${named(service)}&ip=${ip}&port=${port}&clusterName=DEFAULT`;
  switch (operation) {
    case "register":
    case "register again":
      return [
        "POST",
        `${instance}?${own}&weight=1.0&enable=true&healthy=true&ephemeral=true&metadata=${encodeURIComponent(METADATA)}`,
      ];
    case "deregister":
      return ["DELETE", `${instance}?${own}&ephemeral=true`];
    case "beat":
      return ["PUT", `${instance}/beat?${own}`];
    case "query":
    case "query the same":
      return ["GET", `${instance}/list?${named(service)}&clusters=&healthyOnly=false`];
  }
}
