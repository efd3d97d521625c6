import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AddressEvent } from "@nacre/server/cluster";
import type { SimMachine } from "./cluster-sim-machine.ts";
import { ClusterStage } from "./cluster-sim-stage.ts";
import { instance, service } from "./naming-bench.ts";

/** Each of them also meets every check of `cluster-checks`, all the while. */
const SEEDS = [1, 2];
/** What a client says over HTTP besides its instance. */
const SAID = { service: service("beats"), caller: { ip: "10.9.0.2", app: "", agent: "Nacos-Java-Client:v1.4.6" } };

function scenario(name: string, run: (seed: number) => Promise<void>): void {
  test(name, async () => {
    for (const seed of SEEDS) await run(seed);
  });
}

async function restart(stage: ClusterStage, machine: SimMachine): Promise<void> {
  await Promise.all([
    machine.member?.stop(),
    stage.world.until(40_000, "it stops", () => machine.member === undefined),
  ]);
  stage.world.start(machine);
}

describe("restarts", () => {
  scenario("S03: members that are restarted one after the other, 10 s apart, lose no instance", async (seed) => {
    const stage = await ClusterStage.of(3, seed);
    for (const machine of stage.machines) await stage.provider(machine, "orders", 2);
    const consumer = await stage.sdk(stage.at(0));
    consumer.subscribe("orders");
    await stage.beater("orders");
    for (const machine of stage.machines) {
      await restart(stage, machine);
      await stage.ready(10_000);
      await stage.run(10_000);
    }
    await stage.run(20_000);
    for (const machine of stage.machines) assert.equal(stage.shown(machine, "orders").size, 7);
    stage.world.rest();
  });

  scenario("S03: five minutes after a rolling restart connections are shared evenly again", async (seed) => {
    const stage = await ClusterStage.of(3, seed);
    for (let at = 0; at < 12; at++) await stage.sdk(stage.at(at % 3));
    for (const machine of stage.machines) {
      await restart(stage, machine);
      await stage.ready(10_000);
      await stage.run(10_000);
    }
    const counts = (): number[] => stage.machines.map(({ member }) => member?.connections.count.sdk ?? 0);
    const before = counts();
    assert.ok(Math.max(...before) > 5, `uneven, as nobody waits at a restart: ${before}`);
    await stage.run(300_000);
    assert.ok(Math.max(...counts()) <= 5, `${before} became ${counts()}`);
    stage.world.rest();
  });

  scenario(
    "S04: all members restarted together are ready within 10 s, and everything is back 6 s later",
    async (seed) => {
      const stage = await ClusterStage.of(3, seed);
      const all: string[] = [];
      for (const machine of stage.machines) all.push(...(await stage.provider(machine, "orders", 3)).addresses);
      for (const machine of stage.machines) stage.world.kill(machine);
      await stage.run(500);
      for (const machine of stage.machines) stage.world.start(machine);
      // Whoever is ready first shows what the others' journals have, too.
      await stage.world.until(10_000, "all members are ready", () => {
        for (const { machine } of stage.world.ready)
          assert.equal(stage.shown(machine, "orders").size, 9, machine.place);
        return stage.world.ready.length === 3;
      });
      await stage.shows(6000, "orders", all, true);
      await stage.run(60_000);
      for (const machine of stage.machines)
        assert.deepEqual([...stage.shown(machine, "orders").values()], Array(9).fill(true));
      stage.world.rest();
    },
  );

  scenario(
    "alibaba/nacos#15857: all restarted while a peer holds older copies, the newest is what shows in the end",
    async (seed) => {
      const stage = await ClusterStage.of(3, seed);
      const { world } = stage;
      const { sdk, addresses } = await stage.provider(stage.at(0), "orders", 3);
      // The third member hears nothing of what follows, and holds all three.
      world.cut([stage.at(2)], [stage.at(0), stage.at(1)]);
      await stage.run(1000);
      const [kept = "", ...dropped] = addresses;
      world.publish(sdk, "orders", [{ address: kept, zone: "b" }]);
      await stage.run(1000);
      for (const machine of stage.machines) world.kill(machine);
      world.heal();
      // It starts first, so that whoever comes later finds it with what it has.
      world.start(stage.at(2));
      await stage.run(300);
      world.start(stage.at(0));
      world.start(stage.at(1));
      await stage.ready(10_000);
      await stage.shows(10_000, "orders", dropped, false);
      await stage.run(60_000);
      for (const machine of stage.machines) assert.deepEqual([...stage.shown(machine, "orders")], [[kept, true]]);
      world.rest();
    },
  );

  scenario(
    "a client with hundreds of services is told and kept in parts: a peer and the journal have what it says last",
    async (seed) => {
      let parts = 0;
      let wholes = 0;
      const stage = await ClusterStage.of(2, seed, undefined, {
        message: (message) => {
          if (message.type === "sync")
            for (const { base } of message.changes)
              if (base === undefined) wholes++;
              else parts++;
          return message;
        },
      });
      const { world } = stage;
      const sdk = await stage.sdk(stage.at(0));
      const services = Array.from({ length: 300 }, (_, at) => `s${at}`);
      for (const service of services) world.publish(sdk, service, [{ address: stage.address(), zone: "a" }]);
      await stage.run(1000);
      [parts, wholes] = [0, 0];
      const last = new Map<string, string>();
      for (let at = 0; at < 40; at++) {
        const address = stage.address();
        last.set(`s${at * 7}`, address);
        world.publish(sdk, `s${at * 7}`, [{ address, zone: "b" }]);
        await stage.run(20);
      }
      assert.equal(await stage.deregister(sdk, "s299"), true);
      await stage.run(100);
      assert.ok(parts > 20 && wholes === 0, `${parts} parts, ${wholes} wholes`);
      const shown = (machine: SimMachine) => {
        for (const service of services.slice(0, -1)) {
          const addresses = [...stage.shown(machine, service).keys()];
          assert.equal(addresses.length, 1, service);
          if (last.has(service)) assert.deepEqual(addresses, [last.get(service)], service);
        }
        assert.equal(stage.shown(machine, "s299").size, 0);
      };
      shown(stage.at(1));
      for (const machine of stage.machines) world.kill(machine);
      sdk.die("off");
      world.start(stage.at(0));
      await world.until(10_000, "it is ready", () => world.ready.length === 1);
      shown(stage.at(0));
    },
  );

  scenario(
    "what a moved client deregistered does not come back with the journal of its former member",
    async (seed) => {
      const stage = await ClusterStage.of(2, seed);
      const { world } = stage;
      const { sdk, addresses } = await stage.provider(stage.at(0), "orders");
      const other = stage.address();
      world.publish(sdk, "stock", [{ address: other, zone: "a" }]);
      await stage.run(1000);
      world.kill(stage.at(0));
      await stage.run(50);
      // Its former member is not told, so what it had there is not all taken over.
      await stage.deregister(sdk, "stock");
      world.start(stage.at(0));
      await world.until(10_000, "it is there again", () => sdk.wanted.get("orders")?.acked === true);
      await stage.run(3000);
      assert.equal(await stage.deregister(sdk, "orders"), true);
      await stage.shows(1000, "orders", addresses, false);
      await stage.run(500);
      world.kill(stage.at(0));
      await stage.run(300);
      world.start(stage.at(0));
      for (let at = 0; at < 100; at++) {
        await stage.run(100);
        for (const machine of stage.machines) assert.deepEqual([...stage.shown(machine, "orders")], []);
      }
    },
  );
});

