import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type DistroState, newDistro, step } from "@nacre/core/distro";
import { RegistryError } from "@nacre/protocol";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { instance, NamingBench, service } from "@nacre/testkit/naming-bench";
import { type Peers, readAnswer } from "../peer-calls.ts";
import { answersOf } from "./answers.ts";
import { type ConvergeReport, converge } from "./converge.ts";
import { sideBySide } from "./merge.ts";
import { explain, explainClient } from "./why.ts";
import type { KnownClient, OwnersAnswer } from "./wire.ts";

type Published = ReturnType<typeof instance>;

const orders = service();
const one = instance("10.0.0.1:80");
const two = instance("10.0.0.2:80");
const INCARNATION = 4;
const MADE_AGO_MS = 3_000;

/** What one member holds, put together by hand. */
class Member {
  readonly naming = new NamingBench();
  readonly distro: DistroState;
  readonly id: string;
  answers = true;

  constructor(id: string, others: readonly string[]) {
    this.id = id;
    this.distro = newDistro(id, INCARNATION, { heardAt: () => undefined });
    step(this.distro, { type: "start", journal: [] }, 0);
    for (const other of others)
      step(this.distro, { type: "peer", id: other, state: "up", incarnation: INCARNATION }, 0);
  }

  /** It hears from `owner`, possibly itself, what a client publishes. */
  hears(owner: string, clientId: string, counter: number, published: readonly Published[], name = orders): void {
    const version = { owner, incarnation: INCARNATION, counter };
    const instances = published.map((given) => ({
      ip: given.ip,
      port: given.port,
      weight: given.weight,
      healthy: given.healthy,
      enabled: given.enabled,
      cluster: "DEFAULT",
      metadata: given.metadata,
      instanceId: undefined,
    }));
    const contents = {
      ip: "10.9.9.9",
      port: 1,
      app: "",
      agent: "",
      createdAt: 0,
      publications: [{ service: name, instances }],
    };
    this.naming.send({ type: "copy", clientId, kind: "connection", version, contents });
    this.knows(owner, clientId, counter, contents);
  }

  /** As `hears`, in the table of Distro alone. */
  knows(owner: string, clientId: string, counter: number, contents: object = {}): void {
    const now = NOW - MADE_AGO_MS;
    if (owner === this.id) {
      step(this.distro, { type: "changed", clientId, kind: "connection", counter, contentHash: counter }, now);
      return;
    }
    const version = { owner, incarnation: INCARNATION, counter };
    const head = {
      id: clientId,
      kind: "connection",
      version,
      contentHash: counter,
      gone: undefined,
      answers: false,
      after: 0,
      ageMs: 0,
    } as const;
    const change = { ...head, contents: contents as never };
    const message = { type: "sync", seq: counter, changes: [change], removals: [] } as const;
    step(this.distro, { type: "received", from: owner, message }, now);
  }

  removed(owner: string, clientId: string): void {
    this.naming.send({ type: "forgetCopy", clientId, cause: "removed", owner });
    step(this.distro, { type: "removed", clientId, cause: "asked" }, NOW - MADE_AGO_MS);
  }
}

const NOW = 100_000;

/** Three members, `a` of which is asked. */
function cluster() {
  const ids = ["a", "b", "c"];
  const members = ids.map(
    (id) =>
      new Member(
        id,
        ids.filter((other) => other !== id),
      ),
  );
  const clock = new FakeClock();
  clock.schedule = ((_ms: number, run: () => void) => {
    queueMicrotask(run);
    return { cancel: () => undefined };
  }) as typeof clock.schedule;
  const answering = ({ naming, distro }: Member) =>
    answersOf({ naming: naming.state, distro, now: () => NOW, shown: (id) => id });
  const memberOf = (id: string): Member => members.find((member) => member.id === id) ?? assert.fail(id);
  const peers: Peers = {
    async ask(id, name, given) {
      const member = memberOf(id);
      if (!member.answers) throw new RegistryError("peerUnreachable", `no answer of ${id} within 2 s`);
      const answers = answering(member) as Record<string, (given: unknown) => unknown>;
      return readAnswer(name, JSON.parse(JSON.stringify(answers[name]?.(given))));
    },
    askAll: (name, given, timeoutMs) =>
      Promise.all(
        ["b", "c"].map(async (memberId) => {
          const address = `addr-${memberId}`;
          try {
            return { memberId, address, answer: await peers.ask(memberId, name, given, timeoutMs) };
          } catch (thrown) {
            return { memberId, address, error: RegistryError.from(thrown) };
          }
        }),
      ),
  };
  const [a, b, c] = members as [Member, Member, Member];
  const unfound: string[] = [];
  return {
    a,
    b,
    c,
    unfound,
    all: members,
    report: (): Promise<ConvergeReport> =>
      converge({
        clock,
        self: "a",
        answers: answering(a),
        peers,
        ringOwner: (id) => (id.endsWith("#true") ? "b" : undefined),
        shown: (id) => (ids.includes(id) ? `addr-${id}` : id),
        unfound: () => unfound,
      }),
    wall: () => clock.wall(),
  };
}

