import type { Build } from "../../interop/lib/builds.ts";
import { go, java, node, python, rust } from "./builds.ts";

/** An implementation of gRPC whose client is under test. */
export interface Client {
  readonly name: string;
  readonly artifact: string;
  readonly version: string;
  readonly build: Build;
}

/** Those that take longest to build stand first. */
export const CLIENTS: readonly Client[] = [
  { name: "tonic", artifact: "tonic", version: "0.14.9", build: rust() },
  { name: "grpc-java", artifact: "io.grpc:grpc-netty-shaded", version: "1.85.1", build: java() },
  { name: "grpc-go", artifact: "google.golang.org/grpc", version: "1.67.3", build: go() },
  { name: "C core", artifact: "grpcio", version: "1.85.1", build: python() },
  { name: "grpc-js", artifact: "@grpc/grpc-js", version: "1.14.7", build: node() },
];
