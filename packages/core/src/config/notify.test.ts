import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigBench, config, holding, noticed, noticesOf } from "@nacre/testkit/config-bench";
import { assertListeningInvariants } from "@nacre/testkit/config-invariants";
import { seconds } from "../lib/units.ts";
import { RECEIVERS_MAX } from "./state.ts";

const app = config("app");
const log = config("log");

/** Clients that listen to `app` and hold its content "old". */
function listening(...clientIds: string[]): ConfigBench {
  const bench = new ConfigBench();
  bench.publish(app, "old");
  for (const clientId of clientIds) bench.listen(clientId, holding(app, "old"));
  return bench;
}

describe("an import", () => {
  test("looks up who waits for it some at a time, and tells all of them", () => {
    const names = Array.from({ length: 5_000 }, (_, at) => config(`app-${at}`));
    const bench = new ConfigBench({}, { checked: false });
    bench.listen("c1", ...names.map((name) => holding(name)));
    const first = bench.import(names, "new");
    assert.ok(bench.state.unnoted.size > 3_000, `only ${bench.state.unnoted.size} wait for the next step`);
    assertListeningInvariants(bench.state);
    const told = noticed([...first, ...bench.forward(seconds(1))]);
    assert.deepEqual([told.length, new Set(told).size], [5_000, 5_000]);
    assert.equal(bench.state.unnoted.size, 0);
  });

  test("of what changes again before anybody was told is one change", () => {
    const names = Array.from({ length: 5_000 }, (_, at) => config(`app-${at}`));
    const bench = new ConfigBench({}, { checked: false });
    bench.listen("c1", ...names.map((name) => holding(name)));
    const last = config("app-4999");
    const effects = [...bench.import(names, "new"), ...bench.publish(last, "newer"), ...bench.forward(seconds(1))];
    assert.deepEqual(
      noticed(effects).filter((text) => text.startsWith("app-4999 ")),
      ["app-4999 to c1"],
    );
  });
});

describe("a change", () => {
  test("is told to all who listen to it, in one message, and to nobody else", () => {
    const bench = listening("c1", "c2");
    bench.listen("c3", holding(log));
    const effects = bench.publish(app, "new");
    assert.deepEqual(noticed(effects), ["app to c1 c2"]);
    assert.deepEqual(bench.state.notifications, { sent: 2, acked: 0, failed: 0, givenUp: 0 });
  });

  test("may be the first version, or the removal of the last", () => {
    const bench = new ConfigBench();
    bench.listen("c1", holding(app));
    const made = bench.publish(app, "new");
    assert.deepEqual(noticed(made), ["app to c1"]);
    bench.settleAll(made);
    assert.deepEqual(noticed(bench.remove(app)), ["app to c1"]);
  });

  test("is told in one message for all who spell the namespace alike (G6)", () => {
    const bench = listening();
    for (const [clientId, form] of [
      ["a1", "absent"],
      ["b1", "blank"],
      ["a2", "absent"],
      ["g1", "given"],
    ] as const)
      bench.listen(clientId, holding(app, "old", form));
    const notices = noticesOf(bench.publish(app, "new"));
    assert.deepEqual(
      notices.map(({ form, to }) => `${form}: ${to.join(" ")}`),
      ["absent: a1 a2", "blank: b1", "given: g1"],
    );
    assert.equal(new Set(notices.map(({ requestId }) => requestId)).size, 3, "each with an id of its own");
  });

  test("is no news for whoever has said that it holds just this", () => {
    const bench = listening("other", "beta");
    bench.labels.set("beta", { ClientIp: "10.0.0.1" });
    bench.listen("beta", holding(app, "old"));
    assert.deepEqual(noticed(bench.publish(app, "old")), [], "published again as it was");
    assert.deepEqual(noticed(bench.publishBeta(app, "beta", "10.0.0.1")), ["app to beta"]);
    assert.deepEqual(noticed(bench.publishBeta(app, "beta", "10.0.0.1,10.0.0.2")), [], "on its way");
  });

  test("is told also when it goes back to what the client held before it was told", () => {
    const bench = listening("c1");
    bench.settleAll(bench.publish(app, "new"));
    assert.deepEqual(noticed(bench.publish(app, "old")), ["app to c1"], "it may have fetched the other since");
  });

  test("is told also when it goes back to what the client held before it was answered that it differs", () => {
    const bench = listening();
    bench.publish(app, "new");
    bench.listen("c1", holding(app, "old"));
    assert.deepEqual(noticed(bench.publish(app, "old")), ["app to c1"]);
  });

  test("is not told to whoever stopped listening, or has gone", () => {
    const bench = listening("c1", "c2", "c3");
    bench.unlisten("c1", app);
    bench.disconnect("c2");
    assert.deepEqual(noticed(bench.publish(app, "new")), ["app to c3"]);
  });
});

