import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answered, ConfigBench, config, holding, refusalOf } from "@nacre/testkit/config-bench";
import { seconds } from "../lib/units.ts";
import { RECEIVERS_MAX } from "./state.ts";

const app = config("app");
const log = config("log");
const HOLD_MS = 29_500;

/** `app` with the content "old", and a poll that holds it. */
function polling(): ConfigBench {
  const bench = new ConfigBench();
  bench.publish(app, "old");
  assert.deepEqual(bench.poll(1, [holding(app, "old"), holding(log)], { holdMs: HOLD_MS }), []);
  return bench;
}

describe("a long poll", () => {
  test("is held when there is nothing and it holds nothing, also written as the md5 of an empty text", () => {
    const bench = new ConfigBench();
    assert.deepEqual(bench.poll(1, [holding(app), holding(log, "")]), []);
    assert.equal(bench.state.polls.size, 1);
  });

  test("is answered at once with all that differs", () => {
    const bench = new ConfigBench();
    bench.publish(app, "new");
    const contexts = [holding(app, "old"), holding(log), holding(config("gone"), "text")];
    assert.deepEqual(answered(bench.poll(1, contexts)), ["1: app gone"]);
    assert.deepEqual([bench.state.polls.size, bench.state.items.size], [0, 1]);
  });

  test("is answered at once, with nothing, when it is not to be held", () => {
    const bench = new ConfigBench();
    assert.deepEqual(answered(bench.poll(1, [holding(app)], { holdMs: 0 })), ["1: "]);
    assert.equal(bench.state.items.size, 0);
  });

  test("is answered with what changed, and the namespace as it spelled it (G6)", () => {
    const bench = polling();
    bench.poll(2, [holding(app, "old", "absent")]);
    assert.deepEqual(
      bench.publish(app, "new").filter(({ type }) => type === "pollAnswer"),
      [
        { type: "pollAnswer", id: 1, changed: [{ name: app, form: "given" }] },
        { type: "pollAnswer", id: 2, changed: [{ name: app, form: "absent" }] },
      ],
    );
    assert.deepEqual(
      bench.publish(app, "newer").filter(({ type }) => type === "pollAnswer"),
      [],
      "it has ended",
    );
  });

  test("is answered once with all that an import changed, although that is noted bit by bit", () => {
    const names = Array.from({ length: 3_000 }, (_, at) => config(`app-${at}`));
    const bench = new ConfigBench({}, { checked: false });
    bench.poll(
      1,
      names.map((name) => holding(name)),
    );
    const effects = [...bench.import(names, "new"), ...bench.forward(seconds(1))];
    const answers = effects.filter((effect) => effect.type === "pollAnswer");
    assert.deepEqual(
      answers.map(({ changed }) => changed.length),
      [3_000],
    );
  });

  test("hears of the first version and of the removal of the last", () => {
    const bench = polling();
    assert.deepEqual(answered(bench.publish(log, "first")), ["1: log"]);
    bench.poll(2, [holding(app, "old")]);
    assert.deepEqual(answered(bench.remove(app)), ["2: app"]);
  });

  test("is answered with all that one removal took away", () => {
    const bench = polling();
    bench.publish(config("x"), "x");
    bench.poll(2, [holding(app, "old"), holding(config("x"), "x")]);
    assert.deepEqual(answered(bench.remove(app, config("x"))), ["1: app", "2: app x"]);
  });

  test("is answered empty when its time is over", () => {
    const bench = polling();
    assert.deepEqual(answered(bench.forward(HOLD_MS - 1)), []);
    assert.deepEqual(answered(bench.forward(6)), ["1: "]);
    assert.equal(bench.state.items.size, 1, "nothing is kept for what nobody asks about");
  });

  test("stays held when nothing changes for its labels", () => {
    const bench = new ConfigBench();
    bench.publish(app, "formal");
    bench.poll(1, [holding(app, "formal")], { labels: { ClientIp: "10.0.0.1" } });
    bench.poll(2, [holding(app, "formal")], { labels: { ClientIp: "10.0.0.2" } });
    assert.deepEqual(answered(bench.publish(app, "formal")), []);
    assert.deepEqual(answered(bench.publishBeta(app, "beta", "10.0.0.1")), ["1: app"]);
    bench.poll(3, [holding(app, "beta")], { labels: { ClientIp: "10.0.0.1" } });
    assert.deepEqual(answered(bench.removeBeta(app)), ["3: app"]);
  });

  test("may name a configuration twice", () => {
    const bench = new ConfigBench();
    bench.poll(1, [holding(app, undefined, "blank"), holding(app)]);
    assert.equal(bench.state.pollLineCount, 1);
    assert.deepEqual(answered(bench.publish(app, "new")), ["1: app"]);
  });

  test("whose caller has gone is forgotten", () => {
    const bench = polling();
    bench.send({ type: "pollGone", id: 1 });
    bench.send({ type: "pollGone", id: 1 });
    assert.deepEqual(answered([...bench.publish(app, "new"), ...bench.forward(seconds(60))]), []);
    assert.deepEqual([bench.state.polls.size, bench.state.pollLineCount, bench.state.tasks.size], [0, 0, 0]);
  });
});

