import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { openLookup } from "./lookup.ts";
import type { LookupSetup } from "./types.ts";

const ROUND_MS = 2000;
const POLL_MS = 5000;
const NO_LOG = { debug() {}, info() {}, warn() {}, error() {} };

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function newFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "nacre-lookup-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface Told {
  readonly text: string | undefined;
  readonly source: string;
}

/** A lookup with what it tells, and a clock that stands still. */
function opened(t: TestContext, given: Partial<LookupSetup>) {
  const clock = new FakeClock();
  const told: Told[] = [];
  const notes: string[] = [];
  let arrived: () => void = () => {};
  const log = { ...NO_LOG, info: (_: object, text: string) => void notes.push(text) };
  const lookup = openLookup(
    {
      clock,
      log,
      type: "auto",
      file: "/nowhere/cluster.conf",
      memberList: [],
      addressServer: undefined,
      directory: undefined,
      ...given,
    },
    {
      listRead: (text, source) => {
        told.push({ text, source });
        arrived();
      },
    },
  );
  t.after(() => lookup.close());
  /** Lets rounds of the lookup pass until what is awaited was told. */
  const until = async (holds: (last: Told | undefined) => boolean, everyMs = 0): Promise<void> => {
    while (!holds(told.at(-1))) {
      const next = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      if (everyMs === 0) await next;
      else await Promise.race([next, turn()]);
      if (everyMs > 0 && !holds(told.at(-1))) clock.advance(everyMs);
    }
  };
  const untilText = (text: string | undefined, everyMs?: number) =>
    until((last) => last !== undefined && last.text === text, everyMs);
  const untilFacts = async (holds: (facts: ReturnType<typeof lookup.facts>) => boolean): Promise<void> => {
    while (!holds(lookup.facts())) {
      await turn();
      clock.advance(ROUND_MS);
    }
  };
  /** Lets time pass and waits for what the address server's next answer, or the lack of one, leads to. */
  const afterAnswer = async (ms = 0): Promise<ReturnType<typeof lookup.facts>> => {
    const seen = JSON.stringify(lookup.facts());
    clock.advance(ms);
    while (JSON.stringify(lookup.facts()) === seen || clock.waiting === 0) await turn();
    return lookup.facts();
  };
  return { clock, lookup, told, notes, until, untilText, untilFacts, afterAnswer };
}

