import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Connection } from "@nacre/core/connections";
import { configMessages, decodePayload, encodePayload, encodeUtf8 } from "@nacre/protocol";
import { FakeClock } from "@nacre/testkit/fake-clock";
import type { TransportConnection } from "../transport/grpc/transport.ts";
import { Counters } from "./counters.ts";
import { Dispatch } from "./dispatch.ts";

/** A dispatch with one connection, that serves publishes; the data ids that its handler saw. */
function dispatching() {
  let registered = true;
  const handled: string[] = [];
  const connection = { id: "one" } as Connection & TransportConnection;
  const clock = new FakeClock();
  const dispatch = new Dispatch({
    clock,
    counters: new Counters(),
    filters: [],
    log: { error: () => {} },
    registered: () => (registered ? connection : undefined),
    waitForSetup: () => false,
    active: () => {},
  });
  const { ConfigPublishRequest } = configMessages;
  const handle = ({ dataId }: { dataId: string }) => {
    handled.push(dataId);
    return {};
  };
  dispatch.serve({ messages: { ConfigPublishRequest }, handlers: { ConfigPublishRequest: { handle } } });
  dispatch.ready();
  const publish = (content: string) => {
    const body = encodeUtf8(JSON.stringify({ dataId: "app", group: "g", content }));
    return dispatch.call("sdk", connection, encodePayload({ type: "ConfigPublishRequest", body }));
  };
  const leave = (): void => {
    registered = false;
  };
  return { handled, publish, leave };
}

const typeOf = async (answer: Uint8Array | Promise<Uint8Array>) => decodePayload(await answer).type;

describe("a request of megabytes", () => {
  test("is read later and handled then, a small one at once", async () => {
    const { handled, publish } = dispatching();
    assert.ok(publish("small") instanceof Uint8Array);
    const answer = publish("k".repeat(2_000_000));
    assert.deepEqual(handled, ["app"]);
    assert.equal(await typeOf(answer), "ConfigPublishResponse");
    assert.deepEqual(handled, ["app", "app"]);
  });

  test("is not handled when its connection has gone meanwhile", async () => {
    const { handled, publish, leave } = dispatching();
    const answer = publish("k".repeat(2_000_000));
    leave();
    assert.equal(await typeOf(answer), "ErrorResponse");
    assert.deepEqual(handled, []);
  });
});
