import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { VERSION } from "../version.ts";
import { TestMembers, until } from "./members.fixture.ts";

let members: TestMembers;
before(async () => {
  members = await TestMembers.start(3);
});
after(() => members.stop());

const NODES = ["/v1/core/cluster/nodes", "/v2/core/cluster/node/list", "/v3/admin/core/cluster/node/list"];

describe("members of a cluster, asked", () => {
  test("show all of them in every dialect, with their versions and the group of voters", async () => {
    const group = async () => (await members.ask(0, "GET /v3/admin/core/raft/status")).data;
    await until(async () => (await group()).following === 3);
    const { leader, term } = await group();
    for (const path of NODES) {
      const { data } = await members.ask(0, `GET ${path}`);
      assert.deepEqual(data.map((one: { address: string }) => one.address).sort(), [...members.addresses].sort(), path);
      for (const { state, failAccessCnt, extendInfo } of data) {
        assert.deepEqual([state, failAccessCnt, extendInfo.version], ["UP", 0, VERSION]);
        assert.ok(Number.isInteger(extendInfo.lastRefreshTime));
        const { raftGroupMember, ...told } = extendInfo.raftMetaData.metaDataMap.naming_persistent_service_v2;
        assert.deepEqual(told, { leader: leader.address, term });
        assert.deepEqual([...raftGroupMember].sort(), [...members.addresses].sort());
      }
    }
    assert.deepEqual(
      (await members.text(1, "GET /serverlist")).trim().split("\n").sort(),
      [...members.addresses].sort(),
    );
    const { data: old } = await members.ask(1, "GET /v1/ns/raft/leader");
    assert.deepEqual(JSON.parse(old.leader), { ip: leader.address, state: "LEADER" });
  });

  test("say why a command of Nacos to the group is not carried out", async () => {
    const command = JSON.stringify({ command: "resetPeers", value: members.addresses[0] });
    const asked = (path: string) =>
      fetch(`${members.servers[0]?.url}${path}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: command,
      });
    const refused = await asked("/v3/admin/core/ops/raft");
    const { code, data } = (await refused.json()) as { code: number; data: string };
    assert.deepEqual([refused.status, code], [400, 23000]);
    assert.match(data, /nacre raft recover/);
    assert.equal(((await (await asked("/v2/core/ops/raft")).json()) as { code: number }).code, 500);
    assert.deepEqual((await members.ask(0, "GET /v3/admin/core/ops/ids")).data, []);
  });

  test("name the same member for an address", async () => {
    const ask = async (at: number) =>
      (await members.ask(at, "GET /v3/admin/ns/client/distro?ip=10.1.1.1&port=80")).data.responsibleServer;
    const owners = async () => new Set(await Promise.all([0, 1, 2].map(ask)));
    // Until the ring is there, each says that it is the one who serves.
    await until(async () => (await owners()).size === 1);
    assert.ok(members.addresses.includes([...(await owners())][0]));
  });

  test("show who sees whom", async () => {
    const { data } = await members.ask(2, "GET /v3/admin/core/cluster/matrix");
    assert.equal(data.by.address, members.addresses[2]);
    assert.deepEqual([data.reached, data.expected, data.settled], [3, 3, true]);
    assert.equal(new Set(data.members.map((one: { listHash: string }) => one.listHash)).size, 1);
    assert.equal(data.rows.length, 3);
    for (const { sees } of data.rows)
      assert.deepEqual(
        sees.map((one: { state: string; out: boolean; in: boolean }) => [one.state, one.out, one.in]),
        [
          ["UP", true, true],
          ["UP", true, true],
        ],
      );
  });

  test("look their list up elsewhere when they are told to, and say why they can not", async () => {
    assert.equal((await members.ask(0, "PUT /v3/admin/core/cluster/lookup?type=file")).data, true);
    const refused = await members.ask(0, "PUT /v3/admin/core/cluster/lookup?type=address-server");
    assert.deepEqual([refused.status, refused.code], [400, 23000]);
    assert.equal((await members.ask(0, "PUT /v2/core/cluster/lookup?type=embedded")).code, 20002);
    assert.equal((await members.ask(0, "POST /v1/core/cluster/switch/lookup?type=file")).code, 200);
  });

  test("keep a member that runs, and answer as Nacos does", async () => {
    const [, b] = members.addresses;
    assert.equal((await members.ask(0, "POST /v1/core/cluster/server/leave", JSON.stringify([b]))).code, 405);
    assert.equal((await members.ask(0, `DELETE /v2/core/cluster/nodes?addresses=${b}`)).code, 405);
    const refused = await members.ask(0, `POST /v3/admin/core/cluster/forget?address=${b}`);
    assert.match(refused.data, /is UP: stop it first/);
    assert.equal((await members.ask(0, "POST /v3/admin/core/cluster/forget?id=nobody")).status, 404);
  });
});

describe("the metrics of a member", () => {
  test("tell of the others by their addresses, and whether this one leads the group", async () => {
    const [, b, c] = members.addresses;
    const page = (await members.text(0, "GET /actuator/prometheus")).split("\n");
    const state = (line: string) => page.includes(line);
    for (const peer of [b, c]) {
      assert.ok(state(`nacre_cluster_peer_state{peer="${peer}",state="UP"} 1`));
      assert.ok(state(`nacre_cluster_sees{peer="${peer}",direction="in"} 1`));
      assert.ok(page.some((line) => line.startsWith(`nacre_link_bytes_total{peer="${peer}",direction="out"} `)));
    }
    assert.ok(state('nacre_cluster_members{state="UP"} 3'));
    const { leader } = (await members.ask(0, "GET /v3/admin/core/raft/status")).data;
    const leads = Number(leader.address === members.addresses[0]);
    assert.ok(state(`nacos_monitor{module="naming",name="leaderStatus"} ${leads}`));
  });
});

describe("members that are compared", () => {
  const report = async (at: number) => (await members.ask(at, "GET /v3/admin/core/cluster/converge")).data;

  test("are equal once what was registered at one is everywhere", async () => {
    // A client that comes while rings still differ is settled by its next heartbeat, and these have none.
    for (const at of [0, 1, 2])
      await until(async () => {
        const { data } = await members.ask(at, "GET /v3/admin/core/cluster/matrix");
        return data.members.every(({ inRing }: { inRing: boolean }) => inRing);
      });
    for (const [at, ip] of ["10.1.0.1", "10.1.0.2", "10.1.0.3"].entries())
      await members.ask(at, `POST /v1/ns/instance?serviceName=orders&ip=${ip}&port=80`);
    await until(async () => (await report(1)).equal);
    const { members: compared, differences, clients } = await report(2);
    assert.deepEqual([differences, clients], [[], []]);
    assert.deepEqual(
      compared.map((one: { answered: boolean; services: number; clients: number }) => [
        one.answered,
        one.services,
        one.clients,
      ]),
      [
        [true, 1, 3],
        [true, 1, 3],
        [true, 1, 3],
      ],
    );
    assert.equal(compared[0].address, members.addresses[2]);
  });
});

describe("a member that is told to stop", () => {
  test("leaves at once for the others, which show it as down and can forget it", async () => {
    const [, , c] = members.addresses;
    const ordered = members.servers[2]?.stopOrdered;
    assert.equal((await members.ask(2, "POST /v3/admin/core/cluster/leave")).data, true);
    assert.match((await ordered) ?? "", /an operator ordered it to stop/);
    const shown = async (at: number) => {
      const { data } = await members.ask(at, "GET /v1/core/cluster/nodes");
      return data.find(({ address }: { address: string }) => address === c);
    };
    for (const at of [0, 1]) await until(async () => (await shown(at))?.state === "DOWN");
    await until(async () => (await members.ask(0, `POST /v3/admin/core/cluster/forget?address=${c}`)).status === 200);
    // It is still on the list, so it is shown as one that nobody finds, by the other one as well.
    for (const at of [0, 1]) {
      await until(async () => (await shown(at))?.failAccessCnt > 0);
      assert.deepEqual([(await shown(at)).state, (await shown(at)).extendInfo.version], ["DOWN", ""]);
    }
  });
});

describe("a server that was started alone", () => {
  test("joins another one when it is told to, and is forgotten when it leaves for ever", async () => {
    const pair = await TestMembers.alone(2);
    const [a] = pair.addresses;
    const addresses = async (at: number) =>
      (await pair.ask(at, "GET /v1/core/cluster/nodes")).data.map((one: { address: string }) => one.address).sort();
    try {
      const joined = await pair.ask(1, `POST /v3/admin/core/cluster/join?address=${a}`);
      assert.deepEqual([joined.status, joined.data.address], [200, a]);
      for (const at of [0, 1])
        await until(async () => (await addresses(at)).join() === [...pair.addresses].sort().join());
      const again = await pair.ask(1, "POST /v3/admin/core/cluster/join?address=127.0.0.1:1");
      assert.match(again.data, /this member is in cluster '.*' with 1 others already/);
      assert.equal((await pair.ask(1, "POST /v3/admin/core/cluster/leave?forever=true")).data, true);
      await until(async () => (await addresses(0)).join() === a);
    } finally {
      await pair.stop();
    }
  });

  test("says why it does not join", async () => {
    const pair = await TestMembers.alone(1);
    try {
      const refused = await pair.ask(0, "POST /v3/admin/core/cluster/join?address=127.0.0.1:1");
      assert.deepEqual([refused.status, refused.code], [400, 23000]);
      assert.match(refused.data, /^no member answers at 127\.0\.0\.1:1 \(.+\): name the main port of one that runs/);
      const own = await pair.ask(0, `POST /v3/admin/core/cluster/join?address=${pair.addresses[0]}`);
      assert.deepEqual([own.status, own.code], [400, 23000]);
      assert.match(own.data, /the address is this member's own/);
      const none = await pair.ask(0, "DELETE /v3/admin/core/cluster/join");
      assert.deepEqual([none.status, none.code], [400, 23000]);
      assert.match(none.data, /was not told to join any cluster/);
      assert.equal((await pair.ask(0, "PUT /v3/admin/core/cluster/lookup?type=file")).code, 23000);
    } finally {
      await pair.stop();
    }
  });
});

describe("a member whose place another one took", () => {
  test("is not waited for when all are compared", async () => {
    const pair = await TestMembers.start(2);
    try {
      const [kept, lost] = pair.servers;
      assert.ok(kept !== undefined && lost !== undefined);
      await lost.stop(0);
      // Nothing is on disk, so it is another one at the same address.
      pair.servers[1] = await TestMembers.one(lost.httpPort, pair.addresses);
      await until(async () => {
        const { data } = await pair.ask(0, "GET /v3/admin/core/cluster/converge");
        const members: { address: string; error?: string }[] = data.members;
        return members.length === 2 && members.every(({ error }) => error === undefined) && data.equal;
      });
    } finally {
      await pair.stop();
    }
  });
});
