import assert from "node:assert/strict";
import type { ConfigState, Item } from "@nacre/core/config";

/** Recounts what the listening half of configuration counts, and checks that its tables agree with each other. */
export function assertListeningInvariants(state: ConfigState): void {
  const onTheWay = new Map<number, number>();
  let listeners = 0;
  for (const [id, client] of state.clients) {
    assert.equal(client.id, id);
    assert.ok(client.listeners.size > 0, `${id} listens to something`);
    for (const [item, listener] of client.listeners) {
      assert.equal(item.listeners?.get(client), listener, `${id} and ${item.key} know one listener`);
      assertKnown(state, item);
      listeners++;
      const { notice } = listener;
      if (typeof notice !== "object") continue;
      if (notice.phase === "sent") onTheWay.set(notice.requestId, (onTheWay.get(notice.requestId) ?? 0) + 1);
      if (notice.phase === "queued")
        assert.ok(state.unsent.get(item)?.includes(listener), `the notice of ${item.key} for ${id} has a turn`);
    }
  }
  assert.equal(state.listenerCount, listeners, "listenerCount");
  const held = new Map([...state.notices].map(([requestId, { left }]) => [requestId, left]));
  assert.deepEqual(held, onTheWay, "G5 notices on their way");
  let lines = 0;
  for (const [id, poll] of state.polls) {
    assert.equal(poll.id, id);
    for (const line of poll.lines) {
      assert.equal(line.item.polls?.get(poll), line, `poll ${id} and ${line.item.key} know one line`);
      assertKnown(state, line.item);
    }
    lines += poll.lines.length;
  }
  assert.equal(state.pollLineCount, lines, "pollLineCount");
  for (const poll of state.answerable) assert.equal(state.polls.get(poll.id), poll, "only held polls wait");
  let ofItems = 0;
  for (const item of state.items.values()) {
    const waiting = (item.listeners?.size ?? 0) + (item.polls?.size ?? 0);
    assert.ok(item.formal !== undefined || item.grays.length > 0 || waiting > 0, `${item.key} is of use`);
    ofItems += waiting;
  }
  assert.equal(ofItems, listeners + lines, "nobody listens who is not in the tables");
  if (state.unnoted.size + state.unsent.size + state.answerable.size > 0)
    assert.ok(state.flushing, "what is left has a task");
}

function assertKnown(state: ConfigState, item: Item): void {
  assert.equal(state.items.get(item.key), item, `${item.key} is listened to and in the table`);
}