describe("a notice that is not acknowledged", () => {
  for (const outcome of ["refused", "timeout"] as const)
    test(`is repeated after 2 s, then 4, then 6, as long as the answer is "${outcome}"`, () => {
      const bench = listening("c1");
      let effects = bench.publish(app, "new");
      for (const waitMs of [2, 4, 6].map(seconds)) {
        bench.settleAll(effects, outcome);
        assert.deepEqual(noticed(bench.forward(waitMs - 1)), [], `not before ${waitMs} ms`);
        effects = bench.forward(5);
        assert.deepEqual(noticed(effects), ["app to c1"]);
      }
      bench.settleAll(effects);
      bench.served("c1", app, "new");
      assert.deepEqual(bench.forward(seconds(100)), []);
      assert.deepEqual(bench.state.notifications, { sent: 4, acked: 1, failed: 3, givenUp: 0 });
    });

  test("is repeated in one message for all who missed it together", () => {
    const bench = listening("c1", "c2", "c3");
    bench.settleAll(bench.publish(app, "new"), "timeout");
    assert.deepEqual(noticed(bench.forward(seconds(3))), ["app to c1 c2 c3"]);
  });

  test("is given up after the last attempt, and the next change starts anew", () => {
    const bench = new ConfigBench({ notifyAttemptsMax: 3 });
    bench.listen("c1", holding(app));
    let sent = 0;
    for (let effects = bench.publish(app, "new"); noticed(effects).length > 0; sent++) {
      bench.settleAll(effects, "timeout");
      effects = bench.forward(seconds(30));
    }
    assert.equal(sent, 3);
    assert.deepEqual(bench.state.notifications, { sent: 3, acked: 0, failed: 3, givenUp: 1 });
    assert.equal(bench.state.listenerCount, 1, "it still listens");
    assert.deepEqual(noticed(bench.publish(app, "newer")), ["app to c1"]);
  });

  test("does not count as missed while the connection takes nothing", () => {
    const bench = new ConfigBench({ notifyAttemptsMax: 2 });
    bench.listen("c1", holding(app));
    let effects = bench.publish(app, "new");
    for (let time = 0; time < 10; time++) {
      assert.deepEqual(noticed(effects), ["app to c1"]);
      bench.settleAll(effects, "busy");
      effects = bench.forward(seconds(3));
    }
  });

  test("is not repeated to a connection that is gone", () => {
    const bench = listening("c1");
    bench.settleAll(bench.publish(app, "new"), "gone");
    assert.deepEqual(bench.forward(seconds(100)), []);
    bench.disconnect("c1");
    assert.equal(bench.state.notices.size, 0);
  });

  test("is settled when the client listens with the newest version", () => {
    const bench = listening("c1");
    const effects = bench.publish(app, "new");
    bench.listen("c1", holding(app, "new"));
    assert.equal(bench.state.notices.size, 0);
    bench.settleAll(effects, "timeout");
    assert.deepEqual(bench.forward(seconds(100)), []);
  });

  test("is settled when the client is given the newest version, and not by an older one", () => {
    const bench = listening("c1");
    bench.settleAll(bench.publish(app, "new"), "timeout");
    bench.served("c1", app, "old");
    const effects = bench.forward(seconds(3));
    assert.deepEqual(noticed(effects), ["app to c1"]);
    bench.settleAll(effects, "timeout");
    bench.served("c1", app, "new");
    assert.deepEqual(bench.forward(seconds(100)), []);
  });

  test("is not settled by a listen with another version: the answer to that may be lost too", () => {
    const bench = listening("c1");
    bench.settleAll(bench.publish(app, "new"), "timeout");
    bench.listen("c1", holding(app, "old"));
    assert.deepEqual(noticed(bench.forward(seconds(3))), ["app to c1"]);
  });
});