describe("the bounds of polls (G11)", () => {
  test("a poll too many is refused, and answered when it need not be held", () => {
    const bench = new ConfigBench({ pollsMax: 1 });
    bench.publish(app, "new");
    bench.poll(1, [holding(log)]);
    assert.match(refusalOf(bench.poll(2, [holding(log)])) ?? "", /^overThreshold: .*nacre\.config\.polls\.max = 1/);
    assert.deepEqual(answered(bench.poll(3, [holding(app, "old")])), ["3: app"]);
  });

  test("a line too many is refused", () => {
    const bench = new ConfigBench({ pollLinesMax: 2 });
    bench.poll(1, [holding(log)]);
    const refused = refusalOf(bench.poll(2, [holding(app), holding(log)]));
    assert.match(refused ?? "", /^overThreshold: .*nacre\.config\.poll\.lines\.max = 2/);
    assert.equal(bench.state.items.size, 1);
  });
});

describe("a change that many polls wait for", () => {
  const COUNT = 2 * RECEIVERS_MAX + 10;
  const many = (): ConfigBench => {
    const bench = new ConfigBench();
    for (let id = 1; id <= COUNT; id++) bench.poll(id, [holding(app), holding(log)]);
    return bench;
  };

  test("answers so many of them each time the clock is looked at", () => {
    const bench = many();
    const counts = [answered(bench.publish(app, "new")).length];
    for (let time = 0; time < 3; time++) counts.push(answered(bench.forward(5)).length);
    assert.deepEqual(counts, [RECEIVERS_MAX, RECEIVERS_MAX, 10, 0]);
  });

  test("is answered together with what changed before it was their turn", () => {
    const bench = many();
    bench.publish(app, "new");
    assert.deepEqual(answered(bench.publish(log, "new")), [], "it has to wait too");
    assert.equal(answered(bench.forward(50)).at(-1), `${COUNT}: app log`);
  });

  test("leaves those held for which it was taken back before it was their turn", () => {
    const bench = many();
    bench.publish(app, "new");
    bench.remove(app);
    assert.deepEqual(answered(bench.forward(50)), []);
    assert.equal(bench.state.polls.size, COUNT - RECEIVERS_MAX);
    assert.equal(answered(bench.publish(app, "newer")).length, RECEIVERS_MAX);
  });

  test("is in the answer of a poll whose time is over before it is its turn", () => {
    const bench = many();
    bench.poll(COUNT + 1, [holding(app)], { holdMs: 1 });
    bench.publish(app, "new");
    assert.ok(answered(bench.forward(5)).includes(`${COUNT + 1}: app`));
  });
});
