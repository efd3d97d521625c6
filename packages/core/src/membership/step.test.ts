import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { minutes, seconds } from "../lib/units.ts";
import { Bench, type Peer } from "./bench.fixture.ts";
import { isolation, list, listDifferences, peers, refusals, refusedByMost, self, unfound } from "./facts.ts";
import type { MemberState, Sight } from "./frames.ts";

const THREE = "10.0.0.1\n10.0.0.2\n10.0.0.3";

/** `b` and `c` are UP, and what was said until then is taken. */
function threeUp(): { bench: Bench; b: Peer; c: Peer } {
  const bench = new Bench(THREE);
  const b = bench.peer("b", "10.0.0.2");
  const c = bench.peer("c", "10.0.0.3");
  bench.run(seconds(8));
  assert.deepEqual([bench.state("b"), bench.state("c")], ["UP", "UP"]);
  bench.said;
  return { bench, b, c };
}

function sight(id: string, beat: number, about: Partial<Sight> = {}): Sight {
  return { id, incarnation: 1, beat, state: "UP", out: true, in: true, addresses: [`10.0.0.${id}:8848`], ...about };
}

/** Brings `b` into a state, as far as its name is reached on a way that leads there. */
const WAYS: Record<MemberState, (bench: Bench, b: Peer) => void> = {
  STARTING: (bench, b) => {
    bench.cutOff(b);
    b.probes = true;
    bench.run(500);
    b.probes = false;
  },
  UP: (bench) => void bench.run(seconds(2)),
  SUSPICIOUS: (bench, b) => {
    bench.run(seconds(2));
    b.probes = false;
    bench.run(seconds(3));
  },
  DOWN: (bench, b) => {
    bench.run(seconds(2));
    bench.cutOff(b);
    bench.run(seconds(4));
  },
  LEAVING: (bench, b) => {
    bench.run(seconds(2));
    b.card = { ...b.card, state: "LEAVING" };
    bench.run(500);
  },
};

const HAPPENINGS = {
  "both directions work for 3 s": (bench, b) => {
    bench.heal(b);
    bench.run(seconds(3));
  },
  "only its answers come": (bench, b) => {
    bench.heal(b);
    b.probes = false;
    bench.run(seconds(5));
  },
  "only its probes come": (bench, b) => {
    bench.cutOff(b);
    b.probes = true;
    bench.run(seconds(5));
  },
  "nothing comes": (bench, b) => {
    bench.cutOff(b);
    bench.run(seconds(4));
  },
  "its machine refuses": (bench, b) => {
    bench.kill(b);
    bench.run(seconds(1.5));
  },
  "it says that it stops": (bench, b) => {
    bench.heal(b);
    b.card = { ...b.card, state: "LEAVING" };
    bench.run(seconds(1.5));
  },
  "it starts anew": (bench, b) => {
    bench.hangUp(b);
    bench.heal(b);
    b.card = { ...b.card, incarnation: 2, beat: 0, state: "UP" };
    bench.run(seconds(3));
  },
} satisfies Record<string, (bench: Bench, b: Peer) => void>;

/** Every state against everything that can happen: a new state does not compile without its row. */
const TABLE: Record<MemberState, Record<keyof typeof HAPPENINGS, MemberState>> = {
  STARTING: {
    "both directions work for 3 s": "UP",
    "only its answers come": "SUSPICIOUS",
    "only its probes come": "SUSPICIOUS",
    "nothing comes": "DOWN",
    "its machine refuses": "DOWN",
    "it says that it stops": "LEAVING",
    "it starts anew": "UP",
  },
  UP: {
    "both directions work for 3 s": "UP",
    "only its answers come": "SUSPICIOUS",
    "only its probes come": "SUSPICIOUS",
    "nothing comes": "DOWN",
    "its machine refuses": "DOWN",
    "it says that it stops": "LEAVING",
    "it starts anew": "UP",
  },
  SUSPICIOUS: {
    "both directions work for 3 s": "UP",
    "only its answers come": "SUSPICIOUS",
    "only its probes come": "SUSPICIOUS",
    "nothing comes": "DOWN",
    "its machine refuses": "DOWN",
    "it says that it stops": "LEAVING",
    "it starts anew": "UP",
  },
  DOWN: {
    "both directions work for 3 s": "UP",
    "only its answers come": "SUSPICIOUS",
    "only its probes come": "SUSPICIOUS",
    "nothing comes": "DOWN",
    "its machine refuses": "DOWN",
    "it says that it stops": "LEAVING",
    "it starts anew": "UP",
  },
  LEAVING: {
    "both directions work for 3 s": "LEAVING",
    "only its answers come": "LEAVING",
    "only its probes come": "LEAVING",
    "nothing comes": "DOWN",
    "its machine refuses": "DOWN",
    "it says that it stops": "LEAVING",
    "it starts anew": "UP",
  },
};

describe("the state of a member", () => {
  for (const state of Object.keys(TABLE) as MemberState[])
    for (const happening of Object.keys(HAPPENINGS) as (keyof typeof HAPPENINGS)[]) {
      const to = TABLE[state][happening];
      test(`${state}, ${happening}: ${to}`, () => {
        const bench = new Bench("10.0.0.1\n10.0.0.2");
        const b = bench.peer("b", "10.0.0.2");
        WAYS[state](bench, b);
        assert.equal(bench.state("b"), state, "the way leads there");
        HAPPENINGS[happening](bench, b);
        assert.equal(bench.state("b"), to);
      });
    }
});

