import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Millis, minutes, seconds } from "../lib/units.ts";
import type { Effect, Event } from "./events.ts";
import { type ConnectionOptions, type ConnectionTable, newConnectionTable, type Phase } from "./state.ts";
import { step } from "./step.ts";

const START: Millis = 1_767_225_600_000;

type Brief = readonly string[];

/** A table of connections that is told what happens, and answers with effects in short form. */
function newTable(options: Partial<ConnectionOptions> = {}) {
  const table = newConnectionTable(options);
  return {
    table,
    /** Feeds one event at a time after the start. */
    at(ms: Millis, event: Event): Brief {
      const effects = step(table, event, START + ms).map(brief);
      assertInvariants(table);
      return effects;
    },
    /** Ticks every 200 ms, and tells at which second something happened. */
    ticks(from: Millis, to: Millis): [number, ...string[]][] {
      const happened: [number, ...string[]][] = [];
      for (let ms = from; ms <= to; ms += 200) {
        const effects = this.at(ms, { type: "tick" });
        if (effects.length > 0) happened.push([ms / 1000, ...effects]);
      }
      return happened;
    },
    phase: (id: string): Phase | undefined => table.byId.get(id)?.phase,
    /** Opened and set up at the given moment. */
    connect(id: string, ms: Millis = 0, setup: Partial<Extract<Event, { type: "setup" }>> = {}): Brief {
      this.at(ms, opened(id));
      return this.at(ms, { ...setupOf(id), ...setup });
    },
  };
}

function brief(effect: Effect): string {
  switch (effect.type) {
    case "refuse":
      return `refuse ${effect.id}: ${effect.reason}`;
    case "registered":
      return `registered ${effect.connection.id}`;
    case "unregistered":
      return `unregistered ${effect.connection.id}: ${effect.cause}`;
    case "close":
      return `close ${effect.id}: ${effect.reason}`;
    case "setupAck":
      return `setupAck ${effect.id}`;
    case "send":
      return `send ${effect.requestId} to ${effect.to.join(" ")}`;
    case "probe":
      return `probe ${effect.to.join(" ")}`;
    case "redirect":
      return `redirect ${effect.id}${effect.to === undefined ? "" : ` to ${effect.to.ip}:${effect.to.port}`}`;
    case "pushSettled":
      return `${effect.outcome} ${effect.requestId} at ${effect.connectionId}`;
  }
}

/** C1, C3 and C5 of DESIGN.md. */
function assertInvariants(table: ConnectionTable): void {
  const all = [...table.byId.values()];
  const registered = all.filter(({ phase }) => phase !== "opened");
  assert.equal(table.registered, registered.length, "C1 registered");
  assert.equal(
    table.sdks,
    registered.filter(({ phase, source }) => source === "sdk" && phase !== "leaving").length,
    "C1 sdks",
  );
  assert.equal(
    [...table.registeredByIp.values()].reduce((sum, count) => sum + count, 0),
    registered.length,
    "C1 by ip",
  );
  for (const held of all) {
    assert.equal(held.checkAt === undefined, held.phase === "leaving", "C3");
    for (const push of held.pending.values()) {
      assert.ok(push.waiting.has(held.id), "C5 waiting");
      assert.equal(table.pushes.get(push.requestId), push, "C5 pushes");
    }
  }
  for (const push of table.pushes.values()) {
    assert.ok(push.waiting.size > 0, "C5 somebody waits");
    for (const id of push.waiting) assert.equal(table.byId.get(id)?.pending.get(push.requestId), push, "C5 pending");
  }
}

function opened(id: string): Extract<Event, { type: "opened" }> {
  return { type: "opened", id, remoteIp: "10.0.0.1", remotePort: 40_000, localPort: 9848 };
}

function setupOf(id: string): Extract<Event, { type: "setup" }> {
  return {
    type: "setup",
    id,
    clientIp: "10.0.0.1",
    clientVersion: "Nacos-Go-Client:v2.3.5",
    tenant: "",
    labels: { source: "sdk", module: "naming" },
    abilities: undefined,
    tls: false,
  };
}

