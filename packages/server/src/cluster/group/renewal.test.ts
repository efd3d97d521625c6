import assert from "node:assert/strict";
import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import Database from "better-sqlite3";
import { nodeFiles } from "../../storage/files.ts";
import { VoteFile } from "../../storage/vote-file.ts";
import { TestMembers, until } from "../members.fixture.ts";

const CONFIG = "/v3/admin/cs/config";
const READINESS = "GET /v3/admin/core/state/readiness";

/** A row is gone, and what is compared says so, as if an entry had done something else here than elsewhere. */
function alter(dataDir: string): void {
  const store = new Database(join(dataDir, "store.db"));
  try {
    assert.equal(store.prepare("DELETE FROM config_info WHERE data_id = 'lost'").run().changes, 1);
    store.exec("UPDATE rows SET value = json_set(value, '$.hash', 7) WHERE kind = 'raft' AND key = 'clock'");
    store.pragma("wal_checkpoint(TRUNCATE)");
  } finally {
    store.close();
  }
}

describe("a member of three whose durable data differs", () => {
  test("is like the others again by itself, and not ready before", { timeout: 60_000 }, async (t) => {
    const { members, places } = await TestMembers.planned(3);
    t.after(() => members.stop());
    await Promise.all(places.map((place) => place.start()));
    await Promise.all(members.servers.map((server) => server.ready()));
    await members.grouped();
    const leader = await members.leaderAt();
    const publish = (dataId: string) =>
      until(async () => {
        const named = new URLSearchParams({ dataId, groupName: "g", content: dataId });
        return (await members.ask(leader, `POST ${CONFIG}?${named}`)).status === 200;
      });
    const shows = async (at: number, dataId: string): Promise<boolean> => {
      const { data } = await members.ask(at, `GET ${CONFIG}?dataId=${dataId}&groupName=g`);
      return data?.content === dataId;
    };
    await publish("lost");
    const other = (leader + 1) % 3;
    await until(() => shows(other, "lost"));

    const { addresses } = members;
    const port = members.servers[other]?.httpPort;
    const dataDir = places.map((place) => place.dataDir).find((each) => each.endsWith(`${port}`)) ?? "";
    await members.servers[other]?.stop();
    alter(dataDir);
    await members.again(other, addresses);
    const server = members.servers[other];
    await server?.ready();
    assert.equal(await shows(other, "lost"), false, "nobody has noticed yet");

    for (let n = 0; n < 1020; n += 60) await Promise.all(Array.from({ length: 60 }, (_, at) => publish(`d${n + at}`)));
    await until(() => shows(other, "lost"));
    await until(() => shows(other, "d1019"));
    const folder = join(dataDir, "damaged", "1");
    await access(join(folder, "state.snapshot"));
    assert.match(await readFile(join(folder, "reason.json"), "utf8"), /differs from what it led to at most voters/);
    assert.deepEqual(await readdir(join(dataDir, "damaged")), ["1"]);
    await members.grouped(other);
    await until(async () => (await members.ask(other, READINESS)).status === 200);

    // As if it had ended while that was under way.
    await Promise.all(members.servers.map((each) => each.stop()));
    const vote = await VoteFile.open(nodeFiles, join(dataDir, "vote"), { powerLoss: false });
    await vote.write({ ...vote.state, trust: "stateLost" });
    await vote.close();
    await members.again(other, addresses);
    await until(async () => {
      const { status, data: reason } = await members.ask(other, READINESS);
      return status === 503 && /differs from that of most voters/.test(JSON.stringify(reason));
    });
    assert.equal((await members.ask(other, "GET /v1/cs/configs?dataId=lost&group=g")).status, 503);
    await Promise.all([0, 1, 2].filter((at) => at !== other).map((at) => members.again(at, addresses)));
    await until(async () => (await members.ask(other, READINESS)).status === 200);
    assert.equal(await shows(other, "lost"), true);
  });
});