describe("a member that dies", () => {
  test("is DOWN once its machine refuses and two others have not found it (F07)", () => {
    const { bench, b } = threeUp();
    bench.kill(b);
    bench.run(seconds(1));
    assert.equal(bench.state("b"), "DOWN");
    assert.ok(bench.sent.some(({ to, frame }) => to?.card.id === "c" && frame.type === "probeFor"));
    assert.match(peers(bench.core, bench.now)[0]?.cause ?? "", /refuses \(10\.0\.0\.2:8848: connection refused\)/);
  });

  test("is called again a second after its last link was made, however soon that ended", () => {
    const { bench, b } = threeUp();
    bench.hangUp(b);
    bench.run(900);
    const [dial] = [...bench.core.dials.values()].filter(({ address }) => address === b.address);
    assert.equal(bench.core.links.get(dial?.link ?? 0)?.openedAt, bench.now - 400);
    bench.kill(b);
    bench.run(seconds(2));
    assert.deepEqual(bench.said, ["9.5 b DOWN"]);
  });

  test("is denied to who asks for it as soon as the link to it ends, not when the probe has timed out", () => {
    const { bench, b } = threeUp();
    const [asker] = [...bench.core.links.values()].filter((link) => link.dial === undefined && link.memberId === "c");
    b.answers = false;
    bench.feed({ type: "received", link: asker?.id ?? 0, frame: { type: "probeFor", target: "b" } });
    const told = () => bench.sent.filter(({ frame }) => frame.type === "probedFor");
    assert.deepEqual(told(), []);
    bench.kill(b);
    bench.run(100);
    assert.match(
      told()
        .map(({ to, frame }) => `${to?.card.id} ${JSON.stringify(frame)}`)
        .join(),
      /^c .*"error":"10\.0\.0\.2:8848/,
    );
  });

  test("is DOWN after 3 s of silence when its machine is gone too, and out of the ring 3 s later", () => {
    const { bench, b } = threeUp();
    bench.cutOff(b);
    bench.run(seconds(8));
    assert.deepEqual(bench.said, ["10.3 b SUSPICIOUS", "11.0 b DOWN", "14.0 ring a c"]);
  });

  test("is not DOWN while another hears it, and the direction that fails is named (F08, S11)", () => {
    const { bench, b, c } = threeUp();
    bench.cutOff(b);
    for (let at = 0; at < 60; at++) {
      c.row = [sight("b", b.card.beat + at + 1)];
      bench.run(500);
    }
    assert.deepEqual(bench.said, ["10.3 b SUSPICIOUS"]);
    const [fact] = peers(bench.core, bench.now);
    assert.deepEqual([fact?.direction, fact?.heardFrom], ["none", "c"]);
    assert.match(fact?.cause ?? "", /^only others hear it/);
  });

  test("is not kept alive by news that is passed on in circles (M4)", () => {
    const { bench, b, c } = threeUp();
    bench.cutOff(b);
    for (let at = 0; at < 10; at++) {
      c.row = [sight("b", b.card.beat)];
      bench.run(500);
    }
    assert.equal(bench.state("b"), "DOWN");
  });
});

describe("a refusal by the machine of a member", () => {
  test("is no death while the member's own probes come: a firewall may refuse as well", () => {
    const { bench, b } = threeUp();
    bench.kill(b);
    b.probes = true;
    bench.said;
    bench.run(seconds(20));
    assert.deepEqual(bench.said, ["9.5 b SUSPICIOUS"]);
  });

  test("says nothing about a member that has moved elsewhere", () => {
    const { bench, b } = threeUp();
    bench.hangUp(b);
    Object.assign(b, { address: "10.0.0.9:8848", card: { ...b.card, incarnation: 2, addresses: ["10.0.0.9:8848"] } });
    const old = bench.peer("nobody", "10.0.0.2");
    Object.assign(old, { probes: false, door: "refuses" });
    bench.run(seconds(3));
    bench.cutOff(b);
    bench.hangUp(b);
    bench.run(seconds(2.4));
    assert.notEqual(bench.state("b"), "DOWN");
  });
});

describe("a member that starts a little later", () => {
  test("is called as soon as it calls, and not with the next try", () => {
    const bench = new Bench(THREE);
    const b = bench.peer("b", "10.0.0.2");
    Object.assign(b, { door: "refuses", probes: false });
    bench.run(1_100);
    const [failed] = unfound(bench.core);
    assert.equal(failed?.refused, true);
    b.door = "open";
    bench.probe(b);
    bench.run(100);
    assert.ok(bench.core.members.get("b")?.out !== undefined);
  });

  test("is called once for each of its links while its port stays closed", () => {
    const bench = new Bench("10.0.0.1\n10.0.0.2");
    const b = bench.peer("b", "10.0.0.2");
    Object.assign(b, { door: "refuses", probes: true });
    let calls = 0;
    const feed = bench.feed.bind(bench);
    bench.feed = (event) => {
      if (event.type === "connectFailed") calls++;
      feed(event);
    };
    bench.run(seconds(10));
    assert.ok(calls <= 11, `${calls} calls in 10 s`);
  });
});

describe("what a member tells of others", () => {
  test("makes those known that live, and not those that are down", () => {
    const { bench, c } = threeUp();
    bench.peer("4", "10.0.0.4", { addresses: ["10.0.0.4:8848"] }).probes = false;
    c.row = [sight("4", 1), sight("5", 1, { state: "DOWN" })];
    bench.run(seconds(1));
    assert.deepEqual([...bench.core.members.keys()].sort(), ["4", "b", "c"]);
    assert.equal(peers(bench.core, bench.now).find(({ id }) => id === "4")?.origin, "gossip");
  });
});

describe("a member that flaps", () => {
  test("stops being UP twice in a minute and then waits for the minute to end, SUSPICIOUS and in the ring (M9)", () => {
    const { bench, b } = threeUp();
    for (let at = 0; at < 10; at++) {
      b.probes = at % 2 === 1;
      bench.run(seconds(5));
    }
    assert.deepEqual(bench.said, ["10.5 b SUSPICIOUS", "13.5 b UP", "20.5 b SUSPICIOUS"]);
    assert.deepEqual(bench.core.ring, ["a", "b", "c"]);
  });

  test("is not one that was started anew and does not probe yet", () => {
    const { bench, b } = threeUp();
    bench.hangUp(b);
    b.card = { ...b.card, incarnation: 2 };
    b.probes = false;
    bench.run(seconds(1));
    assert.equal(bench.state("b"), "SUSPICIOUS");
    assert.equal(peers(bench.core, bench.now)[0]?.flips, 0);
    b.probes = true;
    bench.run(seconds(3));
    bench.cutOff(b);
    bench.run(seconds(3));
    assert.equal(peers(bench.core, bench.now)[0]?.flips, 1);
  });

  test("is not held DOWN when it is in reach again", () => {
    const { bench, b } = threeUp();
    for (let at = 0; at < 3; at++) {
      bench.cutOff(b);
      bench.run(seconds(5));
      bench.heal(b);
      bench.run(seconds(4));
    }
    assert.equal(bench.state("b"), "SUSPICIOUS");
  });
});