function ack(id: string, about: Partial<Extract<Event, { type: "ack" }>> = {}): Event {
  return {
    type: "ack",
    id,
    requestId: undefined,
    response: "NotifySubscriberResponse",
    resultCode: 200,
    errorCode: 0,
    message: "",
    ...about,
  };
}

function push(requestId: string, to: string[], expects = "NotifySubscriberResponse"): Event {
  return { type: "push", requestId, expects, to, timeoutMs: seconds(5) };
}

const tick: Event = { type: "tick" };

describe("every phase and every event", () => {
  type Row = Record<Event["type"], { effects: Brief; phase: Phase | undefined }>;
  const events: { [T in Event["type"]]: Event } = {
    opened: opened("other"),
    setup: setupOf("c"),
    activity: { type: "activity", id: "c" },
    ack: ack("c"),
    push: push("1", ["c"]),
    blocked: { type: "blocked", id: "c" },
    drained: { type: "drained", id: "c" },
    closed: { type: "closed", id: "c", cause: "TCP ended" },
    reset: { type: "reset", id: "c", redirect: undefined },
    reload: { type: "reload", keep: 0, share: 1, redirect: undefined },
    drain: { type: "drain", withinMs: seconds(15) },
    tick,
  };
  const stays = (phase: Phase | undefined, ...effects: string[]) => ({ effects, phase });
  const table: Record<Phase | "absent", Row> = {
    absent: {
      opened: stays(undefined),
      setup: stays(undefined),
      activity: stays(undefined),
      ack: stays(undefined),
      push: stays(undefined, "gone 1 at c"),
      blocked: stays(undefined),
      drained: stays(undefined),
      closed: stays(undefined),
      reset: stays(undefined),
      reload: stays(undefined),
      drain: stays(undefined),
      tick: stays(undefined),
    },
    opened: {
      opened: stays("opened"),
      setup: stays("live", "registered c"),
      activity: stays("opened"),
      ack: stays("opened"),
      push: stays("opened", "gone 1 at c"),
      blocked: stays("opened"),
      drained: stays("opened"),
      closed: stays(undefined),
      reset: stays("opened"),
      reload: stays("opened"),
      drain: stays(undefined, "close c: the server is stopping"),
      tick: stays("opened"),
    },
    live: {
      opened: stays("live"),
      setup: stays("live"),
      activity: stays("live"),
      ack: stays("live"),
      push: stays("live", "send 1 to c"),
      blocked: stays("live"),
      drained: stays("live"),
      closed: stays(undefined, "unregistered c: TCP ended"),
      reset: stays("leaving", "redirect c"),
      reload: stays("leaving", "redirect c"),
      drain: stays("leaving", "redirect c"),
      tick: stays("live"),
    },
    probed: {
      opened: stays("probed"),
      setup: stays("live"),
      activity: stays("live"),
      ack: stays("live"),
      push: stays("probed", "send 1 to c"),
      blocked: stays("probed"),
      drained: stays("probed"),
      closed: stays(undefined, "unregistered c: TCP ended"),
      reset: stays("leaving", "redirect c"),
      reload: stays("leaving", "redirect c"),
      drain: stays("leaving", "redirect c"),
      tick: stays("probed"),
    },
    leaving: {
      opened: stays("leaving"),
      setup: stays("leaving"),
      activity: stays("leaving"),
      ack: stays("leaving"),
      push: stays("leaving", "send 1 to c"),
      blocked: stays("leaving"),
      drained: stays("leaving"),
      closed: stays(undefined, "unregistered c: TCP ended"),
      reset: stays("leaving"),
      reload: stays("leaving"),
      drain: stays("leaving"),
      tick: stays("leaving"),
    },
  };

  const reach: Record<Phase | "absent", (on: ReturnType<typeof newTable>) => Millis> = {
    absent: () => 0,
    opened: (on) => {
      on.at(0, opened("c"));
      return 100;
    },
    live: (on) => {
      on.connect("c");
      return 100;
    },
    probed: (on) => {
      on.connect("c");
      on.at(seconds(20), tick);
      return seconds(20);
    },
    leaving: (on) => {
      on.connect("c");
      on.at(0, events.reset);
      return 100;
    },
  };

  for (const [phase, row] of Object.entries(table) as [Phase | "absent", Row][])
    for (const [type, expected] of Object.entries(row) as [Event["type"], Row[Event["type"]]][])
      test(`${phase} × ${type}`, () => {
        const on = newTable();
        const now = reach[phase](on);
        assert.equal(on.phase("c") ?? "absent", phase);

        assert.deepEqual(on.at(now, events[type]), expected.effects);
        assert.equal(on.phase("c"), expected.phase);
      });
});

