import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConfigCommand } from "@nacre/core/config";
import { ConfigLog } from "@nacre/testkit/config-log";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { KeptLog } from "../naming/http.fixture.ts";
import { turn } from "../storage/turn.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Imports } from "./importing.ts";
import { named } from "./member.fixture.ts";
import type { ProposeConfig } from "./propose.ts";
import { contentOf } from "./sealing.ts";

const DAY_MS = 86_400_000;
const ROUND_MS = 600_000;

/** The housekeeping of member `m` over a core; its history ends once it was pruned so often. */
function housekeeping(t: { after(end: () => void): void }) {
  const clock = new FakeClock();
  const log = new ConfigLog();
  const proposed: ConfigCommand["type"][] = [];
  const given = { isResponsible: true, batches: 0 };
  const propose: ProposeConfig = async (command) => {
    proposed.push(command.type);
    if (command.type === "pruneHistory") given.batches--;
    return log.apply(command).result as never;
  };
  const seal = async (_: unknown, text: string) => contentOf(text);
  const keeper = new Housekeeping({
    clock,
    log: new KeptLog(),
    store: { oldestHistoryAt: async () => (given.batches > 0 ? clock.wall() - 31 * DAY_MS : undefined) },
    propose,
    days: 30,
    imports: new Imports({ state: log.state, sealing: { seal }, propose, memberId: "m" }),
    responsibility: { isResponsible: () => given.isResponsible, onChange: () => {} },
  });
  t.after(() => keeper.stop());
  return {
    log,
    given,
    stage: (importId: string) =>
      log.apply({ type: "stageConfigs", importId, items: [{ name: named("a"), content: contentOf("x"), fields: {} }] }),
    /** What the next round proposes. */
    async round() {
      proposed.length = 0;
      clock.advance(ROUND_MS);
      for (let turns = 0; turns < 20; turns++) await turn();
      return [...proposed];
    },
  };
}

describe("the housekeeping of configurations", () => {
  test("drops old history, batch by batch, where this member is to do it", async (t) => {
    const { given, round } = housekeeping(t);
    given.batches = 3;
    given.isResponsible = false;
    assert.deepEqual(await round(), []);
    given.isResponsible = true;
    assert.deepEqual(await round(), ["pruneHistory", "pruneHistory", "pruneHistory"]);
    assert.deepEqual(await round(), []);
  });

  test("drops what this member left staged, whoever is responsible", async (t) => {
    const { log, given, stage, round } = housekeeping(t);
    given.isResponsible = false;
    stage("m/left");
    stage("other/under way");
    assert.deepEqual(await round(), ["dropStaged"]);
    assert.deepEqual([...log.state.staged.keys()], ["other/under way"]);
  });

  test("drops what another member staged once it does not grow any more", async (t) => {
    const { log, stage, round } = housekeeping(t);
    stage("other/import");
    assert.deepEqual(await round(), []);
    stage("other/import");
    assert.deepEqual(await round(), [], "it has grown");
    assert.deepEqual(await round(), ["dropStaged"]);
    assert.equal(log.state.staged.size, 0);
  });
});