describe("a pause of this process", () => {
  test("makes nobody DOWN for as long as it was (M8, F54)", () => {
    const { bench, b } = threeUp();
    bench.now += seconds(8);
    bench.feed({ type: "tick", clockAt: bench.now });
    bench.cutOff(b);
    bench.run(seconds(7.9));
    assert.equal(bench.state("b"), "UP");
    assert.deepEqual(self(bench.core).pause, { at: bench.now - seconds(7.9), lengthMs: seconds(8) });
    bench.run(seconds(1));
    assert.equal(bench.state("b"), "DOWN");
  });

  test("is no excuse for who was heard after it (M8, seed 1072168)", () => {
    const { bench, b } = threeUp();
    bench.now += seconds(8);
    bench.feed({ type: "tick", clockAt: bench.now });
    bench.run(seconds(1));
    bench.cutOff(b);
    bench.run(seconds(4));
    assert.equal(bench.state("b"), "DOWN");
  });

  test("does not keep anybody UP whose machine refuses after it (M8, seed 1023491)", () => {
    const { bench, b } = threeUp();
    bench.now += seconds(8);
    bench.feed({ type: "tick", clockAt: bench.now });
    bench.run(seconds(1));
    bench.kill(b);
    bench.run(seconds(2));
    assert.equal(bench.state("b"), "DOWN");
  });
});

describe("the identity of a member", () => {
  test("is its id: it is followed to a new address, which is called at once (S18)", () => {
    const { bench, b } = threeUp();
    bench.kill(b);
    bench.run(seconds(4));
    Object.assign(b, {
      address: "10.0.0.9:8848",
      card: { ...b.card, incarnation: 2, beat: 0, addresses: ["10.0.0.9:8848"] },
    });
    bench.heal(b);
    bench.said;
    bench.run(seconds(2));
    assert.deepEqual(bench.said, ["12.5 b restarted", "12.8 b SUSPICIOUS", "13.1 b UP"]);
    assert.deepEqual(bench.core.members.get("b")?.addresses, ["10.0.0.9:8848"]);
  });

  test("makes two addresses one member, which is called at one of them (F23)", () => {
    const bench = new Bench(`${THREE}\n10.0.1.2`);
    const b = bench.peer("b", "10.0.0.2");
    bench.peers.push(Object.assign(Object.create(b), { address: "10.0.1.2:8848", probes: false }));
    bench.run(seconds(3));
    assert.deepEqual([...bench.core.members.keys()], ["b"]);
    const open = [...bench.core.dials.values()].filter(({ phase }) => phase === "open");
    assert.equal(open.length, 1);
    assert.deepEqual([...bench.core.dials.values()].filter(({ memberId }) => memberId === "b").length, 2);
  });

  test("is another one when another answers at its address: the old one is DOWN (M7)", () => {
    const { bench, b } = threeUp();
    bench.kill(b);
    b.address = "";
    bench.peer("new", "10.0.0.2");
    bench.run(seconds(2));
    assert.equal(bench.state("new"), "UP");
    assert.equal(bench.state("b"), "DOWN");
    assert.match(peers(bench.core, bench.now)[0]?.cause ?? "", /refuses|belongs to member new/);
    bench.run(minutes(5) + seconds(5));
    assert.equal(bench.state("b"), undefined, "and forgotten, as no list names it any more");
  });

  test("is followed at once when the old process ended, and within five seconds when its machine is gone (S18)", () => {
    for (const end of ["kill", "cutOff"] as const) {
      const { bench, b } = threeUp();
      bench[end](b);
      const moved = bench.peer("b", "10.0.0.9", { incarnation: 2 });
      bench.run(end === "kill" ? seconds(1) : seconds(4));
      assert.deepEqual(bench.core.members.get("b")?.addresses, [moved.address], end);
      bench.run(seconds(1));
      assert.equal(bench.state("b"), "UP", end);
      assert.deepEqual(refusals(bench.core), []);
    }
  });

  test("is not changed by what is still on its way of its last start (M2)", () => {
    const { bench, b } = threeUp();
    bench.kill(b);
    const last = bench.peer("b", "10.0.1.2");
    const next = bench.peer("b", "10.0.0.9", { incarnation: 2 });
    bench.run(seconds(1));
    last.probes = false;
    bench.run(seconds(9));
    assert.equal(bench.core.members.get("b")?.incarnation, 2);
    assert.deepEqual(bench.core.members.get("b")?.addresses, [next.address]);
    assert.ok(!bench.sent.some(({ frame }) => frame.type === "refuse"));
  });
});

