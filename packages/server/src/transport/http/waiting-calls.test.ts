import assert from "node:assert/strict";
import { once } from "node:events";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { describe, test } from "node:test";
import { WaitingCalls } from "./waiting-calls.ts";

const responseTo = (): ServerResponse => new ServerResponse(new IncomingMessage(new Socket()));

describe("a call that waits", () => {
  test("is cut when its caller goes away", async () => {
    const response = responseTo();
    const signal = new WaitingCalls().signal(response);
    assert.equal(signal.aborted, false);
    response.destroy();
    await once(response, "close");
    assert.equal(signal.aborted, true);
  });
  test("is cut at once when its caller went away while its body was read", async () => {
    const response = responseTo();
    response.destroy();
    await once(response, "close");
    assert.equal(new WaitingCalls().signal(response).aborted, true);
  });
  test("is cut when the port closes, and so is one that comes after", async () => {
    const waiting = new WaitingCalls();
    const signal = waiting.signal(responseTo());
    await waiting.cut();
    assert.equal(signal.aborted, true);
    assert.equal(waiting.signal(responseTo()).aborted, true);
  });
});
