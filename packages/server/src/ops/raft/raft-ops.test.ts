import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import type { Membership } from "@nacre/core/membership";
import { RegistryError } from "@nacre/protocol";
import { put } from "@nacre/testkit/log-suite";
import { allHttp } from "../../all-http.fixture.ts";
import { type Peers, readAnswer } from "../../cluster/peer-calls.ts";
import { planRestore, restore, verifyBackup } from "../../offline/index.ts";
import { TestGroup } from "../../raft/group.fixture.ts";
import { nodeFiles } from "../../storage/files.ts";
import type { Backup } from "./raft-ops.ts";
import { RaftOps } from "./raft-ops.ts";
import { type ReferenceCommand, referenceCommand } from "./reference-commands.ts";

const IDS = ["a", "b", "c"];

/** What operators meet at each of three members, with calls between them that go over no wire. */
async function three(t: TestContext, some: { readonly voters?: readonly string[] } = {}) {
  const group = await TestGroup.ready(t, some.voters ?? IDS);
  const ops = new Map<string, RaftOps>();
  const reach = (from: string, to: string) => group.members.has(to) && !group.members.get(from)?.log.status().refusing;
  const peersOf = (from: string): Peers => {
    const ask: Peers["ask"] = async (to, name) => {
      if (!reach(from, to)) throw new RegistryError("peerUnreachable", `there is no connection to member ${to}`);
      const call = ops.get(to)?.calls[name as "raft.status"];
      return readAnswer(name, JSON.parse(JSON.stringify(await call?.())));
    };
    const others = [...IDS, "d"].filter((id) => id !== from && (group.members.has(id) || IDS.includes(id)));
    return {
      ask,
      askAll: (name, given, timeoutMs) =>
        Promise.all(
          others.map((memberId) =>
            ask(memberId, name, given, timeoutMs).then(
              (answer) => ({ memberId, address: `${memberId}:8848`, answer }),
              (error: RegistryError) => ({ memberId, address: `${memberId}:8848`, error }),
            ),
          ),
        ),
    };
  };
  for (const id of [...IDS, "d"])
    ops.set(
      id,
      new RaftOps({
        clock: group.clock,
        version: "1.2.3",
        group: () => group.members.get(id)?.log,
        epoch: () => 2,
        membership: { start: { id, port: 8848 }, clusterId: "prod", members: new Map() } as unknown as Membership,
        peers: peersOf(id),
        address: () => `${id}:8848`,
        shown: (other) => `${other}:8848`,
      }),
    );
  const at = (id: string): RaftOps => ops.get(id) as RaftOps;
  const leader = () => group.leader?.id ?? "";
  const follower = () => group.follower.id;
  return { group, at, leader, follower };
}

describe("the status of a group", () => {
  test("is told by every member about all of them, through any", async (t) => {
    const { group, at, leader, follower } = await three(t);
    const status = await at(follower()).status(true);
    assert.deepEqual(status.leader, { id: leader(), address: `${leader()}:8848` });
    assert.deepEqual([status.clusterId, status.epoch, status.voters, status.following], ["prod", 2, 3, 3]);
    assert.deepEqual(
      status.members.map(({ id, inGroup, error, status: own }) => [id, inGroup, error, own?.role]).sort(),
      IDS.map((id) => [id, "voter", undefined, id === leader() ? "leader" : "follower"]),
    );
    const { lastIndex = 0 } = status.members[0]?.status ?? {};
    assert.equal(lastIndex, group.leader?.log.status().lastIndex);
    for (const { id, seen } of status.members) assert.equal(seen?.lag, id === leader() ? undefined : 0);
  });

  test("names who could not be asked", async (t) => {
    const { group, at, leader, follower } = await three(t);
    const gone = follower();
    await group.kill(gone);
    const { members, following } = await at(leader()).status(true);
    assert.equal(following, 2);
    assert.deepEqual(
      members.filter(({ error }) => error !== undefined).map(({ id, error }) => [id, error]),
      [[gone, `there is no connection to member ${gone}`]],
    );
  });

  test("counts nobody as following while nobody leads", async (t) => {
    const { group, at, leader } = await three(t);
    const [first, second] = [leader(), group.follower.id];
    await group.kill(first);
    await group.kill(second);
    const left = IDS.find((id) => id !== first && id !== second) ?? "";
    await group.until(() => group.get(left).log.status().leader === undefined, "that the leader is missed");
    const { leader: none, voters, following } = await at(left).status(true);
    assert.deepEqual([none, voters, following], [undefined, 3, 0]);
  });

  test("compares the hash of the state at the newest index that several have come to", async (t) => {
    const { group, at, leader, follower } = await three(t);
    assert.equal((await at(leader()).status(true)).state, null);
    const batch = Array.from({ length: 1000 }, (_, n) => group.follower.log.propose(put(`key-${n}`, "1")));
    await group.during(Promise.all(batch));
    await group.settled();
    const { state } = await at(follower()).status(true);
    assert.deepEqual([state?.index, state?.isEqual, state?.hashes.length], [1000, true, 3]);
  });
});