describe("two processes under one member id (M17)", () => {
  for (const [which, incarnation] of [
    ["more", 2],
    ["less", 0],
  ] as const)
    test(`are the one that was there, which stays, and a copy, which is refused although it counts ${which}`, () => {
      const { bench } = threeUp();
      const copy = bench.peer("b", "10.0.0.9", { incarnation });
      for (let at = 0; at < 15; at++) {
        bench.run(seconds(1));
        if (at >= 2)
          assert.deepEqual(
            refusals(bench.core).map(({ code, addresses }) => [code, addresses]),
            [["twin", [copy.address]]],
          );
      }
      assert.deepEqual(bench.said, []);
      const told = bench.sent.findLast(({ to, frame }) => to === copy && frame.type === "refuse")?.frame;
      assert.equal(told?.type === "refuse" && told.sentence, refusals(bench.core)[0]?.sentence);
      assert.match(refusals(bench.core)[0]?.sentence ?? "", /^10\.0\.0\.2:8848 and 10\.0\.0\.9:8848 run under one/);
      bench.kill(copy);
      bench.run(seconds(9));
      assert.deepEqual(refusals(bench.core), []);
    });

  test("change places when the one that was there ends", () => {
    const { bench, b } = threeUp();
    const copy = bench.peer("b", "10.0.0.9", { incarnation: 2 });
    bench.run(seconds(5));
    bench.kill(b);
    bench.run(seconds(2));
    assert.deepEqual(bench.core.members.get("b")?.addresses, [copy.address]);
    assert.equal(bench.state("b"), "UP");
  });

  test("are told apart by a member that met the copy first: a copy that others refuse says that it is starting", () => {
    const bench = new Bench(`${THREE}\n10.0.0.9`);
    bench.peer("b", "10.0.0.9", { incarnation: 2, state: "STARTING" });
    bench.run(seconds(1));
    assert.equal(bench.core.members.get("b")?.incarnation, 2);
    const first = bench.peer("b", "10.0.0.2");
    bench.run(seconds(3));
    assert.deepEqual(bench.core.members.get("b")?.addresses, [first.address]);
    assert.equal(bench.state("b"), "UP");
  });

  test("are this one and an older process: this one gives way, is no member, and says why until the other ends", () => {
    const bench = new Bench("10.0.0.1\n10.0.0.2");
    const first = bench.peer("a", "10.0.0.2", { incarnation: 7, beat: minutes(1) });
    bench.run(seconds(2));
    assert.match(refusedByMost(bench.core) ?? "", /^10\.0\.0\.2:8848 and 10\.0\.0\.1:8848 run under one member id/);
    const said = bench.sent.at(-1)?.frame;
    assert.equal(said?.type === "answer" && said.card.state, "STARTING");
    assert.ok(!bench.sent.some(({ frame }) => frame.type === "refuse"));
    bench.run(seconds(20));
    assert.ok(refusedByMost(bench.core) !== undefined);
    bench.kill(first);
    bench.run(seconds(9));
    assert.equal(refusedByMost(bench.core), undefined);
  });

  test("are this one and one that refuses it and does not call it: so does the one that came later give way", () => {
    for (const [afterMs, gives] of [
      [0, true],
      [seconds(11), false],
    ] as const) {
      const bench = new Bench("10.0.0.1\n10.0.0.2");
      bench.run(afterMs);
      const first = bench.peer("a", "10.0.0.2", { incarnation: 7 });
      first.probes = false;
      first.refuses = "10.0.0.2:8848 and 10.0.0.1:8848 run under one member id";
      bench.run(seconds(15));
      assert.equal(refusedByMost(bench.core), gives ? first.refuses : undefined);
      assert.deepEqual(
        refusals(bench.core).map(({ sentence }) => sentence),
        [first.refuses],
        "it is told in any case",
      );
    }
  });

  test("are this one, which runs for longer, and another: that one is refused, and is none of most", () => {
    for (const beat of [0, minutes(1)]) {
      const bench = new Bench("10.0.0.1\n10.0.0.2");
      bench.run(seconds(11));
      const copy = bench.peer("a", "10.0.0.2", { incarnation: 7, beat });
      bench.run(seconds(3));
      assert.equal(bench.core.members.size, 0);
      assert.equal(refusals(bench.core)[0]?.code, "twin");
      assert.equal(refusedByMost(bench.core), undefined);
      assert.ok(bench.sent.some(({ to, frame }) => to === copy && frame.type === "refuse"));
    }
  });

  test("are this one and another one that a member holds to: its word is enough, and its calls are no peace", () => {
    const bench = new Bench(THREE);
    const b = bench.peer("b", "10.0.0.2");
    b.answers = false;
    b.refuses = "10.0.0.9:8848 and 10.0.0.1:8848 run under one member id";
    for (let at = 0; at < 20; at++) {
      bench.run(seconds(1));
      assert.equal(refusedByMost(bench.core), b.refuses);
      assert.notEqual(bench.state("b"), "UP");
    }
    b.refuses = undefined;
    b.answers = true;
    bench.run(seconds(4));
    assert.equal(refusedByMost(bench.core), undefined);
    assert.equal(bench.state("b"), "UP");
  });

  test("may be one that is dead and an older copy of its data folder, which is told so", () => {
    const { bench, b } = threeUp();
    bench.kill(b);
    bench.run(seconds(2));
    bench.peer("b", "10.0.0.2", { incarnation: 0 });
    bench.run(seconds(5));
    assert.equal(bench.state("b"), "DOWN");
    assert.match(refusals(bench.core)[0]?.sentence ?? "", /^10\.0\.0\.2:8848 runs with an older copy/);
  });
});

describe("members that are made up (M18)", () => {
  const few = { membersMax: 4 };

  test("make room for one that answers at a listed address, by their own calls and by word of another", () => {
    for (const how of ["calls", "word"] as const) {
      const bench = new Bench(THREE, {}, few);
      const b = bench.peer("b", "10.0.0.2");
      bench.run(seconds(4));
      if (how === "word") b.row = Array.from({ length: 20 }, (_, at) => sight(`fake${at}`, 1));
      else for (let at = 0; at < 20; at++) bench.peer(`fake${at}`, `10.0.9.${at}`).door = "refuses";
      bench.run(seconds(2));
      assert.equal(bench.core.members.size, 4);
      const c = bench.peer("c", "10.0.0.3");
      c.probes = false;
      bench.run(seconds(2));
      assert.deepEqual([bench.core.members.size, bench.core.members.has("c"), bench.state("b")], [4, true, "UP"], how);
      c.probes = true;
      bench.run(seconds(20));
      assert.deepEqual([bench.state("b"), bench.state("c")], ["UP", "UP"], `${how}: and they stay`);
    }
  });

  test("do not make room for more of them", () => {
    const bench = new Bench(THREE, {}, few);
    bench.peer("b", "10.0.0.2");
    bench.peer("c", "10.0.0.3");
    for (let at = 0; at < 5; at++) bench.peer(`fake${at}`, `10.0.9.${at}`).door = "refuses";
    bench.run(seconds(5));
    assert.deepEqual([...bench.core.members.keys()].sort(), ["b", "c", "fake0", "fake1"]);
  });

  test("keep no listed address from being called, however many addresses they say they have", () => {
    const bench = new Bench("10.0.0.1\n10.0.0.2", {}, few);
    const addresses = Array.from({ length: 60 }, (_, at) => `10.0.9.${at}:8848`);
    bench.peer("fake", "10.0.9.99", { addresses }).door = "refuses";
    bench.run(seconds(3));
    bench.peer("c", "10.0.0.3");
    bench.feed({ type: "listRead", text: THREE, source: "cluster.conf" });
    bench.run(seconds(4));
    assert.equal(bench.state("c"), "UP");
  });
});