describe("registration", () => {
  test("makes what the setup says known, with defaults for what it leaves out", () => {
    const on = newTable();
    on.connect("c", 0, { clientIp: "", labels: {}, tenant: "team-a", tls: true });

    const held = on.table.byId.get("c");
    assert.equal(held?.clientIp, "10.0.0.1", "the TCP peer's address");
    assert.deepEqual(
      [held?.appName, held?.module, held?.source, held?.tenant, held?.tls],
      ["-", "", "sdk", "team-a", true],
    );
  });

  test("is followed by the server's abilities exactly when the client sent its own, be they none (C8)", () => {
    const on = newTable();
    assert.deepEqual(on.connect("java", 0, { abilities: { fuzzyWatch: true } }), ["registered java", "setupAck java"]);
    assert.deepEqual(on.connect("node", 0, { abilities: {} }), ["registered node", "setupAck node"]);
    assert.deepEqual(on.connect("go", 0), ["registered go"]);
  });

  test("happens once: a second setup changes nothing", () => {
    const on = newTable();
    on.connect("c");

    assert.deepEqual(on.at(1, { ...setupOf("c"), tenant: "other", abilities: {} }), []);
    assert.equal(on.table.byId.get("c")?.tenant, "");
  });

  test("is missing after a minute without calls: the connection is closed", () => {
    const on = newTable();
    on.at(0, opened("c"));
    on.at(seconds(30), { type: "activity", id: "c" });

    assert.deepEqual(on.ticks(0, minutes(2)), [[90, "close c: it never sent its setup"]]);
  });
});

describe("limits", () => {
  test("a connection over the total is refused with the reason, until another one ends", () => {
    const on = newTable({ connectionsMax: 1 });
    on.at(0, opened("a"));
    assert.deepEqual(on.at(0, opened("b")), ["refuse b: the limit of 1 connections is reached"]);
    assert.equal(on.phase("b"), undefined);

    on.at(1, { type: "closed", id: "a", cause: "TCP ended" });
    assert.deepEqual(on.at(1, opened("b")), []);
  });

  test("a client address over its limit is not registered, until another of its connections ends", () => {
    const on = newTable({ connectionsPerIpMax: 1 });
    on.connect("a");
    assert.deepEqual(on.connect("b"), ["close b: the limit of 1 connections of 10.0.0.1 is reached"]);
    assert.deepEqual(on.connect("c", 0, { clientIp: "10.0.0.2" }), ["registered c"]);

    on.at(1, { type: "closed", id: "a", cause: "TCP ended" });
    assert.deepEqual(on.connect("d", 1), ["registered d"]);
  });
});