describe("an order to a group", () => {
  test("hands the leadership over, and says to whom", async (t) => {
    const { group, at, leader, follower } = await three(t);
    const [from, to] = [leader(), follower()];
    const done = await group.during(at(to).transfer(to));
    assert.deepEqual(done, { from: { id: from, address: `${from}:8848` }, to: { id: to, address: `${to}:8848` } });
    await group.until(() => leader() === to);
    await assert.rejects(at(from).transfer(to), {
      failure: "illegalState",
      message: `${to}:8848 leads the group already`,
    });
    await assert.rejects(at(from).transfer("x"), {
      failure: "notFound",
      message: /no member has the id or address 'x'/,
    });
    await group.settled();
    const chosen = await group.during(at(from).transfer(undefined));
    assert.deepEqual([chosen.from.id, chosen.to?.id], [to, leader()]);
    assert.notEqual(leader(), to);
  });

  test("takes a snapshot at one member, or at all", async (t) => {
    const { group, at, leader, follower } = await three(t);
    const one = await group.during(at(leader()).snapshot(follower()));
    assert.deepEqual([one.length, one[0]?.id], [1, follower()]);
    const all = await group.during(at(leader()).snapshot(undefined));
    assert.deepEqual(all.map(({ id }) => id).sort(), IDS);
    for (const { id } of group.members.values()) {
      const { snapshotIndex, appliedIndex } = group.get(id).log.status();
      assert.equal(snapshotIndex, appliedIndex, id);
    }
  });

  test("adds a member, which becomes a voter by itself, and removes one", async (t) => {
    const { group, at, leader } = await three(t);
    await group.open("d", { founder: undefined });
    await assert.rejects(at(leader()).add("d"), { message: /no member has the id or address 'd'/ });
    await group.during(group.get(leader()).log.order({ type: "addLearner", id: "d" }));
    const gone = IDS.find((id) => id !== leader()) ?? "";
    await group.until(() => group.get(leader()).log.status().configuration.voters.includes("d"), "a voter");
    await group.settled();
    const { voters, note } = await group.during(at(leader()).remove(gone));
    assert.deepEqual(
      voters.map(({ id }) => id).sort(),
      [...IDS, "d"].filter((id) => id !== gone),
    );
    assert.match(note, /nacre cluster forget/);
    await assert.rejects(at(leader()).add("d"), { message: "d:8848 is a voter of the group already" });
    await assert.rejects(at(leader()).remove(leader()), { message: /leads the group: hand that over first/ });
  });

  test("is refused at a member that keeps nothing", async (t) => {
    const { at } = await three(t);
    for (const work of [() => at("d").status(true), () => at("d").transfer(undefined), () => at("d").backup(true)])
      await assert.rejects(work, { failure: "illegalState", message: /keeps nothing on disk/ });
  });
});

describe("a command in the words of the reference", () => {
  const command = (some: Partial<ReferenceCommand>): ReferenceCommand => ({
    groupId: "",
    command: "",
    value: "",
    ...some,
  });

  test("is done, and the answer says what was", async (t) => {
    const { group, at, leader, follower } = await three(t);
    const ops = at(leader());
    const [from, to] = [leader(), follower()];
    assert.equal(
      await group.during(
        referenceCommand(ops, command({ groupId: "nacos_config", command: "transferLeader", value: to })),
      ),
      `${from}:8848 handed the leadership over to ${to}:8848`,
    );
    await group.until(() => leader() === to);
    const done = await group.during(referenceCommand(ops, command({ command: "doSnapshot", value: from })));
    assert.match(done, new RegExp(`^${from}:8848 has a snapshot of everything up to entry \\d+$`));
    assert.match(
      await group.during(referenceCommand(at(to), command({ command: "removePeer", value: from }))),
      /is out of the group$/,
    );
    const left = IDS.filter((id) => id !== from).join(",");
    assert.equal(
      await referenceCommand(at(to), command({ command: "changePeers", value: left })),
      "these are the voters already",
    );
  });

  test("is refused with what to do instead, where it would be dangerous or means nothing here", async (t) => {
    const { at, leader } = await three(t);
    const ops = at(leader());
    for (const [given, why] of [
      [{ command: "resetPeers", value: "a" }, /stop this member and run nacre raft recover/],
      [{ command: "restRaftCluster", value: "a,b" }, /voters are not set by a list.*now they are/],
      [{ command: "removePeers", value: "a,b" }, /one at a time/],
      [{ command: "doSnapshot", groupId: "other" }, /there is no group 'other'/],
    ] as const)
      await assert.rejects(referenceCommand(ops, command(given)), { failure: "illegalState", message: why });
    await assert.rejects(referenceCommand(ops, command({ command: "explode" })), { failure: "invalidParameter" });
  });
});

