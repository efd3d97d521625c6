import { message } from "./grpc-connection.ts";

/** What the load generators ask for. Connection `c` works through services `n`, so that every call does something new. */
export type Operation = NamingOperation | ConfigOperation;
export type NamingOperation = "register" | "deregister" | "query" | "subscribe" | "beat";
export type ConfigOperation = "publish" | "read 1 kB" | "read 100 kB" | "v3 read 1 kB" | "v3 read 100 kB";

export const METADATA = '{"zone":"a","version":"1.2.3"}';

function address(c: number, n: number): { ip: string; port: number } {
  return { ip: `10.${c >> 8}.${c & 255}.1`, port: 1024 + (n % 60_000) };
}

export function instanceJson(ip: string, port: number, metadata = METADATA): string {
  return `{"instanceId":"","ip":"${ip}","port":${port},"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":"","metadata":${metadata}}`;
}

export function serviceJson(service: string): string {
  return `"namespace":"","serviceName":"${service}","groupName":"DEFAULT_GROUP"`;
}

/** The request that an SDK of 2.x makes. */
export function grpcRequest(operation: Operation, c: number, n: number): Uint8Array {
  switch (operation) {
    case "register":
    case "deregister": {
      const { ip, port } = address(c, n);
      const body = `{"headers":{},${serviceJson(`app-${n}`)},"type":"${operation}Instance","instance":${instanceJson(ip, port)}}`;
      return message("InstanceRequest", body);
    }
    case "query":
      return message(
        "ServiceQueryRequest",
        `{"headers":{},${serviceJson(`read-${(c + n) % READ_SERVICES}`)},"cluster":"","healthyOnly":false,"udpPort":0}`,
      );
    case "subscribe":
      return message(
        "SubscribeServiceRequest",
        `{"headers":{},${serviceJson(`read-${n % READ_SERVICES}`)},"subscribe":true,"clusters":""}`,
      );
    case "beat":
      throw new Error("2.x clients send no heartbeats");
    case "publish":
      return publishRequest(publishedId(c, n), configContent(1_000, c, n));
    case "read 1 kB":
    case "read 100 kB":
      return message("ConfigQueryRequest", `{"headers":{},${configJson(readId(operation, c, n))}}`);
    case "v3 read 1 kB":
    case "v3 read 100 kB":
      throw new Error("v3 is a dialect of HTTP");
  }
}

/** What an SDK of 2.x publishes with. */
export function publishRequest(dataId: string, content: string): Uint8Array {
  const body = `{"headers":{},${configJson(dataId)},"content":${JSON.stringify(content)},"additionMap":{"type":"text"}}`;
  return message("ConfigPublishRequest", body);
}

/** The method and target that an SDK of 1.x asks for. */
export function httpRequest(operation: Operation, c: number, n: number, udpPort: number): [string, string] {
  const { ip, port } = address(c, n);
  const instance = "/nacos/v1/ns/instance";
  switch (operation) {
    case "register": {
      const metadata = encodeURIComponent(METADATA);
      const rest = `weight=1.0&enable=true&healthy=true&ephemeral=true&clusterName=DEFAULT&metadata=${metadata}`;
      return ["POST", `${instance}?${named(`app-${n}`)}&ip=${ip}&port=${port}&${rest}`];
    }
    case "deregister":
      return ["DELETE", `${instance}?${named(`app-${n}`)}&ip=${ip}&port=${port}&clusterName=DEFAULT&ephemeral=true`];
    case "beat":
      return ["PUT", `${instance}/beat?${named(`app-${n}`)}&ip=${ip}&port=${port}&clusterName=DEFAULT`];
    case "query":
      return ["GET", `${instance}/list?${named(`read-${(c + n) % READ_SERVICES}`)}&clusters=&healthyOnly=false`];
    case "publish": {
      const content = encodeURIComponent(configContent(1_000, c, n));
      return ["POST", `${CONFIGS}?dataId=${publishedId(c, n)}&group=DEFAULT_GROUP&type=text&content=${content}`];
    }
    case "read 1 kB":
    case "read 100 kB":
      return ["GET", `${CONFIGS}?dataId=${readId(operation, c, n)}&group=DEFAULT_GROUP`];
    case "v3 read 1 kB":
    case "v3 read 100 kB":
      return ["GET", `/nacos/v3/client/cs/config?dataId=${readId(operation, c, n)}&groupName=DEFAULT_GROUP`];
    case "subscribe":
      return [
        "GET",
        `${instance}/list?${named(`read-${n % READ_SERVICES}`)}&clusters=&udpPort=${udpPort}&clientIP=127.0.0.1&healthyOnly=false`,
      ];
  }
}

export function named(service: string): string {
  return `namespaceId=public&serviceName=DEFAULT_GROUP%40%40${service}`;
}

/** Services that are read and subscribed to, and their instances. */
export const READ_SERVICES = 2000;
export const READ_INSTANCES = 10;

export function readServiceBatch(n: number): Uint8Array {
  return batch(
    `read-${n}`,
    Array.from({ length: READ_INSTANCES }, (_, at) => instanceJson(`10.100.0.${at + 1}`, 8080)),
  );
}

export function batch(service: string, instances: readonly string[]): Uint8Array {
  const body = `{"headers":{},${serviceJson(service)},"type":"batchRegisterInstance","instances":[${instances.join(",")}]}`;
  return message("BatchInstanceRequest", body);
}

const CONFIGS = "/nacos/v1/cs/configs";

export function configJson(dataId: string): string {
  return `"dataId":"${dataId}","group":"DEFAULT_GROUP","tenant":""`;
}

/** Configurations of each size that are read. */
export const READ_CONFIGS = 500;

/** `c` and `n` count which of them is asked for. */
export function readId(operation: Extract<ConfigOperation, `${string}read${string}`>, c: number, n: number): string {
  return `read-${operation.includes("100 kB") ? "100k" : "1k"}-${(c + n) % READ_CONFIGS}`;
}

/** Each connection writes a hundred configurations of its own, one after the other, again and again. */
function publishedId(c: number, n: number): string {
  return `written-${c}-${n % 100}`;
}

/** Lines of properties that no two calls share; about so many bytes, ASCII. */
export function configContent(bytes: number, c: number, n: number): string {
  const line = `key.of.the.application.${c}=value ${n}\n`;
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes);
}