describe("who does not belong here", () => {
  const strangers: readonly [string, Parameters<Bench["peer"]>[2], string][] = [
    ["a member of another cluster (S37)", { clusterId: "stage" }, "foreignCluster"],
    ["a member with another identity token (S36)", { fingerprint: "g" }, "otherIdentity"],
    ["a member whose protocol is too new (S34)", { protocol: { speaks: 9, oldest: 8 } }, "protocol"],
  ];
  for (const [who, about, code] of strangers)
    test(`${who} is refused with a sentence, and no longer told of 8 s after it stops asking`, () => {
      const bench = new Bench(THREE);
      const b = bench.peer("b", "10.0.0.2", about);
      bench.run(seconds(3));
      assert.equal(bench.core.members.size, 0);
      const [fact] = refusals(bench.core);
      assert.equal(fact?.code, code);
      const refuse = bench.sent.find(({ to, frame }) => to === b && frame.type === "refuse")?.frame;
      assert.equal(refuse?.type === "refuse" && refuse.sentence, fact?.sentence, "both sides show one sentence");
      bench.cutOff(b);
      bench.run(seconds(9));
      assert.deepEqual(refusals(bench.core), []);
    });

  test("does not take the place of this one, nor learns its fingerprint, by showing its id without the identity token", () => {
    for (const incarnation of [1, 7]) {
      const bench = new Bench("10.0.0.1\n10.0.0.2");
      const beat = minutes(60);
      const stranger = bench.peer("a", "10.0.0.2", { incarnation, beat, fingerprint: "g" });
      bench.run(seconds(3));
      assert.equal(refusals(bench.core)[0]?.code, "otherIdentity");
      assert.ok([...bench.core.refused.values()].every(({ givesWay }) => !givesWay));
      const told = bench.sent.filter(({ to, frame }) => to === stranger && frame.type === "answer");
      assert.deepEqual(told, [], `incarnation ${incarnation}`);
      assert.equal(bench.core.selfAddress, "10.0.0.1:8848");
    }
  });

  test("is told why once most of the list refuse it, and one of three is not most", () => {
    const bench = new Bench(THREE);
    bench.peer("b", "10.0.0.2", { fingerprint: "g" });
    bench.run(seconds(3));
    assert.equal(refusedByMost(bench.core), undefined);
    const c = bench.peer("c", "10.0.0.3", { fingerprint: "g" });
    bench.run(seconds(3));
    assert.match(refusedByMost(bench.core) ?? "", /different identity tokens/);
    bench.cutOff(c);
    bench.run(seconds(9));
    assert.equal(refusedByMost(bench.core), undefined);
  });

  test("does not speak for members that answer at the addresses that it says it has", () => {
    const { bench } = threeUp();
    for (const at of [2, 3]) {
      const address = `10.0.0.${at}:8848`;
      bench.peer(`liar${at}`, `10.0.9.${at}`, { fingerprint: "g", addresses: [address] });
    }
    bench.run(seconds(3));
    assert.equal(refusals(bench.core).length, 2);
    assert.equal(refusedByMost(bench.core), undefined);
  });

  test("counts those alone that the list names", () => {
    const bench = new Bench(THREE);
    bench.peer("b", "10.0.0.2", { fingerprint: "g" });
    bench.peer("x", "10.0.9.9", { fingerprint: "g" });
    bench.run(seconds(3));
    assert.equal(refusedByMost(bench.core), undefined);
  });
});

describe("an epoch", () => {
  test("that a member of the same cluster shows is taken when it is greater, before anything says so", () => {
    const bench = new Bench(THREE, { epoch: 1, holdsData: true });
    bench.peer("b", "10.0.0.2", { epoch: 3 });
    bench.peer("c", "10.0.0.3", { epoch: 1 });
    bench.run(seconds(2));
    assert.deepEqual(
      bench.said.filter((what) => what.includes("persist")).map((what) => what.slice(4)),
      ["persist prod settled epoch 3 []"],
    );
    const cards = bench.sent.flatMap(({ frame }) => ("card" in frame ? [frame.card.epoch] : []));
    assert.equal(cards.at(-1), 3);
    assert.deepEqual([bench.state("b"), bench.state("c")], ["UP", "UP"], "the available side goes on");
  });

  test("comes along with a cluster id that is taken, and is taken from no other cluster", () => {
    const bench = new Bench(THREE, { clusterId: "new-1", settled: false });
    bench.peer("b", "10.0.0.2", { epoch: 2 });
    bench.run(seconds(2));
    assert.deepEqual(
      bench.said.filter((what) => what.includes("persist")),
      ["0.5 persist prod settled epoch 2 []"],
    );
    const settled = new Bench(THREE);
    settled.peer("b", "10.0.0.2", { clusterId: "other", epoch: 2 });
    settled.run(seconds(2));
    assert.equal(settled.core.epoch, 0);
  });
});

