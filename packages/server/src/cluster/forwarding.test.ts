import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type FailureName, RegistryError } from "@nacre/protocol";
import {
  type AddressEvent,
  FORWARD_TIMEOUT_MS,
  type Forwarded,
  type ForwardedWrite,
  type ForwardingFailures,
  forwardWrite,
  noteForwarded,
  readForwarded,
  stillFails,
} from "./forwarding.ts";

const NOON = 1_767_268_800_000;

/** What is told of one member at that moment. */
function told(failures: ForwardingFailures, at: number) {
  const failure = failures.get("b");
  return failure !== undefined && stillFails(failure, at) ? failure : undefined;
}

describe("writes that fail to be forwarded", () => {
  test("are told of since the first of them, with the error of the last", () => {
    const failures: ForwardingFailures = new Map();
    noteForwarded(failures, "b", "10.0.0.1:80#true", "no answer", NOON);
    noteForwarded(failures, "b", "10.0.0.2:80#true", "its link is gone", NOON + 5_000);
    assert.deepEqual(told(failures, NOON + 6_000), {
      since: NOON,
      at: NOON + 5_000,
      error: "its link is gone",
      clients: new Set(["10.0.0.1:80#true", "10.0.0.2:80#true"]),
    });
  });

  test("are over with the first that does not fail", () => {
    const failures: ForwardingFailures = new Map();
    noteForwarded(failures, "b", "10.0.0.1:80#true", "no answer", NOON);
    noteForwarded(failures, "b", "10.0.0.1:80#true", undefined, NOON + 5_000);
    assert.equal(told(failures, NOON + 5_000), undefined);
  });

  test("are over when nothing is to be forwarded any more, because clients beat elsewhere or have ended", () => {
    const failures: ForwardingFailures = new Map();
    noteForwarded(failures, "b", "10.0.0.1:80#true", "no answer", NOON);
    assert.equal(told(failures, NOON + 10_000), undefined);
    noteForwarded(failures, "b", "10.0.0.1:80#true", "no answer", NOON + 60_000);
    assert.equal(told(failures, NOON + 60_000)?.since, NOON + 60_000, "what fails then began then");
  });
});

describe("a write of an address client that another member owns", () => {
  const event: AddressEvent = {
    type: "beat",
    service: { namespace: "public", group: "DEFAULT_GROUP", name: "orders" },
    caller: { ip: "10.0.0.1", app: "", agent: "" },
    ip: "10.0.0.1",
    port: 80,
    instance: undefined,
  };

  /** Where the write was made when the call of the owner failed like this, and what was told of the owner. */
  async function whenOwnerFails(failure: FailureName) {
    const made: AddressEvent[] = [];
    const told: (string | undefined)[] = [];
    await forwardWrite(
      {
        memberId: "a",
        ownerOf: () => "b",
        beatOf: () => 70_000,
        submit: (write) => {
          made.push(write);
          return undefined;
        },
        call: () => Promise.reject(new RegistryError(failure, "no")),
        settled: (_to, _clientId, error) => told.push(error),
      },
      event,
    );
    return { made, told };
  }

  /** What the owner is told, and what is made here, when its beats have come to that. */
  async function whenOwnersBeatIs(ownersBeat: number | undefined, answer: Forwarded = {}, write = event) {
    const told: ForwardedWrite[] = [];
    const made: AddressEvent[] = [];
    await forwardWrite(
      {
        memberId: "a",
        ownerOf: () => "b",
        beatOf: (id) => (id === "b" ? ownersBeat : 0),
        submit: (given) => {
          made.push(given);
          return undefined;
        },
        call: async (_to, given) => {
          told.push(given);
          return answer;
        },
        settled: () => {},
      },
      write,
    );
    return { told, made };
  }

  test("tells the owner until when it is waited for, on the owner's clock", async () => {
    const until = 70_000 + FORWARD_TIMEOUT_MS;
    assert.deepEqual(await whenOwnersBeatIs(70_000), { told: [{ ...event, until }], made: [] });
    assert.equal(readForwarded({ ...event, until }).until, until);
    assert.equal(readForwarded(event).until, Number.POSITIVE_INFINITY, "of a member of before that was told");
  });

  test("is made here as well when it takes back what the owner has never heard of", async () => {
    const withdraw: AddressEvent = { ...event, type: "withdrawAddress" };
    assert.deepEqual((await whenOwnersBeatIs(70_000, { isUnknown: true }, withdraw)).made, [withdraw]);
    assert.deepEqual((await whenOwnersBeatIs(70_000, {}, withdraw)).made, []);
  });

  test("is made here while the clock of the owner is not known", async () => {
    assert.deepEqual(await whenOwnersBeatIs(undefined), { told: [], made: [event] });
  });

  test("is made here when the owner cannot be asked", async () => {
    assert.deepEqual(await whenOwnerFails("peerUnreachable"), { made: [event], told: ["no"] });
  });

  test("is made here when so many calls wait for the owner that it is not asked", async () => {
    assert.deepEqual(await whenOwnerFails("overThreshold"), { made: [event], told: ["no"] });
  });

  test("fails as the owner says when the owner refuses it", async () => {
    await assert.rejects(whenOwnerFails("invalidParameter"), { failure: "invalidParameter" });
  });
});