describe("a read that asks for consistency", () => {
  test("waits until the member holds what was acknowledged, and names the index", async (t) => {
    const { group } = await three(t);
    const { log } = group.follower;
    const http = allHttp({}, { group: () => log });
    t.after(() => http.close());
    const path = "GET /v3/client/ns/instance/list?serviceName=orders";
    const plain = await http.call(path);
    assert.equal(plain.headers["nacre-index"], undefined);
    const strong = await group.during(http.call(`${path}&consistency=linearizable`));
    assert.deepEqual([strong.status, strong.headers["nacre-index"]], [200, String(log.appliedIndex)]);
    assert.equal((await http.call(`${path}&consistency=local`)).headers["nacre-index"], String(log.appliedIndex));
    const wrong = await http.call(`${path}&consistency=strong`);
    assert.deepEqual([wrong.status, wrong.json.code], [400, 20002]);
  });

  test("is refused when that cannot be made sure of", async (t) => {
    const { group } = await three(t);
    const lone = group.follower;
    group.isolate(lone.id);
    const http = allHttp({}, { group: () => lone.log });
    t.after(() => http.close());
    const asked = await group.during(http.call("GET /v2/cs/config?dataId=a&group=b&consistency=linearizable"));
    assert.equal(asked.status, 503);
  });
});

describe("a backup of a running member", () => {
  test("is one of few that are made at a time", async (t) => {
    const { group, at, leader } = await three(t);
    const ops = at(leader());
    const made = [ops.backup(false), ops.backup(false)];
    await assert.rejects(ops.backup(false), { failure: "overThreshold", message: /2 backups are being made/ });
    await group.during(Promise.all(made));
    assert.equal((await group.during(ops.backup(false))).head.memberId, leader());
  });

  test("is one of few that are sent at a time, however slowly they are read", async (t) => {
    const { group, at, leader } = await three(t);
    const ops = at(leader());
    const reading: AsyncIterator<Uint8Array>[] = [];
    for (let n = 0; n < 4; n++) reading.push((await group.during(ops.backup(false))).bytes[Symbol.asyncIterator]());
    const last = await group.during(ops.backup(false));
    for (const reader of reading) assert.equal((await reader.next()).done, false);
    const refused = { failure: "overThreshold", message: /4 backups are being sent/ };
    await assert.rejects(ops.backup(false), refused);
    await assert.rejects(saved(last, "nowhere"), refused);
    for (const reader of reading) await reader.return?.();
    assert.equal((await group.during(ops.backup(false))).head.memberId, leader());
  });

  async function saved({ bytes }: Backup, path: string): Promise<void> {
    const pieces: Uint8Array[] = [];
    for await (const piece of bytes) pieces.push(piece);
    await writeFile(path, Buffer.concat(pieces));
  }

  test("is of one moment under writes, equal at all members, and becomes a group of one that others join", async (t) => {
    const { group, at } = await three(t);
    const folder = await mkdtemp(join(tmpdir(), "nacre-backup-"));
    t.after(() => rm(folder, { recursive: true }));
    const writes = Array.from({ length: 300 }, (_, n) => group.follower.log.propose(put(`key-${n}`, `${n}`)));
    await group.during(Promise.all(writes.slice(0, 100)));
    const path = join(folder, "nightly.backup");
    await saved(await group.during(at("b").backup(true)), path);
    await group.during(Promise.all(writes));
    const head = await verifyBackup(nodeFiles, path);
    assert.deepEqual([head.clusterId, head.epoch, head.memberId, head.version], ["prod", 2, "b", "1.2.3"]);

    await group.settled();
    const hashes = new Set<string>();
    for (const id of IDS) hashes.add((await group.during(at(id).backup(true))).head.stateHash);
    assert.equal(hashes.size, 1, "what all hold at one index has one hash");

    const directory = join(folder, "restored");
    await nodeFiles.makeDirectory(directory);
    await nodeFiles.makeDirectory(join(directory, "data"));
    await restore(nodeFiles, await planRestore(nodeFiles, path, join(directory, "data")));
    const { memberId } = (await planRestore(nodeFiles, path, join(directory, "data"))).existing ?? {};
    const restored = await TestGroup.make(t, [memberId ?? ""]);
    const one = await restored.open(memberId ?? "", { directory: join(directory, "data"), founder: undefined });
    await restored.until(() => one.log.status().role === "leader", "a leader");
    await restored.during(one.log.readIndex());
    assert.deepEqual(
      [...one.machine.registers].sort(),
      [...group.get("b").machine.registers].filter(([key]) => one.machine.registers.has(key)).sort(),
    );
    assert.ok(one.machine.registers.size >= 100);
    await restored.open("second", { founder: undefined });
    await restored.during(one.log.order({ type: "addLearner", id: "second" }));
    await restored.until(() => one.log.status().configuration.voters.length === 2, "a second voter");
    await restored.settled();
    assert.deepEqual([...restored.get("second").machine.registers].sort(), [...one.machine.registers].sort());
  });
});
