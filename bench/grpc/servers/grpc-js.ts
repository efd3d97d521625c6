/** The server of the library `@grpc/grpc-js`, as it is without options. */
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from "@grpc/grpc-js";
import { type Certificate, type Running, STREAM, serve, UNARY } from "./harness.ts";

type Duplex = ServerDuplexStream<Buffer, Buffer>;

const bytes = (message: Buffer): Buffer => message;
const coding = {
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
};

serve(async (certificate): Promise<Running> => {
  const streams = new Set<Duplex>();
  const open: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    streams.add(call);
    call.on("data", (message: Buffer) => call.write(message));
    call.on("end", () => call.end());
    call.on("error", () => {});
    call.on("close", () => streams.delete(call));
  };
  const server = new Server();
  for (const [path, answer] of Object.entries(UNARY)) {
    const handle: handleUnaryCall<Buffer, Buffer> = (call, done) => done(null, answer(call.request));
    server.addService({ method: { ...coding, path, requestStream: false, responseStream: false } }, { method: handle });
  }
  server.addService(
    { method: { ...coding, path: STREAM, requestStream: true, responseStream: true } },
    { method: open },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", credentials(certificate), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return {
    port,
    openStreams: () => streams.size,
    sendToAll: (message) => {
      for (const call of streams) call.write(message);
    },
  };
});

function credentials(certificate: Certificate | undefined): ServerCredentials {
  if (certificate === undefined) return ServerCredentials.createInsecure();
  const { cert, key } = certificate;
  return ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) }]);
}
