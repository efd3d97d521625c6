/**
 * The test service in a process of its own: `serve.ts --server grpc-js`. Says on one line of JSON where it listens and
 * ends with its standard input.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newAuthority } from "../../packages/testkit/src/certificates.ts";
import { echoService } from "./echo-service.ts";
import { PingCounter } from "./lib/ping-counter.ts";
import type { Addresses } from "./lib/server-process.ts";
import { SERVERS, type ServerName } from "./lib/servers.ts";

const start = SERVERS[process.argv[3] as ServerName];
const folder = await mkdtemp(join(tmpdir(), "nacre-grpc-"));
const authority = newAuthority();
const caFile = join(folder, "ca.pem");
await writeFile(caFile, authority.cert);

let counter: PingCounter | undefined;
const methods = echoService(() => counter?.pings ?? 0);
const plain = await start({ methods, gzip: false });
const tls = await start({ methods, gzip: false, tls: authority.issue("test server") });
const gzip = await start({ methods, gzip: true });
counter = await PingCounter.start(plain.port);

const addresses: Addresses = { plain: plain.port, tls: tls.port, gzip: gzip.port, pings: counter.port, caFile };
process.stdout.write(`${JSON.stringify(addresses)}\n`);

process.stdin.resume();
process.stdin.once("end", async () => {
  await Promise.all([plain, tls, gzip, counter].map((server) => server?.close()));
  await rm(folder, { recursive: true, force: true });
  process.exit();
});
