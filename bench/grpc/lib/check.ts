import { randomBytes } from "node:crypto";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";

/**
 * One call of each unary method by a client that reads everything, because the generators only count.
 * @throws Error when an answer is not the expected one; a status other than 0 is thrown by the client.
 */
export async function check(port: number, authority?: string): Promise<void> {
  const secure = authority === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(authority));
  const client = new Client(`127.0.0.1:${port}`, secure, {
    "grpc.use_local_subchannel_pool": 1,
    // TLS names no addresses.
    ...(authority === undefined ? {} : { "grpc.ssl_target_name_override": "localhost" }),
  });
  try {
    const message = randomBytes(400);
    expect("Unary", message.equals(await ask(client, "Unary", message)));
    expect("Sink", (await ask(client, "Sink", Buffer.alloc(1_000_000))).length === 4);
    expect("Source", (await ask(client, "Source", message)).length === 1_000_000);
  } finally {
    client.close();
  }
}

function ask(client: Client, method: string, message: Buffer): Promise<Buffer> {
  const bytes = (all: Buffer): Buffer => all;
  return new Promise((resolve, reject) => {
    const heard = (error: ServiceError | null, answer?: Buffer): void => {
      if (error === null && answer !== undefined) resolve(answer);
      else reject(new Error(`a call of ${method} failed: ${error?.message}`));
    };
    client.makeUnaryRequest(`/bench.Echo/${method}`, bytes, bytes, message, heard);
  });
}

function expect(method: string, right: boolean): void {
  if (!right) throw new Error(`the answer of ${method} is not what was asked for`);
}