describe("a member whose cluster port is closed, and that others hear", () => {
  scenario("does not keep one that starts from being ready with what it owns", async (seed) => {
    const stage = await ClusterStage.of(3, seed);
    const { world } = stage;
    const { addresses } = await stage.provider(stage.at(2), "orders", 2);
    const open = world.shut(stage.at(2));
    world.kill(stage.at(0));
    await stage.run(1000);
    world.start(stage.at(0));
    await stage.ready(5000);
    for (const address of addresses) assert.equal(stage.shown(stage.at(0), "orders").get(address), true);
    // Both of those that cannot connect to it tell it what changes, over the connections that it made to them.
    await stage.provider(stage.at(0), "stock");
    await stage.beater("beats");
    await stage.run(20_000);
    open();
    await stage.run(20_000);
    world.rest();
  });
});

describe("members that start together while the cluster port of one is closed", () => {
  scenario("are ready as soon as with open ports, and each has what the others know", async (seed) => {
    const stage = await ClusterStage.of(3, seed);
    const { world } = stage;
    const all: string[] = [];
    for (const machine of stage.machines) all.push(...(await stage.provider(machine, "orders", 2)).addresses);
    for (const machine of stage.machines) world.kill(machine);
    const open = world.shut(stage.at(2));
    for (const machine of stage.machines) world.start(machine);
    await stage.ready(10_000);
    await stage.shows(6000, "orders", all, true);
    open();
    await stage.run(60_000);
    world.rest();
  });
});

