import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigBench, config, holding, md5, noticed, refusalOf } from "@nacre/testkit/config-bench";
import { listenedAt, listenedBy, listenersOf } from "./listen-queries.ts";

const app = config("app");
const log = config("log");

describe("a client that listens", () => {
  test("is told at once what differs from what it holds (4.4.4)", () => {
    const bench = new ConfigBench();
    bench.publish(app, "new");
    bench.publish(log, "same");
    assert.deepEqual(bench.differing("c1", holding(app, "old"), holding(log, "same")), ["app"]);
    assert.equal(bench.state.listenerCount, 2, "both are listened to");
  });

  test("holds the same as the server when there is none and it holds nothing", () => {
    const bench = new ConfigBench();
    assert.deepEqual(bench.differing("c1", holding(app)), []);
    assert.deepEqual(
      bench.differing("c1", holding(app, "")),
      [],
      "Go and Python write nothing as the md5 of an empty text",
    );
    assert.deepEqual(noticed(bench.publish(app, "new")), ["app to c1"]);
    bench.remove(app);
    assert.deepEqual(bench.differing("c1", { name: app, form: "given", md5: undefined }), ["app"], "it did not say");
  });

  test("is compared with the gray version that is meant for it (G4)", () => {
    const bench = new ConfigBench();
    bench.publish(app, "formal");
    bench.publishBeta(app, "beta", "10.0.0.1");
    bench.labels.set("beta", { ClientIp: "10.0.0.1" });
    assert.deepEqual(bench.differing("beta", holding(app, "formal")), ["app"]);
    assert.deepEqual(bench.differing("beta", holding(app, "beta")), []);
    assert.deepEqual(bench.differing("other", holding(app, "formal")), []);
  });

  test("is answered with the namespace as it spelled it (G6)", () => {
    const bench = new ConfigBench();
    const effects = bench.listen("c1", holding(app, "old", "blank"), holding(log, "old", "absent"));
    assert.deepEqual(effects, [
      {
        type: "differing",
        changed: [
          { name: app, form: "blank" },
          { name: log, form: "absent" },
        ],
      },
    ]);
  });

  test("adds to what it listens to, and takes from it only what it names", () => {
    const bench = new ConfigBench();
    bench.listen("c1", holding(app));
    bench.listen("c1", holding(log));
    bench.listen("c1", holding(app));
    assert.equal(bench.state.listenerCount, 2);
    bench.unlisten("c1", app, config("never heard of"));
    assert.deepEqual(listenedBy(bench.state, "c1"), [{ name: log, md5: "" }]);
    bench.unlisten("stranger", log);
    assert.equal(bench.state.listenerCount, 1);
  });

  test("leaves nothing behind when its connection ends", () => {
    const bench = new ConfigBench();
    bench.listen("c1", holding(app), holding(log));
    bench.publish(app, "text");
    bench.disconnect("c1");
    bench.remove(app);
    assert.deepEqual(
      [bench.state.listenerCount, bench.state.clients.size, bench.state.items.size, bench.state.notices.size],
      [0, 0, 0, 0],
    );
  });
});

describe("the bounds of listeners (G11)", () => {
  test("a client that would listen to too much is refused with all it asked, and keeps what it had", () => {
    const bench = new ConfigBench({ listenersPerClientMax: 2 });
    bench.listen("c1", holding(app));
    const refused = refusalOf(bench.listen("c1", holding(log), holding(config("third"))));
    assert.match(refused ?? "", /^overThreshold: client c1 .*nacre\.config\.listeners\.perClient\.max = 2/);
    assert.deepEqual(listenedBy(bench.state, "c1"), [{ name: app, md5: "" }]);
    assert.equal(bench.state.items.size, 1, "nothing is kept for what was refused");
  });

  test("a client too many is refused", () => {
    const bench = new ConfigBench({ listenersMax: 1 });
    bench.listen("c1", holding(app));
    assert.match(
      refusalOf(bench.listen("c2", holding(app))) ?? "",
      /^overThreshold: .*nacre\.config\.listeners\.max = 1/,
    );
    assert.equal(bench.state.clients.size, 1);
  });

  test("repeating what is listened to already is allowed at the bound", () => {
    const bench = new ConfigBench({ listenersPerClientMax: 2, listenersMax: 2 });
    bench.listen("c1", holding(app), holding(log));
    assert.equal(refusalOf(bench.listen("c1", holding(app), holding(log), holding(app))), undefined);
  });
});