describe("a notice that is acknowledged", () => {
  test("is repeated when the client does not fetch: after 10 s, then 20, then 30, and no more", () => {
    const bench = listening("c1");
    let effects = bench.publish(app, "new");
    for (const waitMs of [10, 20, 30].map(seconds)) {
      bench.settleAll(effects);
      assert.deepEqual(noticed(bench.forward(waitMs - 1)), [], `not before ${waitMs} ms`);
      effects = bench.forward(10);
      assert.deepEqual(noticed(effects), ["app to c1"]);
    }
    bench.settleAll(effects);
    assert.deepEqual(bench.forward(seconds(1000)), []);
    assert.deepEqual([bench.state.reminding.size, bench.state.tasks.size], [0, 0]);
  });

  for (const [what, fetch] of [
    ["asks for the newest version", (bench: ConfigBench) => bench.served("c1", app, "new", false)],
    ["listens with the newest version", (bench: ConfigBench) => bench.listen("c1", holding(app, "new"))],
    ["stops listening", (bench: ConfigBench) => bench.unlisten("c1", app)],
  ] as const)
    test(`is not repeated when the client ${what}`, () => {
      const bench = listening("c1", "c2");
      bench.settleAll(bench.publish(app, "new"));
      fetch(bench);
      bench.served("c2", app, "new", false);
      assert.deepEqual(noticed(bench.forward(seconds(1000))), []);
      assert.equal(bench.state.reminding.size, 0);
    });

  test("is repeated to those who did not fetch, in one message, and not to the others", () => {
    const bench = listening("c1", "c2", "c3");
    bench.settleAll(bench.publish(app, "new"));
    bench.served("c2", app, "new", false);
    bench.served("c3", app, "old", false);
    assert.deepEqual(noticed(bench.forward(seconds(11))), ["app to c1 c3"]);
  });

  test("makes room for the next change, whose reminders start anew", () => {
    const bench = listening("c1");
    bench.settleAll(bench.publish(app, "new"));
    bench.settleAll(bench.forward(seconds(11)));
    bench.settleAll(bench.publish(app, "newer"));
    assert.deepEqual(noticed(bench.forward(seconds(12))), ["app to c1"]);
  });
});

describe("a notice that is lost", () => {
  test("is still owed when an application asks for the newest version beside its listener", () => {
    const bench = listening("c1");
    bench.settleAll(bench.publish(app, "new"), "timeout");
    bench.served("c1", app, "new", false);
    assert.deepEqual(noticed(bench.forward(seconds(3))), ["app to c1"]);
  });
});