describe("members that die", () => {
  scenario("S07: what died with its member is unhealthy after 15 s and gone after 45 s", async (seed) => {
    const stage = await ClusterStage.of(3, seed);
    const { sdk, addresses } = await stage.provider(stage.at(0), "orders");
    const [address = ""] = addresses;
    stage.world.kill(stage.at(0));
    stage.world.die(sdk);
    await stage.run(14_000);
    assert.equal(stage.shown(stage.at(1), "orders").get(address), true, "it has its grace to come back");
    await stage.run(5000);
    for (const at of [1, 2]) assert.equal(stage.shown(stage.at(at), "orders").get(address), false);
    await stage.run(26_000);
    for (const at of [1, 2]) assert.equal(stage.shown(stage.at(at), "orders").size, 0);
  });

  scenario(
    "S08: a client that moved from a dead member and deregisters is gone everywhere within a second",
    async (seed) => {
      const stage = await ClusterStage.of(3, seed);
      const { sdk, addresses } = await stage.provider(stage.at(0), "orders");
      const consumer = await stage.sdk(stage.at(2));
      consumer.subscribe("orders");
      stage.world.kill(stage.at(0));
      await stage.world.until(6000, "it has moved", () => {
        const isElsewhere = sdk.heldBy !== undefined && sdk.heldBy !== stage.at(0).ip;
        return isElsewhere && sdk.wanted.get("orders")?.acked === true;
      });
      assert.equal(await stage.deregister(sdk, "orders"), true);
      await stage.shows(1000, "orders", addresses, false);
      await stage.run(50_000);
      stage.world.start(stage.at(0));
      await stage.run(20_000);
      stage.world.rest();
    },
  );

  scenario(
    "S08: a client that deregisters before it has said again what its dead member had of it is gone once that is known to be dead",
    async (seed) => {
      const stage = await ClusterStage.of(3, seed);
      const { sdk, addresses } = await stage.provider(stage.at(0), "orders");
      const [stock] = [stage.address()];
      stage.world.publish(sdk, "stock", [{ address: stock, zone: "a" }]);
      await stage.run(1000);
      stage.world.kill(stage.at(0));
      await stage.world.until(3000, "it has moved", () => sdk.heldBy !== undefined && sdk.heldBy !== stage.at(0).ip);
      assert.equal(await stage.deregister(sdk, "orders"), true);
      await stage.shows(4500, "orders", addresses, false);
      await stage.run(30_000);
      for (const at of [1, 2]) assert.equal(stage.shown(stage.at(at), "stock").get(stock), true);
      stage.world.start(stage.at(0));
      await stage.run(20_000);
      for (const machine of stage.machines) assert.equal(stage.shown(machine, "orders").size, 0);
      stage.world.rest();
    },
  );

  scenario("a client that moved from a dead member is not missing at one that was cut off meanwhile", async (seed) => {
    const stage = await ClusterStage.of(5, seed);
    const { world } = stage;
    const [away, second, third, fourth, dead] = stage.machines;
    assert.ok(away && second && third && fourth && dead);
    let home = dead;
    const sdk = world.addSdk(undefined, () => [home.ip]);
    await world.until(5000, "it is connected", () => sdk.connection?.isReady === true);
    const address = stage.address();
    world.publish(sdk, "orders", [{ address, zone: "a" }]);
    await stage.shows(1000, "orders", [address], true);
    world.cut([away], [second, third, fourth]);
    world.kill(dead);
    home = third;
    await world.until(6000, "it has moved", () => sdk.heldBy === third.ip && sdk.wanted.get("orders")?.acked === true);
    await stage.run(5000);
    // The member that it moved to stays out of reach.
    for (const machine of [second, fourth]) {
      world.net.heal(away.place, machine.place);
      world.net.heal(machine.place, away.place);
    }
    for (let at = 0; at < 1000; at++) {
      await stage.run(5);
      assert.ok(stage.shown(away, "orders").has(address), `missing ${at * 5} ms after the end of the cut`);
    }
    world.heal();
    world.start(dead);
    await stage.run(30_000);
    world.rest();
  });

  scenario("S14: a member that stands still for 10 s loses nobody its clients, and the others serve", async (seed) => {
    const stage = await ClusterStage.of(3, seed);
    const { addresses } = await stage.provider(stage.at(0), "orders", 3);
    const beater = await stage.beater("beats");
    stage.at(0).member?.process.pause(10_000);
    for (let at = 0; at < 100; at++) {
      await stage.run(100);
      for (const machine of [stage.at(1), stage.at(2)])
        for (const address of addresses) assert.ok(stage.shown(machine, "orders").has(address));
    }
    // What its clients gave up meanwhile ends now, while they are on their way to others.
    for (let at = 0; at < 300; at++) {
      await stage.run(100);
      for (const machine of stage.machines)
        for (const address of [...addresses, beater.address])
          assert.ok(
            stage.shown(machine, address === beater.address ? "beats" : "orders").has(address),
            `${address} at ${machine.place} after ${at / 10} s`,
          );
    }
    const { addresses: more } = await stage.provider(stage.at(1), "stock");
    await stage.shows(3000, "stock", more, true);
    await stage.run(20_000);
    for (const machine of stage.machines) assert.equal(stage.shown(machine, "beats").get(beater.address), true);
    stage.world.rest();
  });

  scenario("S14: what a member was to make while it stood still is not made when it goes on", async (seed) => {
    const stage = await ClusterStage.of(3, seed);
    const { world } = stage;
    const address = stage.address();
    const [ip = "", port] = address.split(":");
    const owner = stage.machines.find(({ member }) => member?.id === member?.cluster.ownerOf(`${address}#true`));
    const [one, other] = stage.machines.filter((machine) => machine !== owner);
    assert.ok(owner !== undefined && one !== undefined && other !== undefined);
    const others: readonly SimMachine[] = [one, other];
    const write = ({ member }: SimMachine, event: AddressEvent) =>
      world.during(member?.write(event) ?? assert.fail("it is not up"));
    await write(one, { type: "publishAddress", instance: instance(address), ...SAID });
    owner.member?.process.pause(3500);
    await write(one, { type: "withdrawAddress", ip, port: Number(port), ...SAID });
    // What comes after that does not come to the owner behind it.
    world.cut([other], [owner]);
    await write(other, { type: "publishAddress", instance: instance(address), ...SAID });
    await stage.run(200);
    for (let at = 0; at < 40; at++) {
      for (const machine of others)
        assert.ok(stage.shown(machine, "beats").has(address), `missing after ${at * 100} ms`);
      await stage.run(100);
    }
    world.heal();
    await stage.shows(5000, "beats", [address], true);
  });
});