describe("an operator who looks for listeners", () => {
  const whole = <T>(question: Generator<undefined, T>): T => {
    for (;;) {
      const step = question.next();
      if (step.done === true) return step.value;
    }
  };
  const ips = new Map([
    ["c1", "10.0.0.1"],
    ["c2", "10.0.0.2"],
    ["c3", "10.0.0.1"],
  ]);
  const ipOf = (clientId: string) => ips.get(clientId);

  test("sees by address what each holds, over gRPC and by long polls", () => {
    const bench = new ConfigBench();
    bench.publish(app, "new");
    bench.listen("c1", holding(app, "new"));
    bench.listen("c2", holding(app, "old"));
    bench.listen("gone", holding(app, "old"));
    bench.poll(1, [holding(app, "new")], { ip: "10.0.0.9" });
    assert.deepEqual(
      whole(listenersOf(bench.state, app, ipOf)),
      new Map([
        ["10.0.0.1", md5("new")],
        ["10.0.0.2", md5("old")],
        ["10.0.0.9", md5("new")],
      ]),
    );
    assert.equal(whole(listenersOf(bench.state, config("unknown"), ipOf)).size, 0);
  });

  test("sees of two clients at one address the one that is behind", () => {
    const bench = new ConfigBench();
    bench.publish(app, "new");
    bench.listen("c3", holding(app, "old"));
    bench.listen("c1", holding(app, "new"));
    assert.deepEqual(whole(listenersOf(bench.state, app, ipOf)), new Map([["10.0.0.1", md5("old")]]));
    assert.deepEqual(whole(listenedAt(bench.state, "10.0.0.1", ipOf)), [{ name: app, md5: md5("old") }]);
  });

  test("sees what one address listens to, by all its clients", () => {
    const bench = new ConfigBench();
    bench.listen("c1", holding(app));
    bench.listen("c2", holding(log));
    bench.poll(1, [holding(log)], { ip: "10.0.0.1" });
    assert.deepEqual(
      whole(listenedAt(bench.state, "10.0.0.1", ipOf)).map(({ name }) => name),
      [app, log],
    );
    assert.deepEqual(whole(listenedAt(bench.state, "10.0.0.7", ipOf)), []);
  });

  test("looks at a few hundred listeners at a time, and leaves out clients that go meanwhile", () => {
    const bench = new ConfigBench({}, { checked: false });
    const many = Array.from({ length: 1_000 }, (_, at) => holding(config(`app-${at}`)));
    for (const clientId of ["c1", "c3"]) bench.listen(clientId, ...many);
    const question = listenedAt(bench.state, "10.0.0.1", ipOf);
    let pauses = 0;
    let step = question.next();
    for (; step.done !== true; step = question.next()) if (pauses++ === 0) bench.disconnect("c3");
    assert.ok(pauses >= 6, `${pauses} pauses`);
    assert.equal(step.value.length, 1_000);

    for (let at = 0; at < 1_000; at++) bench.listen(`other-${at}`, holding(app));
    assert.ok([...listenersOf(bench.state, app, ipOf)].length >= 3);
  });

  test("sees that a client was given the new version", () => {
    const bench = new ConfigBench();
    bench.publish(app, "new");
    bench.listen("c1", holding(app, "old"));
    bench.served("c1", app, "new");
    assert.deepEqual(whole(listenersOf(bench.state, app, ipOf)), new Map([["10.0.0.1", md5("new")]]));
  });
});
