import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answered, TestMembers, until } from "../members.fixture.ts";

const CONFIG = "/v3/admin/cs/config";
const CLUSTER = "/v3/admin/core/cluster";

function publish(members: TestMembers, at: number, dataId: string, content: string): Promise<Answered> {
  return members.ask(at, `POST ${CONFIG}?${new URLSearchParams({ dataId, groupName: "g", content })}`);
}

/** Until it is taken: while another one begins to lead a write may be refused. */
async function published(members: TestMembers, at: number, dataId: string, content = dataId): Promise<void> {
  await until(async () => (await publish(members, at, dataId, content)).status === 200);
}

/** Each of these members shows each of these configurations. */
async function shown(members: TestMembers, at: readonly number[], dataIds: readonly string[]): Promise<void> {
  await until(async () => {
    for (const one of at)
      for (const dataId of dataIds) {
        const { data } = await members.ask(one, `GET ${CONFIG}?dataId=${dataId}&groupName=g`);
        if (data?.content !== dataId) return false;
      }
    return true;
  });
}

/** A long poll of a client that has nothing. @returns what changed. */
async function listen(members: TestMembers, at: number, dataId: string): Promise<string> {
  const body = new URLSearchParams({ "Listening-Configs": `${dataId}\u0002g\u0002\u0001` });
  const headers = { "Long-Pulling-Timeout": "20000" };
  const answer = await fetch(`${members.servers[at]?.url}/v1/cs/configs/listener`, { method: "POST", body, headers });
  return answer.text();
}

describe("three new members", () => {
  test("form a group, and what is written at any of them is read at all", async (t) => {
    const members = await TestMembers.start(3);
    t.after(() => members.stop());
    for (const at of [0, 1, 2]) {
      const { status, data } = await publish(members, at, `d${at}`, `d${at}`);
      assert.equal(status, 200, JSON.stringify(data));
    }
    await shown(members, [0, 1, 2], ["d0", "d1", "d2"]);

    const told = Promise.all([0, 1, 2].map((at) => listen(members, at, "told")));
    await published(members, 1, "told");
    for (const changed of await told) assert.match(changed, /^told/, "who listens at any member is told");
  });
});

describe("one of three new members that was started alone", () => {
  test("refuses writes and linearizable reads with who is missing, and takes them when the others come", async (t) => {
    const { members, places } = await TestMembers.planned(3);
    t.after(() => members.stop());
    const [first, ...others] = places;
    await (await first?.start())?.ready();
    const { status, data } = await publish(members, 0, "d", "d");
    assert.equal(status, 503);
    assert.match(data, /^2 of 3 members are needed .* and .* are out of reach since .* UTC: start them/);
    for (const address of members.listed.slice(1)) assert.ok(data.includes(address), data);
    const read = `GET ${CONFIG}?dataId=d&groupName=g&consistency=linearizable`;
    assert.match((await members.ask(0, read)).data, /^2 of 3 members are needed/);

    await Promise.all(others.map((each) => each.start()));
    await published(members, 0, "d");
    await shown(members, [0, 1, 2], ["d"]);
  });
});

describe("a member alone, with data, whose list names a cluster that it is refused by", () => {
  test("takes no writes and says why; without such a list it takes them", async (t) => {
    const { members, places } = await TestMembers.planned(2);
    t.after(() => members.stop());
    const token = { identityKey: "who", identityValue: "another" };
    const [first, second] = places;
    const { httpPort } = (await first?.start({ memberList: [], mode: "standalone" })) ?? {};
    await members.servers[0]?.ready();
    await published(members, 0, "own");
    await members.servers[0]?.stop();
    members.servers.length = 0;

    await second?.start(token);
    await first?.start();
    assert.equal(members.servers[1]?.httpPort, httpPort);
    await members.servers[1]?.ready();
    await until(async () => {
      const { status, data } = await publish(members, 1, "later", "later");
      return status === 503 && /names a cluster that it is no part of.*different identity tokens/.test(data);
    });
    await shown(members, [1], ["own"]);
  });
});

describe("a server with data that was started alone (S38)", () => {
  test("is joined by others on order while it runs, keeps its data, and is alone again when they have left", async (t) => {
    const members = await TestMembers.alone(3);
    t.after(() => members.stop());
    assert.equal((await publish(members, 0, "kept", "kept")).status, 200);
    for (const at of [1, 2]) {
      const { status, data } = await members.ask(at, `POST ${CLUSTER}/join?address=${members.addresses[0]}`);
      assert.equal(status, 200, JSON.stringify(data));
    }
    await shown(members, [0, 1, 2], ["kept"]);
    for (const at of [0, 1, 2]) await members.grouped(at, 3);
    await published(members, 2, "later");
    await shown(members, [0, 1, 2], ["kept", "later"]);

    for (const at of [2, 1]) {
      const { status, data } = await members.ask(at, `POST ${CLUSTER}/leave?forever=true`);
      assert.equal(status, 200, `${at}: ${JSON.stringify(data)}`);
      await members.servers[at]?.stopOrdered;
      await members.servers[at]?.stop();
      await members.grouped(0, at);
    }
    await published(members, 0, "alone");
    await shown(members, [0], ["kept", "later", "alone"]);
  });
});