describe("a cluster id", () => {
  test("of a new and empty member is taken from the cluster that its list names", () => {
    const bench = new Bench(THREE, { clusterId: "new-1", settled: false });
    bench.peer("b", "10.0.0.2");
    bench.run(seconds(2));
    assert.deepEqual(
      bench.said.filter((what) => what.includes("persist")),
      ["0.5 persist prod settled []"],
    );
    assert.equal(bench.state("b"), "UP");
  });

  test("of a new member is not chosen by whoever calls it", () => {
    const bench = new Bench("10.0.0.1\n10.0.0.3", { clusterId: "new-1", settled: false });
    bench.peer("b", "10.0.0.2");
    bench.run(seconds(2));
    assert.equal(bench.core.clusterId, "new-1");
    assert.equal(refusals(bench.core)[0]?.code, "foreignCluster");
  });

  test("stands once the member holds data", () => {
    const bench = new Bench(THREE, { clusterId: "new-1", settled: false });
    bench.feed({ type: "dataHeld" });
    bench.peer("b", "10.0.0.2");
    bench.run(seconds(2));
    assert.equal(bench.core.clusterId, "new-1");
    assert.equal(refusals(bench.core)[0]?.code, "foreignCluster");
  });

  test("of two new members is the smaller one, and stands when all have it", () => {
    const bench = new Bench("10.0.0.1\n10.0.0.2", { clusterId: "new-2", settled: false });
    bench.peer("b", "10.0.0.2", { clusterId: "new-1", settled: false });
    bench.run(seconds(2));
    assert.deepEqual(
      bench.said.filter((what) => what.includes("persist")),
      ["0.5 persist new-1 []", "0.6 persist new-1 settled []"],
    );
  });

  test("of a cluster of one is kept when two new members come (S38)", () => {
    const bench = new Bench(undefined, { clusterId: "new-9", settled: false });
    assert.deepEqual(bench.said, ["0.0 self UP 10.0.0.1:8848", "0.0 ring a"], "ready at once");
    const b = bench.peer("b", "10.0.0.2", { clusterId: "new-1", settled: false });
    bench.run(seconds(1));
    assert.equal(bench.core.clusterId, "new-9");
    assert.equal(bench.core.members.size, 0, "it is no member before it has taken the id");
    b.card = { ...b.card, clusterId: "new-9", settled: true };
    bench.run(seconds(1));
    assert.equal(bench.state("b"), "UP");
    assert.ok(bench.core.settled);
  });
});