describe("liveness", () => {
  test("after 20 s of silence a connection is probed, and 5 s later it is gone", () => {
    const on = newTable();
    on.connect("c");

    assert.deepEqual(on.ticks(0, minutes(1)), [
      [20, "probe c"],
      [
        25,
        "unregistered c: it was silent for 25 s and did not answer",
        "close c: it was silent for 25 s and did not answer",
      ],
    ]);
  });

  test("any activity keeps it: 20 s are counted from the last", () => {
    const on = newTable();
    on.connect("c");
    on.at(seconds(12), { type: "activity", id: "c" });

    assert.deepEqual(on.ticks(0, seconds(34)), [[32, "probe c"]]);
    on.at(seconds(36), { type: "activity", id: "c" });
    assert.deepEqual(on.ticks(seconds(36), seconds(57)), [[56, "probe c"]]);
  });

  test("a refused acknowledgement is a sign of life like any other", () => {
    const on = newTable();
    on.connect("c");
    on.at(seconds(20), tick);
    on.at(seconds(24), ack("c", { response: "ClientDetectionResponse", resultCode: 500 }));

    assert.equal(on.phase("c"), "live");
    assert.deepEqual(on.at(seconds(25), tick), []);
  });

  test("all that are idle at a tick are probed with one request", () => {
    const on = newTable();
    for (const id of ["a", "b", "c"]) on.connect(id);

    assert.deepEqual(on.at(seconds(20), tick), ["probe a b c"]);
  });

  test("time that was lost, as when the process was suspended, still leaves everyone 5 s to answer", () => {
    const on = newTable();
    on.connect("c");

    assert.deepEqual(on.at(minutes(10), tick), ["probe c"]);
    assert.deepEqual(on.at(minutes(10) + seconds(4.9), tick), []);
    on.at(minutes(10) + seconds(4.9), { type: "activity", id: "c" });
    assert.deepEqual(on.at(minutes(10) + seconds(5), tick), []);
  });

  test("whoever was asked before the process stood still has 5 s after it, as the answer may wait unread", () => {
    const on = newTable();
    on.connect("asked");
    on.connect("dead");
    on.ticks(0, seconds(21));

    assert.deepEqual(on.at(seconds(40), tick), []);
    on.at(seconds(40), { type: "activity", id: "asked" });
    assert.deepEqual(on.ticks(seconds(40.2), seconds(50)), [
      [
        45,
        "unregistered dead: it was silent for 45 s and did not answer",
        "close dead: it was silent for 45 s and did not answer",
      ],
    ]);
    assert.equal(on.phase("asked"), "live");
  });

  test("a tick looks at what is due, not at every connection", () => {
    const on = newTable();
    for (let at = 0; at < 1000; at++) on.connect(`c${at}`);
    for (let at = 0; at < 1000; at++) on.at(seconds(1), { type: "activity", id: `c${at}` });
    on.table.byId.values = () => assert.fail("a tick went through all connections");

    for (let ms = seconds(1); ms < seconds(20); ms += 200) assert.deepEqual(step(on.table, tick, START + ms), []);
  });
});

