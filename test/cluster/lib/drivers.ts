import { type Build, node, python } from "../../interop/lib/builds.ts";
import { CLIENTS } from "../../interop/lib/clients.ts";

/** A real SDK that applications are driven on. */
export interface Sdk {
  readonly name: string;
  readonly transport: "gRPC" | "HTTP";
  readonly build: Build;
  /**
   * After the end of a connection it is back, with what it publishes and what it is subscribed to, only by rounds of its
   * own: several seconds later with Rust, half a minute with Python.
   */
  readonly isSlow?: boolean;
  /**
   * It may end a connection over which it has just registered, and register again half a minute later. No server can
   * tell that from an application that has ended, so its instance is looked at apart from the others.
   */
  readonly isForgetful?: boolean;
}

/** The programs of test/interop, which can be told what to do as well; built once for both. */
function interop(name: string): Build {
  const client = CLIENTS.find((each) => each.name === name);
  if (client === undefined) throw new Error(`test/interop knows no client ${name}`);
  return client.build;
}

export const SDKS: readonly Sdk[] = [
  { name: "java-3", transport: "gRPC", build: interop("Java 3.2.1") },
  { name: "java-2", transport: "gRPC", build: interop("Java 2.5.1") },
  { name: "go", transport: "gRPC", build: interop("Go") },
  { name: "python", transport: "gRPC", build: python("3.2.0", "drive.py"), isSlow: true, isForgetful: true },
  { name: "rust", transport: "gRPC", build: interop("Rust"), isSlow: true },
  { name: "node-grpc", transport: "gRPC", build: node("drive-grpc.ts"), isSlow: true },
  { name: "java-1", transport: "HTTP", build: interop("Java 1.4.8") },
  { name: "node-http", transport: "HTTP", build: node("drive-http.ts") },
];