describe("an operator", () => {
  test("lets an empty member join a cluster through any of its members", () => {
    const bench = new Bench(undefined, { clusterId: "new-1", settled: false });
    const b = bench.peer("b", "10.0.0.2");
    b.row = [sight("3", 5)];
    bench.peer("3", "10.0.0.3");
    bench.said;
    bench.feed({ type: "join", address: "10.0.0.2" });
    bench.run(seconds(2));
    const said = bench.said;
    assert.ok(said.includes("0.0 persist prod settled [10.0.0.2:8848]"), said.join("\n"));
    assert.ok(said.includes("0.0 joined 10.0.0.2:8848"));
    assert.deepEqual([bench.state("b"), bench.state("3")], ["UP", "UP"]);
  });

  test("has a list count instead of the address of a join, once somebody of the list is UP", () => {
    const bench = new Bench(undefined, { joined: ["10.0.0.9"] });
    const b = bench.peer("b", "10.0.0.2");
    b.probes = false;
    b.door = "refuses";
    bench.run(seconds(2));
    assert.deepEqual([...bench.core.joined], ["10.0.0.9"], "without a list it is all there is");
    bench.feed({ type: "listRead", text: "10.0.0.1\n10.0.0.2", source: "cluster.conf" });
    bench.run(seconds(10));
    assert.deepEqual([...bench.core.joined], ["10.0.0.9"], "a list that leads nowhere may be a wrong one");
    b.door = "open";
    b.probes = true;
    bench.said;
    bench.run(seconds(10));
    assert.equal(bench.state("b"), "UP");
    assert.ok(bench.said.some((said) => said.includes("persist prod settled []")));
    assert.equal(bench.core.dials.has("10.0.0.9:8848"), false);
  });

  test("lets an empty cluster of one join, although its id stood", () => {
    const bench = new Bench(undefined, { clusterId: "mine", settled: true });
    bench.peer("b", "10.0.0.2");
    bench.feed({ type: "join", address: "10.0.0.2" });
    bench.run(seconds(1));
    assert.equal(bench.core.clusterId, "prod");
    assert.equal(bench.state("b"), "UP");
  });

  const failures: readonly [string, string, Partial<{ holdsData: boolean }>, RegExp][] = [
    ["an address that is none", "10.0.0.2:x", {}, /'10\.0\.0\.2:x' is not the address of a member: port 'x'/],
    [
      "a machine that refuses",
      "10.0.0.3",
      {},
      /^0\.0 no member answers at 10\.0\.0\.3:8848 \(connection refused\): name the main port of one that runs/,
    ],
    [
      "another cluster, with data of its own",
      "10.0.0.2",
      { holdsData: true },
      /^0\.0 10\.0\.0\.1:8848 belongs to cluster 'mine'/,
    ],
  ];
  for (const [what, address, about, sentence] of failures)
    test(`is told why a join fails: ${what}`, () => {
      const bench = new Bench(undefined, { clusterId: "mine", settled: false, ...about });
      bench.peer("b", "10.0.0.2");
      bench.peer("c", "10.0.0.3").door = "refuses";
      for (const peer of bench.peers) peer.probes = false;
      bench.feed({ type: "join", address });
      assert.ok(
        bench.said.some((said) => sentence.test(said) || sentence.test(said.slice(4))),
        "told",
      );
      assert.deepEqual([bench.core.joined.size, bench.core.clusterId], [0, "mine"]);
    });

  test("is told at once that a member cannot join itself, by whatever name it is called", () => {
    const bench = new Bench(undefined, { clusterId: "mine", settled: false });
    bench.said;
    bench.feed({ type: "join", address: "10.0.0.1" });
    assert.match(bench.said.join(), /10\.0\.0\.1:8848: the address is this member's own: give it that of a member/);
    bench.peer("a", "10.0.0.7", { incarnation: 1 });
    bench.feed({ type: "join", address: "10.0.0.7" });
    bench.run(seconds(1));
    assert.match(bench.said.join(), /the address is this member's own/, "it was called and led back");
    assert.equal(bench.core.joined.size, 0);
  });

  test("takes back an order to join that nobody has answered, and no other", () => {
    const bench = new Bench(undefined, { clusterId: "mine", settled: false });
    bench.said;
    bench.feed({ type: "cancelJoin" });
    assert.match(bench.said.join(), /was not told to join any cluster/);
    bench.peer("b", "10.0.0.2").answers = false;
    for (const peer of bench.peers) peer.probes = false;
    bench.feed({ type: "join", address: "10.0.0.2" });
    bench.run(seconds(11));
    assert.ok(bench.core.dials.has("10.0.0.2:8848"), "it is called on and on");
    bench.said;
    bench.feed({ type: "cancelJoin" });
    assert.match(bench.said.join(), /the order to join 10\.0\.0\.2:8848 was taken back/);
    assert.deepEqual([bench.core.joined.size, bench.core.joining.size], [0, 0]);
    bench.run(seconds(10));
    assert.equal(bench.core.dials.has("10.0.0.2:8848"), false, "it is called no more");
    for (const peer of bench.peers) bench.heal(peer);
    bench.feed({ type: "join", address: "10.0.0.2" });
    bench.run(seconds(2));
    bench.said;
    bench.feed({ type: "cancelJoin" });
    assert.match(bench.said.join(), /has joined cluster 'prod' already/);
    assert.equal(bench.state("b"), "UP");
  });

  test("forgets a member that is down, and is told why not another", () => {
    const { bench, b } = threeUp();
    bench.feed({ type: "forget", id: "b" });
    bench.feed({ type: "forget", id: "z" });
    bench.cutOff(b);
    bench.run(seconds(4));
    bench.feed({ type: "forget", id: "b" });
    const said = bench.said;
    assert.deepEqual(said.slice(0, 2), [
      "8.0 10.0.0.2:8848 is UP: stop it first, and take it off the member lists",
      "8.0 no member has the id 'z'",
    ]);
    assert.equal(said.at(-2), "12.0 b forgotten");
  });

  test("does not have a member back that was forgotten by what was told of it before, but by itself (seed 89)", () => {
    const { bench, b, c } = threeUp();
    b.card = { ...b.card, state: "LEAVING", forever: true };
    bench.run(seconds(1));
    bench.kill(b);
    bench.feed({ type: "listRead", text: "10.0.0.1\n10.0.0.3", source: "cluster.conf" });
    bench.run(seconds(2));
    assert.equal(bench.state("b"), undefined);
    c.row = [sight("b", b.card.beat)];
    bench.run(seconds(1));
    assert.equal(bench.state("b"), undefined);
    b.card = { ...b.card, state: "UP", forever: false };
    bench.heal(b);
    bench.run(seconds(1));
    assert.notEqual(bench.state("b"), undefined);
  });

  test("misses who is forgotten from the last answer on, not from when it was first looked for", () => {
    const { bench, b } = threeUp();
    bench.run(seconds(60));
    const answeredAt = bench.now;
    bench.cutOff(b);
    bench.run(seconds(4));
    bench.feed({ type: "forget", id: "b" });
    const [missing] = unfound(bench.core);
    assert.equal(missing?.address, "10.0.0.2:8848");
    assert.ok(Math.abs((missing?.since ?? 0) - answeredAt) <= 1_000, `${missing?.since} for ${answeredAt}`);
  });

  test("stops another member: it is out of the ring at once, and DOWN when it is gone", () => {
    const { bench, b } = threeUp();
    b.card = { ...b.card, state: "LEAVING" };
    bench.run(500);
    assert.deepEqual(bench.said, ["8.5 b LEAVING", "8.5 ring a c"]);
    bench.kill(b);
    bench.run(seconds(1));
    assert.deepEqual(bench.said, ["8.5 b DOWN"]);
  });

  test("stops no member that was started anew, whoever hears of that first", () => {
    const { bench, b, c } = threeUp();
    b.card = { ...b.card, state: "LEAVING" };
    bench.run(500);
    bench.hangUp(b);
    bench.cutOff(b);
    c.row = [sight("b", 1, { incarnation: 2, state: "SUSPICIOUS" })];
    bench.probe(c);
    const answer = bench.sent.findLast(({ to, frame }) => to === c && frame.type === "answer")?.frame;
    const told = answer?.type === "answer" ? answer.row.find(({ id }) => id === "b") : undefined;
    assert.deepEqual([told?.incarnation, told?.state], [2, "SUSPICIOUS"]);
  });

  test("stops this member: all are told at once, and the ring goes on without it", () => {
    const { bench } = threeUp();
    const before = bench.sent.length;
    bench.feed({ type: "leave", forever: false });
    const told = bench.sent
      .slice(before)
      .filter(({ frame }) => frame.type === "probe" && frame.card.state === "LEAVING");
    assert.deepEqual(told.map(({ to }) => to?.card.id).sort(), ["b", "c"]);
    assert.deepEqual(bench.said, ["8.0 self LEAVING 10.0.0.1:8848", "8.0 ring b c"]);
  });
});

describe("a member list that changes", () => {
  test("counts when it was the same for half a second", () => {
    const { bench } = threeUp();
    bench.feed({ type: "listRead", text: `${THREE}\n10.0.0.4`, source: "cluster.conf" });
    bench.run(400);
    bench.feed({ type: "listRead", text: `${THREE}\n10.0.0.5`, source: "cluster.conf" });
    bench.run(400);
    assert.equal(bench.core.list.entries.length, 3);
    bench.run(100);
    assert.equal(bench.core.list.entries.at(-1)?.address, "10.0.0.5:8848");
  });

  for (const [what, text] of [
    ["empty", ""],
    ["missing", undefined],
    ["half-written", "10.0.0.1\n10.0."],
    ["shorter", "10.0.0.1\n10.0.0.3"],
    ["without this member", "10.0.0.2"],
  ] as const)
    test(`removes nobody when it is ${what} (S16)`, () => {
      const { bench } = threeUp();
      bench.feed({ type: "listRead", text, source: "cluster.conf" });
      bench.run(minutes(10));
      assert.deepEqual(bench.said, []);
      assert.deepEqual(bench.core.ring, ["a", "b", "c"]);
    });

  test("is told of and not taken when it reads empty", () => {
    const { bench } = threeUp();
    bench.feed({ type: "listRead", text: "# nothing\n:1", source: "cluster.conf" });
    bench.run(seconds(1));
    const { entries, emptiedAt, badLines } = list(bench.core);
    assert.deepEqual([entries, emptiedAt, badLines[0]?.line], [3, bench.now - 500, 2]);
  });

  test("lets a member go that it does not name any more when that is down for five minutes (F21)", () => {
    const { bench, b } = threeUp();
    bench.feed({ type: "listRead", text: "10.0.0.1\n10.0.0.3", source: "cluster.conf" });
    bench.run(seconds(1));
    assert.equal(peers(bench.core, bench.now)[0]?.origin, "delisted");
    bench.cutOff(b);
    bench.run(minutes(5));
    assert.equal(bench.state("b"), "DOWN");
    bench.run(seconds(4));
    assert.equal(bench.said.at(-1), "312.0 b forgotten");
  });

  test("is compared with the lists of others: one difference is told, spelling is none (F24)", () => {
    const { bench, b } = threeUp();
    b.card = { ...b.card, listHash: "other" };
    const theirs = [
      { address: "node-1:8848", resolved: ["10.0.0.1:8848"], id: "a" },
      { address: "node-3:8848", resolved: [], id: "c" },
    ];
    const seq = 999;
    const link = [...(bench.core.members.get("b")?.ins ?? [])][0] ?? 0;
    bench.feed({ type: "received", link, frame: { type: "probe", seq, card: b.card, row: [], list: theirs } });
    const answer = bench.sent.at(-1)?.frame;
    assert.ok(answer?.type === "answer" && answer.list?.length === 3, "and this list is told there");
    const [difference] = listDifferences(bench.core);
    assert.deepEqual([difference?.id, difference?.missingThere, difference?.missingHere], ["b", ["10.0.0.2:8848"], []]);
  });
});

describe("a list that names the address which a member has left", () => {
  test("is another one than that which names where it is (F24)", () => {
    const { bench, b } = threeUp();
    bench.kill(b);
    bench.run(seconds(1));
    const moved = bench.peer("b", "10.0.0.9", { incarnation: 2, listHash: "other" });
    bench.run(seconds(6));
    assert.equal(bench.state("b"), "UP");
    const theirs = ["a:1", "b:9", "c:3"].map((each) => {
      const [id, at] = each.split(":");
      return { address: `10.0.0.${at}:8848`, resolved: [`10.0.0.${at}:8848`], id };
    });
    const link = [...(bench.core.members.get("b")?.ins ?? [])][0] ?? 0;
    bench.feed({ type: "received", link, frame: { type: "probe", seq: 999, card: moved.card, row: [], list: theirs } });
    const [difference] = listDifferences(bench.core);
    assert.deepEqual(difference?.missingThere, ["10.0.0.2:8848"]);
    assert.deepEqual(difference?.missingHere, ["10.0.0.9:8848"]);
    bench.feed({ type: "listRead", text: "10.0.0.1\n10.0.0.9\n10.0.0.3", source: "cluster.conf" });
    bench.run(seconds(1));
    assert.deepEqual(listDifferences(bench.core), []);
  });
});

describe("this member's own address", () => {
  test("is the local one that the list names, although another is preferred (F22)", () => {
    const bench = new Bench("10.0.0.5,10.0.0.6", { host: "172.17.0.2" });
    assert.deepEqual(bench.said, []);
    assert.ok(self(bench.core).isUnlisted, "none of them: not ready, and both are named");
    assert.deepEqual(self(bench.core).detected, ["172.17.0.2:8848", "10.0.0.1:8848"]);
    bench.feed({ type: "localAddresses", ips: ["172.17.0.2", "10.0.0.5"] });
    assert.deepEqual(bench.said, ["0.0 self UP 10.0.0.5:8848"]);
    assert.ok(self(bench.core).isSubstituted);
  });

  test("may be listed by name, once the name resolves; it is asked for each second until then (F56)", () => {
    const bench = new Bench("node-1,node-2");
    assert.deepEqual(bench.said, ["0.0 resolve node-1", "0.0 resolve node-2"]);
    bench.feed({ type: "resolved", host: "node-1", ips: ["10.0.0.1"] });
    bench.feed({ type: "resolved", host: "node-2", ips: [], error: "no such name" });
    bench.run(seconds(1));
    assert.deepEqual(bench.said, ["0.0 self UP 10.0.0.1:8848", "1.0 resolve node-2"]);
  });

  test("is looked up by name again five seconds after nobody answers where the name led", () => {
    const bench = new Bench("node-1,node-2");
    const b = bench.peer("b", "10.0.0.2", { addresses: ["10.0.0.2:8848"] });
    bench.feed({ type: "resolved", host: "node-1", ips: ["10.0.0.1"] });
    bench.feed({ type: "resolved", host: "node-2", ips: ["10.0.0.2"] });
    bench.run(seconds(20));
    const resolved = (): string[] => bench.said.filter((what) => what.includes("resolve"));
    assert.deepEqual(resolved(), ["0.0 resolve node-1", "0.0 resolve node-2"]);
    b.door = "refuses";
    bench.cutOff(b);
    bench.run(seconds(9));
    const [first, ...more] = resolved();
    assert.match(first ?? "", /resolve node-2$/);
    assert.deepEqual(more, []);
  });
});

describe("what is shown of a member", () => {
  test("is the version that it tells, and how many probes it has left unanswered", () => {
    const { bench, b } = threeUp();
    b.card = { ...b.card, version: "2.0.0" };
    bench.run(seconds(1));
    const shown = () => peers(bench.core, bench.now).find(({ id }) => id === "b");
    assert.deepEqual([shown()?.version, shown()?.unanswered], ["2.0.0", 0]);
    bench.cutOff(b);
    bench.run(seconds(1));
    assert.equal(shown()?.unanswered, 0, "a probe that is late is not yet one that failed");
    bench.run(seconds(3));
    assert.equal(shown()?.unanswered, 4);
  });
});

describe("a member without a majority in reach", () => {
  test("says so after ten seconds, and no longer when it is back (F41)", () => {
    const { bench, b, c } = threeUp();
    bench.cutOff(b);
    bench.cutOff(c);
    bench.run(seconds(11));
    assert.equal(isolation(bench.core, bench.now), undefined);
    bench.run(seconds(2));
    assert.deepEqual(isolation(bench.core, bench.now)?.expected, 3);
    assert.deepEqual(isolation(bench.core, bench.now)?.reached, 1);
    bench.heal(b);
    bench.run(seconds(3));
    assert.equal(isolation(bench.core, bench.now), undefined);
  });
});