describe("partitions", () => {
  for (const [name, ms] of [
    ["S09: both sides of a partition of 60 s serve, and are equal 6 s after it", 60_000],
    [
      "S10: after 10 minutes the smaller side still holds what is on the other one, and both are equal 6 s later",
      600_000,
    ],
  ] as const)
    scenario(name, async (seed) => {
      const stage = await ClusterStage.of(3, seed);
      const { world } = stage;
      const alone = stage.at(0);
      const others = [stage.at(1), stage.at(2)];
      const { addresses: far } = await stage.provider(stage.at(1), "orders", 2);
      const { addresses: near } = await stage.provider(alone, "orders", 2);
      const writer = await stage.sdk(alone, alone);
      world.cut([alone], others);
      await stage.run(10_000);
      const late = stage.address();
      world.publish(writer, "orders", [{ address: late, zone: "a" }]);
      await stage.run(1000);
      assert.equal(stage.shown(alone, "orders").get(late), true, "the smaller side takes writes");
      await stage.run(ms - 11_000);
      for (const address of far) assert.equal(stage.shown(alone, "orders").get(address), false, "kept, as unhealthy");
      for (const machine of others) for (const address of near) assert.ok(!stage.shown(machine, "orders").has(address));
      assert.ok(stage.findings.length > 0, "it is told of");
      world.heal();
      await stage.shows(6000, "orders", [...far, ...near, late], true);
      for (const machine of stage.machines)
        for (const isHealthy of stage.shown(machine, "orders").values()) assert.ok(isHealthy);
      await stage.run(20_000);
      assert.deepEqual(stage.findings, []);
      world.rest();
    });

  scenario("S12: with a third of all packets lost members agree soon after, and nothing comes back", async (seed) => {
    const stage = await ClusterStage.of(3, seed);
    const { world } = stage;
    const { sdk } = await stage.provider(stage.at(0), "orders", 3);
    Object.assign(world.net.weather, { loss: 0.3, delayMaxMs: 2000 });
    for (let at = 0; at < 10; at++) {
      await stage.run(2000);
      world.publish(sdk, "orders", [{ address: stage.address(), zone: `z${at}` }]);
    }
    world.heal();
    await stage.run(30_000);
    world.rest();
  });

  scenario("S13: a removal that one member does not hear of is repaired within two digests", async (seed) => {
    const stage = await ClusterStage.of(3, seed);
    const { world } = stage;
    const { sdk, addresses } = await stage.provider(stage.at(0), "orders");
    world.net.cut(stage.at(0).place, stage.at(2).place);
    assert.equal(await stage.deregister(sdk, "orders"), true);
    await stage.run(1500);
    world.heal();
    await stage.shows(3000 + 1500, "orders", addresses, false);
  });
});

