import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { IN_MEMORY, type RunningServer, startServer } from "@nacre/server";
import { nacre } from "../run.fixture.ts";

let server: RunningServer;
let env: Record<string, string>;

before(async () => {
  server = await startServer({ port: 0, dataDir: IN_MEMORY, bindAddress: "127.0.0.1", logLevel: "error" });
  await server.ready();
  env = { NACRE_SERVER: server.url };
});
after(() => server.stop(0));

async function done(...argv: string[]): Promise<string> {
  const { code, out, err } = await nacre(argv, { env });
  assert.equal(code, 0, err);
  return out;
}

const json = async (...argv: string[]) => JSON.parse(await done(...argv, "--json"));

describe("nacre namespace", () => {
  test("makes, lists, changes and removes", async () => {
    await done("namespace", "create", "dev", "--name", "开发", "--desc", "for trying");
    await done("namespace", "update", "dev", "--desc", "for trying out");
    assert.match(await done("namespace", "ls"), /\ndev {5}开发 {4}0 {8}for trying out\n/);
    await done("namespace", "rm", "dev");
    const { items } = await json("namespace", "ls");
    assert.deepEqual(
      items.map(({ id }: { id: string }) => id),
      ["public"],
    );
    assert.equal((await nacre(["namespace", "rm", "dev"], { env })).code, 3);
    assert.equal((await nacre(["namespace", "update", "dev"], { env })).code, 3);
    assert.equal((await nacre(["namespace", "rm", "public"], { env })).code, 2);
  });

  test("is not removed while it holds a configuration, unless by force", async () => {
    await done("namespace", "create", "full");
    await done("config", "set", "a", "1", "--namespace", "full");
    assert.equal((await nacre(["namespace", "rm", "full"], { env })).code, 1);
    await done("namespace", "rm", "full", "--force");
  });
});

describe("nacre instance and nacre service", () => {
  test("register, list, take out of traffic and back, deregister, and say why", async () => {
    await done("instance", "register", "orders", "10.0.0.1:8080", "--weight", "2", "--metadata", "zone=a");
    assert.equal(
      await done("instance", "register", "orders", "[fd00::1]:8080", "--cluster", "west"),
      "Registered [fd00::1]:8080 of orders.\n",
    );
    const states = async () =>
      (await json("service", "instances", "orders")).items.map(
        ({ ip, enabled, weight }: { ip: string; enabled: boolean; weight: number }) => [ip, enabled, weight],
      );
    assert.deepEqual(await states(), [
      ["10.0.0.1", true, 2],
      ["fd00::1", true, 1],
    ]);
    assert.match(
      await done("service", "instances", "orders"),
      /^ADDRESS .*\n10\.0\.0\.1:8080 .* zone=a\n\[fd00::1\]:8080 /,
    );

    await done("instance", "offline", "orders", "10.0.0.1:8080");
    assert.deepEqual((await states())[0], ["10.0.0.1", false, 2]);
    await done("instance", "online", "orders", "10.0.0.1:8080");
    assert.deepEqual((await states())[0], ["10.0.0.1", true, 2]);

    assert.deepEqual((await json("service", "ls")).items, [
      { name: "orders", group: "DEFAULT_GROUP", clusters: 2, instances: 2, healthy: 2 },
    ]);
    assert.match(await done("service", "show", "orders"), /\nclusterMap +\{/);

    const none = await nacre(["instance", "offline", "orders", "[fd00::2]:8080"], { env });
    assert.deepEqual([none.code, /has no instance \[fd00::2\]:8080 of orders/.test(none.err)], [3, true]);

    await done("instance", "deregister", "orders", "10.0.0.1:8080");
    await done("instance", "deregister", "orders", "[fd00::1]:8080");
    assert.match(
      await done("service", "why", "orders", "--ip", "10.0.0.1"),
      /^TIME .*\n[-\d]+ [:\d]+ {2}10\.0\.0\.1:8080.* was removed/,
    );
    assert.match(await done("service", "why", "orders", "--ip", "fd00::1"), / \[fd00::1\]:8080:west of .* was removed/);
  });

  test("why says that it knows nothing, instead of an empty table alone", async () => {
    const { code, err } = await nacre(["service", "why", "never"], { env });
    assert.deepEqual([code, /has nothing about never; it starts anew with the server\.\n$/.test(err)], [0, true]);
  });

  test("end with 3 for a service or an instance that is not there, and with 2 for what is no address", async () => {
    await done("instance", "register", "held", "10.0.0.9:1", "--persistent");
    assert.equal((await nacre(["service", "show", "none"], { env })).code, 3);
    assert.equal((await nacre(["instance", "offline", "held", "10.0.0.8:1"], { env })).code, 3);
    for (const address of ["10.0.0.1", "10.0.0.1:70000", "fd00::1:80"]) {
      assert.equal((await nacre(["instance", "register", "x", address], { env })).code, 2, address);
    }
  });
});
