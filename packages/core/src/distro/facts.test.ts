import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { head, newMember, sync, version } from "./distro.fixture.ts";
import { headsAfter } from "./facts.ts";

describe("what is held of an owner", () => {
  test("is gone through in one order, from any place on", () => {
    const member = newMember();
    member.at(0, { type: "start", journal: [] });
    member.peer(0, "b", "up");
    const ids = Array.from({ length: 300 }, (_, at) => `client-${at}`);
    member.tell(1, "b", sync(ids.map((id) => head(id, version("b", 1)))));
    const all = [...headsAfter(member.state, "b", undefined, 1)];
    assert.deepEqual(all.map(({ id }) => id).sort(), [...ids].sort());
    for (const at of [0, 7, 298]) {
      const rest = [...headsAfter(member.state, "b", all[at], 1)];
      assert.deepEqual(
        rest.map(({ id }) => id),
        all.slice(at + 1).map(({ id }) => id),
      );
    }
    assert.deepEqual([...headsAfter(member.state, "nobody", undefined, 1)], []);
  });
});