function brief({ differences }: ConvergeReport): string[] {
  return differences.map(
    ({ ip, field, values }) => `${ip} ${field}: ${values.map(({ member, value }) => `${member} ${value}`).join(", ")}`,
  );
}

describe("members that hold the same", () => {
  test("are equal, whatever the order in which it came", async () => {
    const { a, b, c, report } = cluster();
    for (const member of [a, b]) {
      member.hears("a", "x", 1, [one]);
      member.hears("b", "y", 1, [two]);
    }
    c.hears("b", "y", 1, [two]);
    c.hears("a", "x", 1, [one]);
    const { equal, members, settled, incomplete } = await report();
    assert.deepEqual([equal, settled, incomplete], [true, 0, ""]);
    assert.deepEqual(
      members.map(({ address, services, clients }) => [address, services, clients]),
      ["addr-a", "addr-b", "addr-c"].map((address) => [address, 1, 2]),
    );
  });
});

describe("members that differ", () => {
  test("are told with the instance, since when, and who has not heard of what", async () => {
    const { a, b, report, wall } = cluster();
    for (const member of [a, b]) member.hears("a", "x", 1, [one]);
    const told = await report();
    assert.equal(told.equal, false);
    assert.deepEqual(brief(told), ["10.0.0.1 presence: addr-a there, addr-b there, addr-c not there"]);
    const [difference] = told.differences;
    assert.deepEqual(
      [difference?.serviceName, difference?.port, difference?.clusterName, difference?.since],
      ["orders", 80, "DEFAULT", wall() - MADE_AGO_MS],
    );
    assert.equal(
      difference?.why,
      "addr-a published change 1 of life 4; addr-c does not know the client, and has not loaded: the list of members is not read yet",
    );
  });

  test("are told field by field", async () => {
    const { a, b, c, report } = cluster();
    for (const member of [a, b]) member.hears("a", "x", 2, [{ ...one, weight: 5, metadata: { zone: "a" } }]);
    c.hears("a", "x", 1, [one]);
    const told = await report();
    assert.deepEqual(brief(told), [
      "10.0.0.1 version: addr-a change 2 of life 4, addr-b change 2 of life 4, addr-c change 1 of life 4",
      "10.0.0.1 weight: addr-a 5, addr-b 5, addr-c 1",
      '10.0.0.1 metadata: addr-a {"zone":"a"}, addr-b {"zone":"a"}, addr-c {}',
    ]);
    assert.match(told.differences[1]?.why ?? "", /addr-c holds change 1 of life 4/);
  });

  test("are told when one was told of a removal that the others have not heard of", async () => {
    const { a, all, report } = cluster();
    for (const member of all) member.hears("a", "x", 1, [one]);
    a.removed("a", "x");
    const { differences } = await report();
    assert.match(differences[0]?.why ?? "", /^addr-a removed it; addr-b holds change 1 of life 4/);
    assert.match(differences[0]?.why ?? "", /10\.0\.0\.1:80:DEFAULT of .* was removed because/);
  });

  test("are told when they are shown in another way", async () => {
    const { b, all, report } = cluster();
    for (const member of all) member.hears("a", "x", 1, [one]);
    b.naming.send({ type: "mark", clientIds: ["x"], as: "unhealthy" });
    const told = await report();
    assert.deepEqual(brief(told), ["10.0.0.1 shown: addr-a asPublished, addr-b unhealthy, addr-c asPublished"]);
    assert.equal(told.differences[0]?.why, "addr-b does not hear from its owner, and others do");
  });

  test("are told when a client is to be owned by another member, which waits for it", async () => {
    const { c, all, report } = cluster();
    for (const member of all) member.hears("a", "10.0.0.1:80#true", 1, [one]);
    c.naming.send({ type: "mark", clientIds: ["10.0.0.1:80#true"], as: "unconfirmed" });
    assert.equal(
      (await report()).differences[0]?.why,
      "addr-a has it, addr-b is to have it from now on, and waits for its next heartbeat",
    );
  });

  test("are told when only what lies below differs", async () => {
    const { a, b, c, report } = cluster();
    for (const member of [a, b]) member.knows("a", "x", 2);
    c.knows("a", "x", 1);
    const { differences, clients, equal } = await report();
    assert.deepEqual([differences, equal], [[], false]);
    assert.deepEqual(
      clients.map(({ clientId, owner, values }) => [clientId, owner, values.map(({ value }) => value)]),
      [["x", "addr-a", ["change 2 of life 4", "change 2 of life 4", "change 1 of life 4"]]],
    );
  });

  test("are not called equal while one does not answer, or is not found", async () => {
    const { c, report, unfound } = cluster();
    c.answers = false;
    const { equal, members, differences } = await report();
    assert.deepEqual([equal, differences], [false, []]);
    assert.deepEqual(members[2], { id: "c", address: "addr-c", answered: false, error: "no answer of c within 2 s" });
    c.answers = true;
    assert.equal((await report()).equal, true);
    unfound.push("10.0.0.9:8848");
    assert.equal((await report()).equal, false);
  });

  test("are found among more services than a page holds", async () => {
    const { a, b, c, report } = cluster();
    for (let at = 0; at < 1_005; at++) {
      const name = { ...orders, name: `s-${at}` };
      for (const member of [a, b, c]) if (member !== c || at !== 1_003) member.hears("a", `x-${at}`, 1, [one], name);
    }
    const { differences, members } = await report();
    assert.deepEqual(
      differences.map(({ serviceName }) => serviceName),
      ["s-1003"],
    );
    assert.deepEqual(
      members.map(({ services }) => services),
      [1_005, 1_005, 1_004],
    );
  });
});

