import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Attacks, provoke } from "./lib/engine/attack.ts";
import { Engine } from "./lib/engine/engine.ts";
import { CONTINUATIONS, IDLE, RESETS, WRONG_LENGTHS, wrongLength } from "./lib/engine/floods.ts";
import { HEADS } from "./lib/engine/headers.ts";

/** Frames and header blocks of a stranger. What he makes the server hold is in `grpc-engine-memory.test.ts`. */

let engine: Engine;
before(async () => {
  engine = await Engine.start({ limits: { headerBlockMs: 500 } });
});
after(() => engine?.stop());

function each(attacks: Attacks): void {
  for (const [what, attack] of Object.entries(attacks)) {
    test(what, (t) => engine.survives(t, () => provoke(attack, engine)));
  }
}

describe("a client", () => each(RESETS));
describe("a flood", () => each(IDLE));
describe("CONTINUATION frames", () => each(CONTINUATIONS));
describe("a head", () => each(HEADS));

test("a frame of a length that its type does not allow ends the connection", (t) =>
  engine.survives(t, async () => {
    for (const [what, frame, answer] of WRONG_LENGTHS) assert.match(await wrongLength(engine, frame), answer, what);
  }));