describe("a change while a notice is on its way", () => {
  for (const outcome of ["acked", "timeout"] as const)
    test(`is told once more after "${outcome}", however many changes there were`, () => {
      const bench = listening("c1");
      const first = bench.publish(app, "new");
      assert.deepEqual(noticed([...bench.publish(app, "newer"), ...bench.publish(app, "newest")]), []);
      bench.settleAll(first, outcome);
      const second = bench.forward(10);
      assert.deepEqual(noticed(second), ["app to c1"]);
      bench.settleAll(second);
      bench.served("c1", app, "newest");
      assert.deepEqual(bench.forward(seconds(100)), []);
    });

  test("is told in one message to all who acknowledge at the same time", () => {
    const bench = listening("c1", "c2", "c3");
    const first = bench.publish(app, "new");
    bench.publish(app, "newer");
    bench.settleAll(first);
    assert.deepEqual(noticed(bench.forward(10)), ["app to c1 c2 c3"]);
  });

  test("is told as a new one: its repetitions wait 2 s first, whatever was missed before it", () => {
    const bench = listening("c1");
    bench.settleAll(bench.publish(app, "new"), "timeout");
    const repeated = bench.forward(seconds(3));
    bench.publish(app, "newer");
    bench.settleAll(repeated, "timeout");
    bench.settleAll(bench.forward(10), "timeout");
    assert.deepEqual(noticed(bench.forward(seconds(2) + 5)), ["app to c1"]);
  });

  test("is not settled by the late answer to an older message", () => {
    const bench = listening("c1", "c2");
    const [old] = noticesOf(bench.publish(app, "new"));
    bench.listen("c1", holding(app, "new"));
    const effects = bench.publish(app, "newer");
    assert.deepEqual(noticed(effects), ["app to c1"], "the other has not answered yet");
    bench.settle("c1", old ?? assert.fail(), "acked");
    bench.settleAll(effects, "timeout");
    assert.deepEqual(noticed(bench.forward(seconds(3))), ["app to c1"]);
  });
});

describe("a change while a listener waits for a repetition", () => {
  test("goes out at once, and the waiting starts anew", () => {
    const bench = listening("c1");
    bench.settleAll(bench.publish(app, "new"), "timeout");
    bench.forward(seconds(1));
    const effects = bench.publish(app, "newer");
    assert.deepEqual(noticed(effects), ["app to c1"]);
    bench.settleAll(effects, "timeout");
    assert.deepEqual(bench.forward(seconds(2) - 1), [], "the first repetition would have been due by now");
    assert.deepEqual(noticed(bench.forward(6)), ["app to c1"], "2 s again, and not 4");
  });
});

describe("a change that many listen to", () => {
  const many = Array.from({ length: 3 * RECEIVERS_MAX + 10 }, (_, at) => `c${at}`);

  test("goes out in messages of so many receivers, one each time the clock is looked at", () => {
    const bench = listening(...many);
    const told: string[] = [];
    let effects = bench.publish(app, "new");
    let steps = 0;
    for (; steps < 10 && noticed(effects).length > 0; steps++) {
      const receivers = noticesOf(effects).flatMap(({ to }) => to);
      assert.ok(receivers.length <= RECEIVERS_MAX);
      told.push(...receivers);
      effects = bench.forward(5);
    }
    assert.equal(steps, 4);
    assert.deepEqual(told, many, "each once");
  });

  test("reaches once whoever has not had its turn when the next one comes", () => {
    const bench = listening(...many);
    const first = bench.publish(app, "new");
    const rest = [...bench.publish(app, "newer"), ...bench.forward(50)];
    const later = noticesOf(rest).flatMap(({ to }) => to);
    assert.deepEqual(later, many.slice(RECEIVERS_MAX));
    bench.settleAll(first);
    bench.settleAll(rest);
    assert.equal(noticesOf(bench.forward(50)).flatMap(({ to }) => to).length, RECEIVERS_MAX, "the first ones again");
  });

  test("reaches once whoever caught up before its turn and was left behind again", () => {
    const bench = listening(...many);
    bench.publish(app, "new");
    const last = many.at(-1) ?? assert.fail();
    bench.listen(last, holding(app, "new"));
    const later = noticesOf([...bench.publish(app, "newer"), ...bench.forward(50)]).flatMap(({ to }) => to);
    assert.deepEqual(later, many.slice(RECEIVERS_MAX));
  });

  test("is not sent to whoever went away or caught up before its turn", () => {
    const bench = listening(...many);
    bench.publish(app, "new");
    const [gone, caught] = many.slice(-2) as [string, string];
    bench.disconnect(gone);
    bench.listen(caught, holding(app, "new"));
    const later = noticesOf(bench.forward(50)).flatMap(({ to }) => to);
    assert.deepEqual(later, many.slice(RECEIVERS_MAX, -2));
  });
});