describe("a file of members", () => {
  test("is told at the start, and again when its text has changed", async (t) => {
    const file = join(await newFolder(t), "cluster.conf");
    await writeFile(file, "a:8848\n");
    const { told, lookup, clock, untilText } = opened(t, { file });
    await untilText("a:8848\n");
    assert.deepEqual(told, [{ text: "a:8848\n", source: file }]);
    assert.deepEqual(lookup.facts(), {
      kind: "file",
      where: file,
      error: undefined,
      failures: 0,
      failingSince: undefined,
      readAt: clock.now(),
    });

    await writeFile(file, "a:8848\nb:8848\n");
    await untilText("a:8848\nb:8848\n", ROUND_MS);
    const readings = told.length;
    await writeFile(file, "a:8848\nb:8848\n");
    await writeFile(`${file}.other`, "c:8848");
    await writeFile(file, "c:8848\n");
    await untilText("c:8848\n", ROUND_MS);
    assert.ok(told.slice(readings).every(({ text }, at, all) => text !== all[at - 1]?.text));
  });

  test("is followed by notices of the system alone", async (t) => {
    const file = join(await newFolder(t), "cluster.conf");
    await writeFile(file, "a:8848");
    const { untilText } = opened(t, { file });
    await untilText("a:8848");
    await writeFile(`${file}.new`, "b:8848");
    await rename(`${file}.new`, file);
    await untilText("b:8848");
  });

  test("is followed by rounds alone when the folder is swapped, as a mounted config map is", async (t) => {
    const folder = await newFolder(t);
    for (const name of ["one", "two"]) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, "cluster.conf"), `${name}:8848`);
    }
    await symlink("one", join(folder, "conf"));
    const { untilText } = opened(t, { file: join(folder, "conf", "cluster.conf") });
    await untilText("one:8848");
    await symlink("two", join(folder, "next"));
    await rename(join(folder, "next"), join(folder, "conf"));
    await untilText("two:8848", ROUND_MS);
  });

  test("may come later, folder and all, and may go", async (t) => {
    const folder = join(await newFolder(t), "conf");
    const file = join(folder, "cluster.conf");
    const { told, lookup, untilText, until } = opened(t, { file });
    await until((last) => last !== undefined);
    assert.deepEqual(told, [{ text: undefined, source: `${file} (no such file)` }]);
    assert.equal(lookup.facts().error, undefined);

    await mkdir(folder);
    await writeFile(file, "a:8848");
    await untilText("a:8848", ROUND_MS);
    await rm(folder, { recursive: true });
    await untilText(undefined, ROUND_MS);
    await mkdir(folder);
    await writeFile(file, "b:8848");
    await untilText("b:8848", ROUND_MS);
    // What rounds have begun is to end, so that notices alone are left.
    for (let at = 0; at < 50; at++) await turn();
    await writeFile(file, "c:8848");
    await untilText("c:8848");
  });

  test("that cannot be read keeps what was read, and says why and since when", async (t) => {
    const file = join(await newFolder(t), "cluster.conf");
    await writeFile(file, "a:8848");
    const { clock, lookup, told, untilText, untilFacts } = opened(t, { file, memberList: ["other:8848"] });
    await untilText("a:8848");
    const readAt = clock.now();
    await truncate(file, 4 * 1024 * 1024 + 1);
    await untilFacts(({ failures }) => failures >= 2);
    const facts = lookup.facts();
    assert.deepEqual([facts.kind, facts.error], ["file", "it has 4194305 bytes, the most is 4194304"]);
    assert.ok(facts.failingSince !== undefined && facts.failingSince >= readAt && facts.readAt !== undefined);
    assert.deepEqual(told, [{ text: "a:8848", source: file }]);

    await writeFile(`${file}.new`, "b:8848");
    await rename(`${file}.new`, file);
    await untilText("b:8848", ROUND_MS);
    const after = lookup.facts();
    assert.deepEqual([after.error, after.failures, after.failingSince], [undefined, 0, undefined]);
  });

  test("that never could be read keeps nobody waiting", async (t) => {
    const file = await newFolder(t);
    const { told, lookup, until } = opened(t, { file });
    await until((last) => last !== undefined);
    assert.deepEqual(told, [{ text: undefined, source: file }]);
    assert.equal(lookup.facts().error, "it is not a file");
  });

  test("goes before the list of the options, which counts while there is none", async (t) => {
    const file = join(await newFolder(t), "cluster.conf");
    const { told, lookup, notes, untilText } = opened(t, { file, memberList: ["a:8848", "b:8848"] });
    await untilText("a:8848\nb:8848");
    assert.equal(told.at(-1)?.source, "nacos.member.list");
    assert.deepEqual([lookup.facts().kind, lookup.facts().where], ["option", "nacos.member.list"]);
    assert.deepEqual(notes, []);

    await writeFile(file, "c:8848");
    await untilText("c:8848", ROUND_MS);
    assert.deepEqual([lookup.facts().kind, lookup.facts().where], ["file", file]);
    assert.deepEqual(notes, ["nacos.member.list is not used, because the file of members exists"]);
    await rm(file);
    await untilText("a:8848\nb:8848", ROUND_MS);
  });

  test("is left alone once the lookup is closed", async (t) => {
    const file = join(await newFolder(t), "cluster.conf");
    await writeFile(file, "a:8848");
    const { clock, lookup, told, untilText } = opened(t, { file });
    await untilText("a:8848");
    await lookup.close();
    assert.equal(clock.waiting, 0);
    await writeFile(file, "b:8848");
    assert.equal(told.length, 1);
  });
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** An address server whose answer tests choose. */
async function newAddressServer(t: TestContext, first: Answer) {
  const state = { answer: first, paths: [] as string[] };
  const server = createServer((request, response) => {
    state.paths.push(request.url ?? "");
    state.answer(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  t.after(close);
  return Object.assign(state, {
    close,
    setup: { host: "127.0.0.1", port, path: "/nacos/serverlist", tries: 5 },
    url: `http://127.0.0.1:${port}/nacos/serverlist`,
  });
}

function says(text: string, status = 200): Answer {
  return (_, response) => void response.writeHead(status, { "content-type": "text/plain" }).end(text);
}

describe("an address server", () => {
  test("is asked each 5 s, and what it says is told when it has changed", async (t) => {
    const server = await newAddressServer(t, says("a:8848\nb:8848\n"));
    const { clock, told, afterAnswer } = opened(t, { addressServer: server.setup });
    const facts = await afterAnswer();
    assert.deepEqual(told, [{ text: "a:8848\nb:8848\n", source: server.url }]);
    assert.deepEqual([facts.kind, facts.where, facts.readAt], ["addressServer", server.url, clock.now()]);

    await afterAnswer(POLL_MS);
    assert.equal(told.length, 1);
    server.answer = says("a:8848");
    clock.advance(POLL_MS - 1);
    assert.equal(server.paths.length, 2);
    await afterAnswer(1);
    assert.equal(told.at(-1)?.text, "a:8848");
    assert.deepEqual(server.paths, ["/nacos/serverlist", "/nacos/serverlist", "/nacos/serverlist"]);
  });

  test("that answers with anything but a list is a failure, counted in a row and told since when", async (t) => {
    const server = await newAddressServer(t, says("a:8848"));
    const { clock, told, afterAnswer } = opened(t, { addressServer: server.setup });
    const { readAt } = await afterAnswer();
    const firstAt = clock.now() + POLL_MS;
    const cases: [Answer, string][] = [
      [says("gone", 502), "it answered 502"],
      [(_, response) => void response.writeHead(302, { location: "/" }).end(), "it answered 302"],
      [(request) => void request.socket.destroy(), "it broke off its answer, ECONNRESET"],
      [
        (_, response) => {
          response.writeHead(200, { "content-length": "100" });
          response.write("a:88", () => response.destroy());
        },
        "it broke off its answer, ECONNRESET",
      ],
      [says("x".repeat(1024 * 1024 + 1)), "its answer is longer than 1048576 bytes"],
      [() => clock.advance(3000), "no answer within 3 s"],
      [(_, response) => void response.writeHead(200).write("a:88", () => clock.advance(3000)), "no answer within 3 s"],
    ];
    for (const [at, [answer, error]] of cases.entries()) {
      server.answer = answer;
      const facts = await afterAnswer(POLL_MS);
      assert.deepEqual(
        [facts.error, facts.failures, facts.failingSince, facts.readAt],
        [error, at + 1, firstAt, readAt],
      );
    }
    assert.equal(told.length, 1, "the list of before counts");

    server.answer = says("b:8848");
    const facts = await afterAnswer(POLL_MS);
    assert.deepEqual([facts.failures, facts.failingSince, facts.error], [0, undefined, undefined]);
    assert.equal(told.at(-1)?.text, "b:8848");
  });

  test("that is down is asked a few times a second apart; then its member starts without a list", async (t) => {
    const server = await newAddressServer(t, says("", 503));
    const { told, afterAnswer } = opened(t, { addressServer: server.setup });
    await afterAnswer();
    for (let failures = 2; failures <= 5; failures++) {
      assert.deepEqual(told, []);
      assert.equal((await afterAnswer(1000)).failures, failures);
    }
    assert.deepEqual(told, [{ text: undefined, source: server.url }]);
    server.answer = says("a:8848");
    await afterAnswer(POLL_MS);
    assert.equal(told.at(-1)?.text, "a:8848");
  });

  test("that nobody runs is told so", async (t) => {
    const server = await newAddressServer(t, says("a:8848"));
    await server.close();
    const { afterAnswer } = opened(t, { addressServer: server.setup });
    assert.equal((await afterAnswer()).error, "nobody listens there, ECONNREFUSED");
  });

  test("that is down at a later start is stood in for by its last answer", async (t) => {
    const directory = await newFolder(t);
    const server = await newAddressServer(t, says("a:8848\nb:8848\n"));
    const before = opened(t, { addressServer: server.setup, directory });
    await before.afterAnswer();
    server.answer = says("# nobody\n");
    await before.afterAnswer(POLL_MS);
    assert.equal(before.told.at(-1)?.text, "# nobody\n");
    await before.lookup.close();

    server.answer = says("", 503);
    const { told, afterAnswer } = opened(t, { addressServer: server.setup, directory });
    const { failures, error } = await afterAnswer();
    assert.deepEqual(told, [{ text: "a:8848\nb:8848\n", source: `the last answer of ${server.url}` }]);
    assert.deepEqual([failures, error], [1, "it answered 503"]);
    server.answer = says("a:8848\nb:8848\n");
    await afterAnswer(POLL_MS);
    assert.equal(told.at(-1)?.source, server.url);

    server.answer = says("", 503);
    const other = opened(t, { addressServer: { ...server.setup, path: "/other", tries: 1 }, directory });
    await other.afterAnswer();
    assert.equal(other.told[0]?.text, undefined, "the list of another server is that of another cluster");
  });

  test("that holds its answer back does not hold up the stop", async (t) => {
    const held = Promise.withResolvers<void>();
    const server = await newAddressServer(t, () => held.resolve());
    const { clock, lookup, told } = opened(t, { addressServer: server.setup });
    await held.promise;
    await lookup.close();
    assert.deepEqual([told, clock.waiting], [[], 0]);
  });
});

describe("where the list comes from", () => {
  test("is the file or the option if there is one, else the address server if there is one, else the file", async (t) => {
    const folder = await newFolder(t);
    const file = join(folder, "cluster.conf");
    const server = await newAddressServer(t, says("server:8848"));
    const kind = (given: Partial<LookupSetup>) => opened(t, { file, ...given }).lookup.facts().kind;
    assert.equal(kind({}), "file");
    assert.equal(kind({ addressServer: server.setup }), "addressServer");
    assert.equal(kind({ addressServer: server.setup, type: "file" }), "file");
    assert.notEqual(kind({ addressServer: server.setup, memberList: ["a"] }), "addressServer");
    await writeFile(file, "");
    assert.equal(kind({ addressServer: server.setup }), "file");
    assert.equal(kind({ addressServer: server.setup, type: "address-server" }), "addressServer");
  });

  test("is switched while the member runs, and what was read counts until the other place has a list", async (t) => {
    const file = join(await newFolder(t), "cluster.conf");
    await writeFile(file, "file:8848");
    const server = await newAddressServer(t, says("", 503));
    const { lookup, told, untilText, afterAnswer } = opened(t, {
      file,
      addressServer: server.setup,
      directory: undefined,
    });
    await untilText("file:8848");
    lookup.switchTo("address-server");
    await afterAnswer();
    for (let failures = 2; failures <= 5; failures++) await afterAnswer(1000);
    assert.equal(told.length, 1);
    server.answer = says("server:8848");
    await afterAnswer(POLL_MS);
    lookup.switchTo("address-server");
    lookup.switchTo("file");
    await untilText("file:8848");
    assert.deepEqual(
      told.map(({ source }) => source),
      [file, server.url, file],
    );
  });

  test("is not switched to what is no place, or is not configured", (t) => {
    const { lookup } = opened(t, {});
    assert.throws(() => lookup.switchTo("dns"), {
      failure: "invalidParameter",
      message: /must be file or address-server/,
    });
    assert.throws(() => lookup.switchTo("address-server"), {
      failure: "illegalState",
      message: /start it with address\.server\.domain/,
    });
  });
});