describe("a member of three", () => {
  test("that leads and is stopped hands over first; all started anew have all data", async (t) => {
    const members = await TestMembers.start(3);
    t.after(() => members.stop());
    await published(members, 0, "before");
    await members.grouped(0, 3);
    const { addresses } = members;
    const at = await members.leaderAt();
    const [one = 0, other = 0] = [0, 1, 2].filter((each) => each !== at);
    await members.servers[at]?.stop();
    const startedAt = performance.now();
    const { status, data } = await publish(members, one, "while", "while");
    assert.equal(status, 200, JSON.stringify(data));
    assert.ok(performance.now() - startedAt < 900, "no election timeout passed");
    await members.servers[one]?.stop();
    await members.servers[other]?.stop();

    await members.again(0, addresses);
    await members.servers[0]?.ready();
    await shown(members, [0], ["before"]);
    const refused = await publish(members, 0, "alone", "alone");
    assert.equal(refused.status, 503);
    assert.match(refused.data, /^2 of 3 members are needed/);
    for (const address of addresses.slice(1)) assert.ok(refused.data.includes(address), refused.data);

    await Promise.all([1, 2].map((each) => members.again(each, addresses)));
    await Promise.all(members.servers.map((server) => server.ready()));
    await shown(members, [0, 1, 2], ["before", "while"]);
    await published(members, 1, "after");
  });

  test("that is down can be forgotten, and is no voter then", async (t) => {
    const members = await TestMembers.start(3);
    t.after(() => members.stop());
    await published(members, 0, "one");
    await members.grouped(0, 3);
    const gone = members.servers[2];
    assert.ok(gone !== undefined);
    await gone.stop(0);
    await until(async () => {
      const { status } = await members.ask(0, `POST ${CLUSTER}/forget?address=${members.addresses[2]}`);
      return status === 200;
    });
    for (const at of [0, 1]) await members.grouped(at, 2);
    await published(members, 1, "two");
  });

  test("is not let go for good while too few voters would be left in reach, and serves on", async (t) => {
    const members = await TestMembers.start(3);
    t.after(() => members.stop());
    await members.grouped(0, 3);
    await published(members, 0, "one");
    const leave = () => members.ask(0, `POST ${CLUSTER}/leave?forever=true`);
    const downAt = async (id: number): Promise<boolean> => {
      const { data } = await members.ask(0, `GET ${CLUSTER}/matrix`);
      const { members: seen } = data as { members: { address: string; state: string }[] };
      return seen.some(({ address, state }) => address === members.addresses[id] && state === "DOWN");
    };

    await members.servers[2]?.stop();
    await until(() => downAt(2));
    const bound = await leave();
    assert.equal(bound.status, 503);
    assert.match(
      bound.data,
      /^without this member 2 of 2 members are needed .* is out of reach since .*nacre cluster forget/,
    );
    await published(members, 0, "two");

    await members.servers[1]?.stop();
    await until(() => downAt(1));
    const lost = await leave();
    assert.equal(lost.status, 503);
    assert.match(lost.data, /^2 of 3 members are needed .* are out of reach since .*nacre stop$/);
    await shown(members, [0], ["one", "two"]);
  });

  test("that is taken out while it runs says so, and is taken in again on order", async (t) => {
    const members = await TestMembers.start(3);
    t.after(() => members.stop());
    await members.grouped();
    const leader = await members.leaderAt();
    const out = (leader + 1) % 3;
    await published(members, leader, "one");
    await shown(members, [out], ["one"]);
    const order = (what: string) =>
      members.ask(leader, `POST /v3/admin/core/raft/${what}?member=${members.addresses[out]}`);
    assert.equal((await order("remove")).status, 200);
    await until(async () => {
      const { status, data } = await publish(members, out, "two", "two");
      return status !== 200 && /was taken out of the group/.test(JSON.stringify(data));
    });
    const read = await members.ask(out, `GET ${CONFIG}?dataId=one&groupName=g&consistency=linearizable`);
    assert.equal(read.status, 503);
    assert.match(read.data, /^this member was taken out of the group/);
    await published(members, leader, "three");
    assert.equal((await order("add")).status, 200);
    await shown(members, [out], ["one", "three"]);
    await published(members, out, "four");
  });
});
