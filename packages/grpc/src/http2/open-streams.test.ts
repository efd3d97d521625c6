import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { OpenStreams } from "./open-streams.ts";
import { Stream } from "./stream.ts";

describe("the open streams of a connection", () => {
  test("are those that a map would hold, however many there are", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9)), (ids) => {
        const streams = new OpenStreams<undefined>();
        const model = new Map<number, Stream<undefined>>();
        for (const id of ids) {
          const open = model.get(id);
          if (open === undefined) {
            const stream = new Stream<undefined>(id, 0);
            model.set(id, stream);
            streams.add(stream);
          } else {
            model.delete(id);
            streams.delete(open);
          }
          assert.equal(streams.size, model.size);
          assert.deepEqual(new Set(streams.values()), new Set(model.values()));
          for (let any = 0; any < 10; any++) assert.equal(streams.get(any), model.get(any));
        }
      }),
    );
  });

  test("may be closed while they are walked over", () => {
    const streams = new OpenStreams<undefined>();
    const all = Array.from({ length: 5 }, (_, id) => new Stream<undefined>(id, 0));
    for (const stream of all) streams.add(stream);
    const met: number[] = [];
    for (const stream of streams.values()) {
      met.push(stream.id);
      for (const other of all.slice(1)) streams.delete(other);
    }
    assert.deepEqual(met, [0]);
  });
});
