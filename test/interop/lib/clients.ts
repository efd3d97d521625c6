import { type Build, go, java, node, python, rust } from "./builds.ts";
import { SCENARIOS, type ScenarioName } from "./scenarios.ts";

/** A released client under test. */
export interface Client {
  readonly name: string;
  readonly artifact: string;
  readonly version: string;
  readonly transport: string;
  readonly build: Build;
  readonly scenarios: readonly ScenarioName[];
}

const ALL = Object.keys(SCENARIOS) as ScenarioName[];

/** Every scenario but those that a client has no means for. */
function allBut(...without: ScenarioName[]): ScenarioName[] {
  return ALL.filter((name) => !without.includes(name));
}

function javaClient(version: string, scenarios: readonly ScenarioName[]): Client {
  const folders = scenarios.includes("fuzzy-watch") ? ["main", "fuzzy"] : ["main"];
  return {
    name: `Java ${version.replace(/-.*/, "")}`,
    artifact: "com.alibaba.nacos:nacos-client",
    version,
    transport: version.startsWith("1.") ? "HTTP v1, UDP" : "gRPC",
    build: java(version, folders),
    scenarios,
  };
}

/** Those that take longest to build or to run stand first. */
export const CLIENTS: readonly Client[] = [
  {
    name: "Rust",
    artifact: "nacos-sdk",
    version: "0.8.3",
    transport: "gRPC",
    build: rust(),
    scenarios: allBut("fuzzy-watch", "config-fuzzy-watch"),
  },
  {
    name: "Node, gRPC",
    artifact: "nacos-sdk-rust-binding-node",
    version: "0.8.0",
    transport: "gRPC",
    build: node("grpc-client.ts"),
    // A burst of changes stops all calls of its process for good.
    scenarios: allBut("services", "fuzzy-watch", "config-cas", "config-tag", "config-fuzzy-watch", "config-many"),
  },
  {
    name: "Go",
    artifact: "github.com/nacos-group/nacos-sdk-go/v2",
    version: "2.3.5",
    transport: "gRPC; HTTP v1 for persistent instances",
    build: go(),
    scenarios: allBut("fuzzy-watch", "config-fuzzy-watch"),
  },
  {
    name: "Python 3",
    artifact: "nacos-sdk-python",
    version: "3.2.0",
    transport: "gRPC",
    build: python("3.2.0", "grpc_client.py"),
    scenarios: allBut("fuzzy-watch", "config-fuzzy-watch"),
  },
  {
    name: "Python 2",
    artifact: "nacos-sdk-python",
    version: "2.0.11",
    transport: "HTTP v1",
    build: python("2.0.11", "http_client.py"),
    scenarios: allBut("batch", "services", "fuzzy-watch", "config-cas", "config-tag", "config-fuzzy-watch"),
  },
  javaClient("1.4.8", allBut("batch", "fuzzy-watch", "config-cas", "config-tag", "config-fuzzy-watch")),
  javaClient("2.0.4", allBut("batch", "fuzzy-watch", "config-tag", "config-fuzzy-watch")),
  javaClient("2.5.1", allBut("fuzzy-watch", "config-fuzzy-watch")),
  javaClient("3.1.1", ALL),
  javaClient("3.2.1-2026.03.30", ALL),
  {
    name: "Node, HTTP",
    artifact: "nacos",
    version: "2.6.3",
    transport: "HTTP v1, UDP",
    build: node("http-client.ts"),
    scenarios: allBut("batch", "services", "fuzzy-watch", "config-cas", "config-tag", "config-fuzzy-watch"),
  },
];