describe("why members differ about a client", () => {
  const held = (counter: number, owner = "a"): KnownClient => ({
    id: "x",
    state: "held",
    owner,
    incarnation: 4,
    counter,
    contentHash: counter,
    ageMs: 1_000,
  });
  const why = (
    known: Record<string, KnownClient | undefined>,
    peer: Partial<OwnersAnswer["peers"][number]> | undefined = {},
  ) => {
    const link = peer && { id: "b", reachable: true, pending: 0, inFlight: 0, ...peer };
    const owners = new Map([["a", { owners: [], peers: link === undefined ? [] : [link], waitingFor: "" }]]);
    const clients = Object.entries(known).map(([member, one]) => [member, new Map(one && [["x", one]])] as const);
    return explainClient("x", {
      known: new Map(clients),
      owners,
      gone: new Map(),
      ringOwner: () => undefined,
      shown: (id) => id,
    })?.why;
  };
  const lost = { ...held(5), state: "lost" } as const;
  const cases: readonly [what: string, told: string | undefined, expected: string | undefined][] = [
    ["nothing, when all know the same", why({ a: held(5), b: held(5) }), undefined],
    ["nothing, when nobody knows it", why({ a: undefined, b: undefined }), undefined],
    [
      "that its change waits",
      why({ a: held(5), b: held(3) }, { pending: 7, inFlight: 2 }),
      "a published change 5 of life 4; b holds change 3 of life 4, and 9 changes wait for it at a",
    ],
    [
      "that its owner does not reach it",
      why({ a: held(5), b: undefined }, { reachable: false }),
      "a published change 5 of life 4; b does not know the client, and a does not reach it",
    ],
    [
      "that its owner is gone",
      why({ c: held(5, "z"), b: held(4, "a") }),
      "z published change 5 of life 4; b holds change 4 of life 4 of a, and its owner z gave no answer",
    ],
    [
      "that it was given up on one side",
      why({ a: held(5), b: lost }),
      "a is lost, and it was given up; a still holds it",
    ],
  ];
  test("is said: that a member lags in what the log holds", () => {
    const said = { known: new Map(), owners: new Map(), gone: new Map(), ringOwner: () => undefined, shown: String };
    const values = new Map([["a", "there"]]);
    const found = {
      key: "10.0.0.1:80:DEFAULT",
      field: "presence",
      values,
      clientIds: ["x"],
      ephemeral: false,
    } as const;
    assert.match(
      explain(found, said).why,
      /^it is durable data, of which a member has not applied the newest yet: nacre raft status/,
    );
    const same = explain({ ...found, ephemeral: true, values: new Map([["a", "not there"]]) }, said);
    assert.match(same.why, /^all hold the same versions, .* in the log of a$/);
  });

  for (const [what, told, expected] of cases) test(`is said: ${what}`, () => assert.equal(told, expected));
});

describe("lists side by side", () => {
  test("are read as rows of what belongs together, however they are cut into pages", async () => {
    const paged = (member: string, items: readonly number[], size: number) => ({
      member,
      ask: async (from: string | undefined) => {
        const start = Number(from ?? 0);
        const next = start + size < items.length ? String(start + size) : undefined;
        return { items: items.slice(start, start + size), next };
      },
    });
    const rows: string[] = [];
    const lists = [paged("a", [1, 2, 3, 5], 1), paged("b", [], 2), paged("c", [2, 3, 4, 6], 3)];
    for await (const row of sideBySide(lists, (x, y) => x - y))
      rows.push([...row].map(([member, item]) => `${member}${item}`).join(" "));
    assert.deepEqual(rows, ["a1", "a2 c2", "a3 c3", "c4", "a5", "c6"]);
  });

  test("end when a page leads nowhere", async () => {
    const list = { member: "a", ask: async () => ({ items: [1], next: "1" }) };
    let rows = 0;
    for await (const _ of sideBySide([list], () => 0)) rows++;
    assert.equal(rows, 2);
  });
});
