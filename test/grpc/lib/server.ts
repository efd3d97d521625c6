import type { Methods } from "@nacre/grpc";

/** What a server under test is started with. */
export interface ServerOptions {
  readonly methods: Methods;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Whether compressed requests are taken. */
  readonly gzip: boolean;
}

/** A server that listens on a port of its own on 127.0.0.1. */
export interface TestServer {
  readonly port: number;
  close(): Promise<void>;
}

export type StartServer = (options: ServerOptions) => Promise<TestServer>;

/** The largest message that the servers take; what the clients take by themselves. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
