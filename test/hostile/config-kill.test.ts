import assert from "node:assert/strict";
import { hash, randomInt } from "node:crypto";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Random } from "@nacre/testkit/random";
import { RegistryClient } from "@nacre/testkit/registry-client";
import { ServerProcess } from "../interop/lib/server.ts";

const ROUNDS = 10;
const WRITERS = ["grpc-a", "grpc-b", "http-a", "http-b"];
const NAMES_EACH = 3;
const BASE = { headers: {}, module: "config", group: "g", tenant: "" };

const md5 = (text: string | undefined): string => (text === undefined ? "" : hash("md5", text));

/** One configuration: its content, and how many rows its history has. */
interface Held {
  readonly text: string | undefined;
  readonly rows: number;
}

/** What was acknowledged, and what was asked for last and may or may not have happened. */
interface Writer {
  readonly name: string;
  readonly acked: Map<string, Held>;
  asked: { readonly dataId: string; readonly held: Held } | undefined;
  count: number;
}

/** How a writer changes a configuration. @throws Error when the server is away, or says anything but yes. */
interface Wire {
  publish(dataId: string, text: string, expectedMd5: string): Promise<void>;
  remove(dataId: string): Promise<void>;
  close(): void;
}

async function overGrpc(server: ServerProcess): Promise<Wire> {
  const client = await RegistryClient.connect(server.port + 1000);
  const call = async (type: string, fields: Record<string, unknown>): Promise<void> => {
    const { body, text } = await client.call(type, { ...BASE, ...fields });
    if (body.resultCode !== 200) throw new Error(text);
  };
  return {
    publish: (dataId, content, casMd5) => call("ConfigPublishRequest", { dataId, content, casMd5 }),
    remove: (dataId) => call("ConfigRemoveRequest", { dataId }),
    close: () => client.close(),
  };
}

async function overHttp(server: ServerProcess): Promise<Wire> {
  const call = async (method: string, params: Record<string, string>, headers: Record<string, string> = {}) => {
    const query = new URLSearchParams({ group: "g", ...params });
    const answer = await fetch(`http://${server.address}/nacos/v1/cs/configs?${query}`, { method, headers });
    const text = await answer.text();
    if (text !== "true") throw new Error(`${answer.status} ${text}`);
  };
  return {
    publish: (dataId, content, casMd5) => call("POST", { dataId, content }, casMd5 === "" ? {} : { casMd5 }),
    remove: (dataId) => call("DELETE", { dataId }),
    close: () => {},
  };
}

/** Publishes, replaces and removes until a call fails. @returns why it failed. */
async function write(server: ServerProcess, writer: Writer, random: Random): Promise<string> {
  let wire: Wire | undefined;
  try {
    wire = writer.name.startsWith("grpc") ? await overGrpc(server) : await overHttp(server);
    for (;;) {
      const dataId = `${writer.name}-${random.below(NAMES_EACH)}`;
      const { text, rows } = writer.acked.get(dataId) ?? { text: undefined, rows: 0 };
      if (text !== undefined && random.chance(0.2)) {
        writer.asked = { dataId, held: { text: undefined, rows: rows + 1 } };
        await wire.remove(dataId);
      } else {
        writer.count += 1;
        const next = `${dataId}, change ${writer.count} ${"x".repeat(random.below(200))}`;
        writer.asked = { dataId, held: { text: next, rows: rows + 1 } };
        await wire.publish(dataId, next, random.chance(0.5) ? md5(text) : "");
      }
      writer.acked.set(dataId, writer.asked.held);
      writer.asked = undefined;
    }
  } catch (thrown) {
    return String(thrown);
  } finally {
    wire?.close();
  }
}

async function found(server: ServerProcess, client: RegistryClient, dataId: string): Promise<Held> {
  const { body } = await client.call("ConfigQueryRequest", { ...BASE, dataId });
  const text = body.resultCode === 200 ? String(body.content) : undefined;
  if (text !== undefined) assert.equal(body.md5, md5(text), `${dataId} fits its md5`);
  else assert.equal(body.errorCode, 300, dataId);

  const query = new URLSearchParams({ dataId, group: "g" });
  const answer = await fetch(`http://${server.address}/nacos/v1/cs/configs?${query}`);
  const overHttp = await answer.text();
  assert.deepEqual(
    [answer.status, answer.status === 200 ? overHttp : undefined],
    [text === undefined ? 404 : 200, text],
  );

  const page = new URLSearchParams({ search: "accurate", dataId, group: "g", pageNo: "1", pageSize: "1" });
  const history = await fetch(`http://${server.address}/nacos/v1/cs/history?${page}`);
  const { totalCount } = (await history.json()) as { totalCount: number };
  return { text, rows: totalCount };
}

describe("a server of configurations that is killed under load", () => {
  test("has every acknowledged change when it is back, and tells listeners exactly what they miss", {
    timeout: 120_000,
  }, async (t) => {
    const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
    t.diagnostic(`seed ${seed}: repeat with SEED=${seed}`);
    const random = new Random(seed);
    const server = await ServerProcess.start();
    t.after(() => server.stop());
    const writers = WRITERS.map((name): Writer => ({ name, acked: new Map(), asked: undefined, count: 0 }));

    for (let round = 0; round < ROUNDS; round++) {
      const writing = writers.map((writer) => write(server, writer, random));
      await pause(50 + random.below(300));
      await server.killAndRestart();
      for (const ended of await Promise.all(writing))
        assert.match(
          ended,
          /fetch failed|UNAVAILABLE|ended|terminated|cancelled/i,
          "only a server that is away fails a call",
        );

      const client = await RegistryClient.connect(server.port + 1000);
      const where = (dataId: string) => `seed ${seed}, round ${round}: ${dataId}`;
      const before = new Map(writers.flatMap(({ acked }) => [...acked]));
      const missed: string[] = [];
      for (const { acked, asked } of writers) {
        for (const dataId of new Set([...acked.keys(), ...(asked === undefined ? [] : [asked.dataId])])) {
          const held = await found(server, client, dataId);
          const expected = acked.get(dataId) ?? { text: undefined, rows: 0 };
          if (asked?.dataId === dataId && held.rows === asked.held.rows) {
            assert.deepEqual(held, asked.held, where(dataId));
            acked.set(dataId, held);
            if (held.text !== expected.text) missed.push(dataId);
          } else assert.deepEqual(held, expected, where(dataId));
        }
      }
      const names = [...new Set([...before.keys(), ...missed])];
      const configListenContexts = names.map((dataId) => ({
        dataId,
        group: "g",
        tenant: "",
        md5: md5(before.get(dataId)?.text),
      }));
      const listening = { headers: {}, module: "config", listen: true, configListenContexts };
      const { body } = await client.call("ConfigBatchListenRequest", listening);
      const told = (body.changedConfigs as { dataId: string }[]).map(({ dataId }) => dataId);
      assert.deepEqual(told.sort(), missed.sort(), `seed ${seed}, round ${round}`);
      client.close();
      for (const writer of writers) writer.asked = undefined;
    }
    const rows = writers.flatMap(({ acked }) => [...acked.values()]).reduce((sum, held) => sum + held.rows, 0);
    t.diagnostic(`${rows} changes were there after ${ROUNDS} kills`);
    assert.ok(rows > ROUNDS * WRITERS.length);
  });
});