describe("an acknowledgement", () => {
  test("settles the push it names", () => {
    const on = newTable();
    on.connect("c");
    on.at(0, push("1", ["c"]));
    on.at(0, push("2", ["c"]));

    assert.deepEqual(on.at(1, ack("c", { requestId: "2" })), ["acked 2 at c"]);
    assert.deepEqual(on.at(1, ack("c", { requestId: "1", response: "AnyResponse" })), ["acked 1 at c"], "of any type");
  });

  test("without an id settles the oldest push that its type answers", () => {
    const on = newTable();
    on.connect("c");
    on.at(0, push("1", ["c"], "ConfigChangeNotifyResponse"));
    on.at(0, push("2", ["c"]));
    on.at(0, push("3", ["c"]));

    assert.deepEqual(on.at(1, ack("c", { response: "ConfigChangeNotifyResponse" })), ["acked 1 at c"]);
    assert.deepEqual(on.at(1, ack("c")), ["acked 2 at c"]);
    assert.deepEqual(on.at(1, ack("c", { requestId: "an id of its own" })), ["acked 3 at c"]);
    assert.deepEqual(on.at(1, ack("c")), []);
  });

  test("of type NotifySubscriberResponse answers a config push too, as Go and Python send it", () => {
    const on = newTable();
    on.connect("c");
    on.at(0, push("1", ["c"], "ConfigChangeNotifyResponse"));

    assert.deepEqual(on.at(1, ack("c")), ["acked 1 at c"]);
  });

  test("of a type that no push expects settles none", () => {
    const on = newTable();
    on.connect("c");
    on.at(0, push("1", ["c"]));

    assert.deepEqual(on.at(1, ack("c", { response: "ConfigChangeNotifyResponse" })), []);
    assert.deepEqual(on.at(1, ack("c", { requestId: "9", response: "SetupAckResponse" })), []);
  });

  test("settles only pushes of its own connection", () => {
    const on = newTable();
    on.connect("a");
    on.connect("b");
    on.at(0, push("1", ["a"]));

    assert.deepEqual(on.at(1, ack("b", { requestId: "1" })), []);
  });

  test("with a result code other than 200 is a refusal, with its code and text", () => {
    const on = newTable();
    on.connect("c");
    on.at(0, push("1", ["c"]));
    const refusal = ack("c", { requestId: "1", resultCode: 500, errorCode: -500, message: "handler failed" });

    assert.deepEqual(step(on.table, refusal, START + 1), [
      {
        type: "pushSettled",
        connectionId: "c",
        requestId: "1",
        outcome: "refused",
        errorCode: -500,
        message: "handler failed",
      },
    ]);
  });

  test("that comes after its push was given up settles nothing, least of all the next push (C6)", () => {
    const on = newTable();
    on.connect("c");
    on.at(0, push("1", ["c"]));
    assert.deepEqual(on.at(seconds(5), tick), ["timeout 1 at c"]);
    on.at(seconds(6), push("2", ["c"]));

    assert.deepEqual(on.at(seconds(7), ack("c", { requestId: "1" })), []);
    assert.deepEqual(on.at(seconds(7), ack("c", { requestId: "2" })), ["acked 2 at c"]);
  });
});

describe("a push", () => {
  test("to many is sent once, and settles for each on its own", () => {
    const on = newTable();
    for (const id of ["a", "b", "c"]) on.connect(id);

    assert.deepEqual(on.at(0, push("1", ["a", "b", "gone", "c", "a"])), ["send 1 to a b c", "gone 1 at gone"]);
    assert.deepEqual(on.at(1, ack("b", { requestId: "1" })), ["acked 1 at b"]);
    assert.deepEqual(on.at(2, { type: "closed", id: "a", cause: "TCP ended" }), [
      "gone 1 at a",
      "unregistered a: TCP ended",
    ]);
    assert.deepEqual(on.at(seconds(5), tick), ["timeout 1 at c"]);
    assert.equal(on.table.pushes.size, 0);
  });

  test("waits exactly as long as it is told", () => {
    const on = newTable();
    on.connect("c");
    on.at(0, push("1", ["c"]));

    assert.deepEqual(on.at(seconds(5) - 1, tick), []);
    assert.deepEqual(on.at(seconds(5), tick), ["timeout 1 at c"]);
  });

  test("over the bound of unacknowledged pushes is not sent, and says so", () => {
    const on = newTable({ pendingMax: 2 });
    on.connect("c");
    on.at(0, push("1", ["c"]));
    on.at(0, push("2", ["c"]));

    assert.deepEqual(on.at(0, push("3", ["c"])), ["busy 3 at c"]);
    on.at(1, ack("c"));
    assert.deepEqual(on.at(1, push("4", ["c"])), ["send 4 to c"]);
  });

  test("whose request id is pending already is a fault of the caller", () => {
    const on = newTable();
    on.connect("c");
    on.at(0, push("1", ["c"]));

    assert.throws(() => on.at(0, push("1", ["c"])), /broken invariant: request ids/);
  });

  test("never has the id of a probe or a reset (C7)", () => {
    const on = newTable();
    on.connect("c");
    const [probe] = step(on.table, tick, START + seconds(20));

    assert.equal(probe?.type === "probe" && probe.requestId, "1000000000000000");
  });
});