describe("addresses and clocks", () => {
  scenario("S18: a member with another address is the same member, 5 s after its start", async (seed) => {
    const stage = await ClusterStage.of(3, seed);
    const { world } = stage;
    const moving = stage.at(0);
    const id = moving.member?.id ?? "";
    const { addresses } = await stage.provider(stage.at(1), "orders");
    world.kill(moving);
    await stage.run(2000);
    moving.ip = world.newIp();
    stage.list();
    world.start(moving);
    const isBack = (other: SimMachine): boolean => other.member?.cluster.members.state.members.get(id)?.state === "UP";
    await world.until(
      5000,
      "it is back",
      () => [stage.at(1), stage.at(2)].every(isBack) && moving.member?.ready === true,
    );
    for (const address of addresses) assert.equal(stage.shown(moving, "orders").get(address), true);
    await stage.run(20_000);
    world.rest();
  });

  scenario("S19: members of which each has another address find each other, and nothing is lost", async (seed) => {
    const stage = await ClusterStage.of(3, seed);
    const { world } = stage;
    const ids = stage.machines.map(({ member }) => member?.id);
    const { addresses } = await stage.provider(stage.at(0), "orders", 3);
    for (const machine of stage.machines) world.kill(machine);
    for (const machine of stage.machines) machine.ip = world.newIp();
    stage.list();
    for (const machine of stage.machines) world.start(machine);
    await stage.ready(10_000);
    await stage.shows(6000, "orders", addresses, true);
    await stage.run(60_000);
    assert.deepEqual(
      stage.machines.map(({ member }) => member?.id),
      ids,
    );
    for (const { member } of stage.machines) assert.equal(member?.cluster.members.state.members.size, 2);
    world.rest();
  });

  for (const minutes of [-10, 10])
    scenario(`S26: a clock that is set by ${minutes} minutes expires nobody, and one finding says so`, async (seed) => {
      const stage = await ClusterStage.of(3, seed);
      const { world } = stage;
      const { addresses } = await stage.provider(stage.at(0), "orders", 2);
      const beater = await stage.beater("orders");
      const consumer = await stage.sdk(stage.at(0));
      consumer.subscribe("orders");
      world.spoilt.add("clock");
      stage.at(0).clockOffsetMs += minutes * 60_000;
      await stage.run(10_000);
      assert.deepEqual(
        [...new Set(stage.findings)].filter((code) => code !== "CLOCK_JUMPED"),
        ["CLOCK_DIFFERS"],
      );
      await stage.provider(stage.at(0), "stock");
      await stage.provider(stage.at(1), "stock");
      await stage.run(60_000);
      stage.at(0).clockOffsetMs = 0;
      world.spoilt.delete("clock");
      await stage.run(60_000);
      for (const machine of stage.machines)
        for (const address of [...addresses, beater.address])
          assert.equal(stage.shown(machine, "orders").get(address), true);
      world.rest();
    });
});

