import { GrpcServer } from "@nacre/grpc";
import { MESSAGE_BYTES_MAX, type ServerOptions, type TestServer } from "./server.ts";

/** The test service on the engine. */
export async function startEngine({ methods, tls, gzip }: ServerOptions): Promise<TestServer> {
  const server = new GrpcServer({
    host: "127.0.0.1",
    port: 0,
    methods,
    gzip,
    limits: { messageBytesMax: MESSAGE_BYTES_MAX },
    ...(tls !== undefined && { tls }),
    // A method of the test service that throws is a mistake in it, or in the engine.
    onError: (error) => process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`),
  });
  const port = await server.listen();
  return { port, close: () => server.close(0) };
}