describe("a connection that reads slowly", () => {
  test("is sent no pushes until it drains", () => {
    const on = newTable();
    on.connect("c");
    on.at(0, { type: "blocked", id: "c" });
    assert.deepEqual(on.at(1, push("1", ["c"])), ["busy 1 at c"]);

    on.at(2, { type: "drained", id: "c" });
    assert.deepEqual(on.at(2, push("2", ["c"])), ["send 2 to c"]);
  });

  test("for longer than the bound is dropped, active or not", () => {
    const on = newTable({ blockedMs: seconds(10) });
    on.connect("c");
    on.at(seconds(1), { type: "blocked", id: "c" });
    on.at(seconds(5), { type: "blocked", id: "c" });
    on.at(seconds(9), { type: "activity", id: "c" });

    assert.deepEqual(on.ticks(0, seconds(12)), [
      [
        11,
        "unregistered c: its send queue was over the limit for 10 s",
        "close c: its send queue was over the limit for 10 s",
      ],
    ]);
  });

  test("begins anew when it has drained in between", () => {
    const on = newTable({ blockedMs: seconds(10) });
    on.connect("c");
    on.at(seconds(1), { type: "blocked", id: "c" });
    on.at(seconds(6), { type: "drained", id: "c" });
    on.at(seconds(8), { type: "blocked", id: "c" });

    assert.deepEqual(on.ticks(0, seconds(17.8)), []);
    assert.equal(on.ticks(seconds(18), seconds(19)).length, 1);
  });
});

describe("telling connections to go elsewhere", () => {
  const elsewhere = { ip: "10.0.0.3", port: 8848 };

  test("one is told, and closed after 3 s whether it answered or not", () => {
    const on = newTable();
    on.connect("c");
    assert.deepEqual(on.at(0, { type: "reset", id: "c", redirect: elsewhere }), ["redirect c to 10.0.0.3:8848"]);
    on.at(1000, ack("c", { response: "ConnectResetResponse" }));

    assert.deepEqual(on.ticks(0, seconds(4)), [
      [3, "unregistered c: it was told to leave", "close c: it was told to leave"],
    ]);
  });

  test("the newest go first, those without unacknowledged pushes before the others", () => {
    const on = newTable();
    for (let at = 0; at < 4; at++) on.connect(`c${at}`, at);
    on.at(10, push("1", ["c3"]));

    assert.deepEqual(on.at(10, { type: "reload", keep: 1, share: 1, redirect: undefined }), [
      "redirect c2",
      "redirect c1",
      "redirect c0",
    ]);
  });

  test("connections of members and those without setup stay where they are", () => {
    const on = newTable();
    on.connect("member", 0, { labels: { source: "cluster" } });
    on.at(0, opened("new"));
    on.connect("sdk");

    assert.deepEqual(on.at(1, { type: "reload", keep: 0, share: 1, redirect: undefined }), ["redirect sdk"]);
  });

  test("moves at most the given share in one go", () => {
    for (const [count, moved] of [
      [1, 1],
      [5, 1],
      [10, 1],
      [30, 3],
      [70, 7],
    ] as const) {
      const on = newTable();
      for (let at = 0; at < count; at++) on.connect(`c${at}`, at);
      const told = on.at(count, { type: "reload", keep: 0, share: 0.1, redirect: undefined });
      assert.equal(told.length, moved, `of ${count}`);
    }
  });

  test("SDKs of Go are not told where to go, as they would try it for ever, unless it is one that an operator sends", () => {
    const on = newTable();
    const redirect = { ip: "10.0.0.2", port: 8848 };
    on.connect("go", 1);
    on.connect("java", 2, { clientVersion: "Nacos-Java-Client:v3.2.1" });
    on.connect("other-go", 3);
    const told = on.at(4, { type: "reload", keep: 1, share: 1, redirect });
    assert.deepEqual(told, ["redirect other-go", "redirect java to 10.0.0.2:8848"]);
    assert.deepEqual(on.at(5, { type: "reset", id: "go", redirect }), ["redirect go to 10.0.0.2:8848"]);
  });

  test("those that have just come may be left where they are: who was told and came back knows no other member", () => {
    const on = newTable();
    on.connect("old", 0);
    on.connect("new", seconds(50));
    const order = { type: "reload", keep: 0, share: 1, redirect: undefined, settledMs: seconds(60) } as const;
    assert.deepEqual(on.at(seconds(61), order), ["redirect old"]);
    assert.deepEqual(on.at(seconds(110), order), ["redirect new"]);
  });

  test("those that are leaving already are not counted again", () => {
    const on = newTable();
    for (let at = 0; at < 4; at++) on.connect(`c${at}`, at);
    on.at(5, { type: "reload", keep: 2, share: 1, redirect: undefined });

    assert.deepEqual(on.at(6, { type: "reload", keep: 2, share: 1, redirect: undefined }), []);
  });
});

