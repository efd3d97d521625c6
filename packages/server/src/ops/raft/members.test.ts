import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TestMembers, until } from "../../cluster/members.fixture.ts";
import type { GroupStatus } from "./status.ts";

const RAFT = "/v3/admin/core/raft";

async function status(members: TestMembers, at: number): Promise<GroupStatus> {
  return (await members.ask(at, `GET ${RAFT}/status`)).data;
}

describe("operators of three members", () => {
  test("name members by address or id, at any of them, and learn what was done", async (t) => {
    const members = await TestMembers.start(3);
    t.after(() => members.stop());
    await until(async () => (await status(members, 0)).following === 3);
    const before = await status(members, 0);
    const others = before.members.filter(({ id }) => id !== before.leader?.id);
    const [next, third] = others;
    assert.ok(next !== undefined && third !== undefined && before.leader !== undefined);
    assert.deepEqual(before.members.map(({ address }) => address).sort(), [...members.addresses].sort());

    const moved = await members.ask(0, `POST ${RAFT}/transfer?member=${next.address}`);
    assert.deepEqual([moved.status, moved.data.to], [200, { id: next.id, address: next.address }]);
    await until(async () => (await status(members, 1)).leader?.id === next.id);

    const [host, port] = third.address.split(":");
    const body = JSON.stringify({ command: "transferLeader", value: `${host}:${Number(port) - 1000}` });
    const url = `${members.servers[2]?.url}/v1/core/ops/raft`;
    const asReference = await fetch(url, { method: "POST", body, headers: { "Content-Type": "application/json" } });
    assert.match(
      ((await asReference.json()) as { data: string }).data,
      new RegExp(`leadership over to ${third.address}$`),
    );
    await until(async () => (await status(members, 0)).leader?.id === third.id);

    const wrong = JSON.stringify({ command: "transferLeader", value: { address: next.address } });
    const refused = await fetch(url, { method: "POST", body: wrong, headers: { "Content-Type": "application/json" } });
    assert.equal(((await refused.json()) as { message: string }).message, "Param 'value' of the body must be a text.");

    const taken = await members.ask(0, `POST ${RAFT}/snapshot`);
    assert.deepEqual(
      taken.data.map(({ index }: { index: number }) => index > 0),
      [true, true, true],
    );

    const removed = await members.ask(1, `POST ${RAFT}/remove?member=${before.leader.address}`);
    assert.deepEqual([removed.status, removed.data.voters.length], [200, 2], JSON.stringify(removed.data));
    assert.match(removed.data.note, /it runs, and asks to be taken in again when it is started anew/);
    const added = await members.ask(1, `POST ${RAFT}/add?member=${before.leader.id}`);
    assert.equal(added.status, 200, JSON.stringify(added.data));
    await until(async () => (await status(members, 2)).voters === 3);

    const unknown = await members.ask(0, `POST ${RAFT}/remove?member=10.9.9.9:1`);
    assert.deepEqual([unknown.status, unknown.code], [404, 20004]);
    const missing = await members.ask(0, `POST ${RAFT}/add`);
    assert.deepEqual([missing.status, missing.code], [400, 10000]);
  });

  test("see every member's metrics of the group", async (t) => {
    const members = await TestMembers.start(3);
    t.after(() => members.stop());
    await until(async () => (await status(members, 0)).following === 3);
    const pages = await Promise.all([0, 1, 2].map((at) => members.text(at, "GET /actuator/prometheus")));
    const leading = pages.filter((page) => page.includes('nacre_raft_role{role="leader"} 1'));
    assert.equal(leading.length, 1);
    assert.equal(leading[0]?.match(/^nacre_raft_follower_lag_entries\{peer="127/gm)?.length, 2);
    for (const page of pages) assert.match(page, /^nacre_raft_members\{role="voter"\} 3$/m);
  });
});