describe("clients", () => {
  scenario(
    "S30: a batch of 1000 that is replaced by one of 900 shows as exactly these on every member",
    async (seed) => {
      const stage = await ClusterStage.of(3, seed);
      const { world } = stage;
      const sdk = await stage.sdk(stage.at(0));
      const all = Array.from({ length: 1000 }, (_, at) => ({ address: `10.2.${at >> 8}.${at & 255}:80`, zone: "a" }));
      world.publish(sdk, "batch", all);
      await world.until(2000, "all show", () =>
        stage.machines.every((each) => stage.shown(each, "batch").size === 1000),
      );
      world.publish(sdk, "batch", all.slice(100));
      await world.until(2000, "900 show", () =>
        stage.machines.every((each) => stage.shown(each, "batch").size === 900),
      );
      await stage.run(5000);
      for (const machine of stage.machines) assert.equal(stage.shown(machine, "batch").size, 900);
    },
  );

  scenario(
    "S31: one instance of two clients shows once, and goes with the last of them or when the newer one asks",
    async (seed) => {
      const stage = await ClusterStage.of(3, seed, []);
      const { world } = stage;
      const [one, other] = [await stage.sdk(stage.at(0)), await stage.sdk(stage.at(1))];
      const address = stage.address();
      one.publish("orders", [{ address, zone: "old" }]);
      await stage.run(500);
      other.publish("orders", [{ address, zone: "new" }]);
      await stage.run(1000);
      for (const machine of stage.machines) assert.deepEqual([...stage.shown(machine, "orders")], [[address, true]]);
      other.die("on");
      await stage.run(1000);
      for (const machine of stage.machines) assert.deepEqual([...stage.shown(machine, "orders")], [[address, true]]);
      const third = await stage.sdk(stage.at(2));
      third.publish("orders", [{ address, zone: "newest" }]);
      await stage.run(1000);
      assert.equal(await world.during(third.deregister("orders")), true);
      await stage.shows(1000, "orders", [address], false);
      await world.runFor(5000);
      for (const machine of stage.machines) assert.equal(stage.shown(machine, "orders").size, 0);
    },
  );
});

describe("clusters that grow and shrink", () => {
  scenario("S35: from three members to five and back, all hold the same after each step", async (seed) => {
    const stage = await ClusterStage.of(3, seed);
    const { world } = stage;
    for (const machine of stage.machines) await stage.provider(machine, "orders", 2);
    await stage.beater("orders");
    const assertAll = (): void => {
      for (const machine of stage.machines) assert.equal(stage.shown(machine, "orders").size, 7);
    };
    for (let at = 0; at < 2; at++) {
      world.spoilt.add("lists");
      const machine = stage.add();
      stage.list();
      world.start(machine);
      await stage.ready(10_000);
      world.spoilt.delete("lists");
      await stage.run(10_000);
      assertAll();
    }
    for (let at = 0; at < 2; at++) {
      const machine = stage.at(stage.machines.length - 1);
      stage.machines.pop();
      stage.list();
      world.editLists("", []);
      machine.member?.cluster.leave(true);
      void machine.member?.stop();
      await world.until(40_000, "it has left", () => machine.member === undefined);
      await stage.run(15_000);
      assertAll();
    }
    await stage.run(60_000);
    world.rest();
  });

  scenario("S38: a cluster of one is ready at once, and keeps its data when two join", async (seed) => {
    const stage = new ClusterStage(seed);
    const { world } = stage;
    const first = stage.add();
    stage.list();
    world.start(first);
    await stage.ready(1000);
    const { addresses } = await stage.provider(first, "orders", 3);
    for (let at = 0; at < 2; at++) {
      world.spoilt.add("lists");
      const machine = stage.add();
      machine.install(`new-${at}`, `new-${at}`, false);
      stage.list();
      world.start(machine);
      await stage.ready(10_000);
      world.spoilt.delete("lists");
      for (const address of addresses) assert.equal(stage.shown(machine, "orders").get(address), true);
    }
    await stage.run(30_000);
    assert.equal(new Set(world.ready.map(({ cluster }) => cluster.members.state.clusterId)).size, 1);
    world.rest();
  });
});