describe("stopping", () => {
  test("a tenth is told each second, each is closed 3 s later, and nothing new is let in", () => {
    const on = newTable();
    for (let at = 0; at < 400; at++) on.connect(`c${at}`, at);
    const first = on.at(seconds(1), { type: "drain", withinMs: seconds(15) });
    assert.deepEqual([first.length, first[0], first[39]], [40, "redirect c0", "redirect c39"]);
    assert.deepEqual(on.at(seconds(1), opened("new")), ["refuse new: the server is stopping"]);

    const told = on
      .ticks(seconds(1), seconds(14))
      .map(([at, ...effects]) => [
        at,
        effects.filter((effect) => effect.startsWith("redirect")).length,
        effects.filter((effect) => effect.startsWith("close")).length,
      ]);
    assert.deepEqual(told, [
      [2, 40, 0],
      [3, 40, 0],
      ...[4, 5, 6, 7, 8, 9, 10].map((at) => [at, 40, 40]),
      ...[11, 12, 13].map((at) => [at, 0, 40]),
    ]);
    assert.equal(on.table.byId.size, 0);
  });

  test("a few are told all at once", () => {
    const on = newTable();
    for (let at = 0; at < 20; at++) on.connect(`c${at}`, at);
    assert.equal(on.at(seconds(1), { type: "drain", withinMs: seconds(15) }).length, 20);
  });

  test("what is left when the time is up is closed", () => {
    const on = newTable();
    for (let at = 0; at < 100; at++) on.connect(`c${at}`, at);
    on.at(seconds(1), { type: "drain", withinMs: seconds(2) });

    const last = on.ticks(seconds(1), seconds(3)).at(-1);
    assert.equal(last?.[0], 3);
    assert.equal(last?.filter((effect) => String(effect).startsWith("close")).length, 100);
    assert.equal(on.table.byId.size, 0);
  });

  test("a second order may only bring the end nearer", () => {
    const on = newTable();
    for (let at = 0; at < 300; at++) on.connect(`c${at}`, at);
    on.at(seconds(1), { type: "drain", withinMs: seconds(10) });
    on.at(seconds(1), { type: "drain", withinMs: seconds(60) });
    on.ticks(seconds(1), seconds(10.8));
    assert.equal(on.table.byId.size, 90, "told in the last three seconds, still leaving");
    on.at(seconds(11), tick);

    assert.equal(on.table.byId.size, 0);

    const hurried = newTable();
    for (let at = 0; at < 100; at++) hurried.connect(`c${at}`, at);
    hurried.at(seconds(1), { type: "drain", withinMs: seconds(10) });
    hurried.at(seconds(2), { type: "drain", withinMs: 0 });
    assert.equal(hurried.table.byId.size, 0);
  });

  test("more connections than a call takes as arguments may miss a push, and are closed, at one moment", () => {
    const table = newConnectionTable({ connectionsMax: 150_000 });
    const ids = Array.from({ length: 150_000 }, (_, at) => `c${at}`);
    for (const id of ids) {
      step(table, opened(id), START);
      step(table, setupOf(id), START);
    }
    step(table, push("1", ids), START);
    assert.equal(step(table, { type: "tick" }, START + seconds(6)).length, 150_000);
    // Each: gone to the features, and closed.
    assert.equal(step(table, { type: "drain", withinMs: 0 }, START + seconds(6)).length, 300_000);
  });
});
