import assert from "node:assert/strict";
import { mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { pino } from "pino";
import { renewOnChange } from "./certificates.ts";
import type { GrpcTransport, TlsOptions } from "./transport.ts";

const LOOK_EVERY_MS = 10;

/** A folder with a certificate behind a link, and what a transport is given of it. */
async function watched(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "nacre-certificates-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = (name: string): string => join(folder, name);
  await writeFile(path("first"), "a certificate");
  await symlink(path("first"), path("current"));
  const given: string[] = [];
  let told = Promise.withResolvers<void>();
  const renewTls = ({ cert }: TlsOptions): void => {
    told.resolve();
    if (cert === "nonsense") throw new Error("no certificate");
    given.push(cert);
  };
  const read = async (): Promise<TlsOptions> => {
    return { cert: await readFile(path("current"), "utf8"), key: "", mutual: false, plaintext: false };
  };
  const transport = { renewTls } as GrpcTransport;
  t.after(renewOnChange(transport, [path("current"), undefined], read, pino({ level: "silent" }), LOOK_EVERY_MS));
  return {
    path,
    given,
    /** In one step: a file that is seen half written would be told twice. */
    async write(name: string, text: string): Promise<void> {
      await writeFile(path("written"), text);
      await rename(path("written"), path(name));
    },
    /** Does something to the files, and waits until the transport was told. */
    async after(change: () => Promise<void>): Promise<void> {
      told = Promise.withResolvers();
      await change();
      await told.promise;
    },
  };
}

describe("a certificate file", { timeout: 20_000 }, () => {
  test("is given anew when it is written, and when a link to it points elsewhere", async (t) => {
    const { path, given, write, after } = await watched(t);

    await after(() => write("first", "a renewed certificate"));
    await after(async () => {
      await write("second", "another certificate");
      await symlink(path("second"), path("next"));
      await rename(path("next"), path("current"));
    });

    assert.deepEqual(given, ["a renewed certificate", "another certificate"]);
  });

  test("that cannot be used changes nothing, and is tried again when it has changed", async (t) => {
    const { given, write, after } = await watched(t);

    await after(() => write("first", "nonsense"));
    await after(() => write("first", "the mended one"));

    assert.deepEqual(given, ["the mended one"]);
  });
});
