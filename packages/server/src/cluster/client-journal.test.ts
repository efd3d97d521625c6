import assert from "node:assert/strict";
import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { ServiceName } from "@nacre/protocol";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { faultyFiles } from "@nacre/testkit/faulty-files";
import { nodeFiles } from "../storage/files.ts";
import { type ClientJournal, type ClientJournalOptions, type Kept, openClientJournal } from "./client-journal.ts";

describe("the journal of clients", () => {
  let directory = "";
  let clock = new FakeClock();
  let clients = new Map<string, Kept>();
  let warnings: string[] = [];

  beforeEach(async () => {
    directory = join(await mkdtemp(join(tmpdir(), "nacre-clients-")), "clients");
    clock = new FakeClock();
    clients = new Map();
    warnings = [];
  });
  afterEach(() => rm(join(directory, ".."), { recursive: true }));

  const open = (options: Partial<ClientJournalOptions> = {}) =>
    openClientJournal({
      directory,
      self: "a",
      clock,
      log: { info: () => {}, warn: (_, message) => warnings.push(message) },
      tombstoneMs: 360_000,
      keptOf: (id) => clients.get(id),
      servicesOf: () => undefined,
      restore: () => {},
      ...options,
    });

  /** What a start finds, in order of ids. */
  async function restored(options: Partial<ClientJournalOptions> = {}): Promise<Kept[]> {
    const all: Kept[] = [];
    const journal = await open({ restore: (kept) => all.push(kept), ...options });
    await journal.close();
    return all.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async function found(): Promise<{ published: Record<string, number>; gone: Record<string, string> }> {
    const [published, gone]: [Record<string, number>, Record<string, string>] = [{}, {}];
    for (const one of await restored())
      if (one.gone === undefined) published[one.id] = one.version.counter;
      else gone[one.id] = one.gone;
    return { published, gone };
  }

  function note(journal: ClientJournal, kept: Kept): void {
    clients.set(kept.id, kept);
    journal.note(kept.id);
  }

  test("finds nothing in a folder that is not there, and makes none before there is something to write", async () => {
    assert.deepEqual(await found(), { published: {}, gone: {} });
    await assert.rejects(readdir(directory), { code: "ENOENT" });
  });

  test("gives back what clients published last, all of it", async () => {
    const journal = await open();
    note(journal, change("c1", 1));
    note(journal, change("10.0.0.1:80#true", 7));
    await journal.flush();
    note(journal, change("c1", 2));
    await journal.close();

    assert.deepEqual(await restored(), [change("10.0.0.1:80#true", 7), change("c1", 2)]);
  });

  test("has on disk at once what changes after quiet, and what changes soon after it 50 ms later", async () => {
    const journal = await open();
    note(journal, change("c1", 1));
    clock.advance(0);
    assert.equal(journal.facts().waiting, 0, "it is being written");
    await journal.flush();
    assert.deepEqual(await found(), { published: { c1: 1 }, gone: {} }, "also when the process is killed then");

    note(journal, change("c1", 2));
    clients.set("c1", change("c1", 3));
    note(journal, change("c2", 1));
    clock.advance(49);
    assert.deepEqual(await found(), { published: { c1: 1 }, gone: {} });
    clock.advance(1);
    await journal.flush();
    assert.deepEqual(await found(), { published: { c1: 3, c2: 1 }, gone: {} }, "what it is at the time of writing");

    clock.advance(1_000);
    note(journal, gone("c2", 2));
    clock.advance(0);
    assert.equal(journal.facts().waiting, 0);
    await journal.flush();
    assert.deepEqual(await found(), { published: { c1: 3 }, gone: { c2: "removed" } });
    await journal.close();
  });

  test("remembers removals for the time of tombstones, and ages go on while the member does not run", async () => {
    const journal = await open();
    note(journal, change("c1", 1));
    await journal.flush();
    note(journal, gone("c1", 2));
    note(journal, gone("c2", 3, 359_000));
    await journal.close();
    clock.advance(1_000);
    assert.deepEqual(await restored(), [gone("c1", 2, 1_000), gone("c2", 3, 360_000)]);

    clock.advance(1);
    assert.deepEqual((await found()).gone, { c1: "removed" });
  });

  test("takes a clock that was set back for no time at all", async () => {
    const journal = await open();
    note(journal, change("c1", 1));
    await journal.close();
    clock.setWall(clock.wall() - 3_600_000);
    assert.deepEqual(await restored(), [change("c1", 1)]);
  });

  test("forgets clients that belong to another member now, or that nobody knows", async () => {
    const journal = await open();
    note(journal, change("c1", 1));
    note(journal, change("c2", 1));
    note(journal, change("c3", 1));
    await journal.flush();
    note(journal, change("c1", 2, "b"));
    clients.delete("c2");
    journal.note("c2");
    await journal.close();
    assert.deepEqual(await found(), { published: { c3: 1 }, gone: {} });
  });

  test("writes nothing of clients that were never this member's own", async () => {
    const journal = await open();
    note(journal, change("c1", 1, "b"));
    journal.note("c2");
    await journal.close();
    await assert.rejects(readdir(directory), { code: "ENOENT" });
  });

  test("passes over what another member wrote into the folder that this one was given", async () => {
    const journal = await open();
    note(journal, change("c1", 1));
    await journal.close();
    assert.deepEqual(await restored({ self: "b" }), []);
  });

  test("goes on over starts, and the newest life is right", async () => {
    for (let life = 1; life <= 3; life++) {
      const journal = await open();
      note(journal, change("c1", life));
      note(journal, change(`only-${life}`, 1));
      await journal.close();
    }
    assert.deepEqual(await found(), { published: { c1: 3, "only-1": 1, "only-2": 1, "only-3": 1 }, gone: {} });
  });

  test("keeps few files, however often the member starts", async () => {
    for (let life = 1; life <= 20; life++) {
      const journal = await open({ restore: (kept) => clients.set(kept.id, kept) });
      note(journal, change(`life-${life}`, 1));
      await journal.close();
    }
    assert.equal(Object.keys((await found()).published).length, 20);
    assert.ok((await readdir(directory)).length <= 5);
  });

  test("is written anew when most of it is outdated, so that it does not grow with changes", async () => {
    const journal = await open({ limits: { garbageBytes: 4_096 } });
    note(journal, gone("c0", 1));
    let bytesMax = 0;
    for (let counter = 1; counter <= 500; counter++) {
      note(journal, change("c1", counter));
      note(journal, change("c2", counter));
      await journal.flush();
      bytesMax = Math.max(bytesMax, await bytesOf(directory));
    }
    assert.ok(bytesMax < 6_000, `${bytesMax} bytes`);
    assert.equal((await readdir(directory)).length, 1);
    await journal.close();
    assert.deepEqual(await found(), { published: { c1: 500, c2: 500 }, gone: { c0: "removed" } });
  });

  test("is written anew once, also when it is more than fits into one record", async () => {
    const ids = Array.from({ length: 300 }, (_, at) => `c${at}`);
    let writes = 0;
    const files = {
      ...nodeFiles,
      create: async (path: string) => {
        const file = await nodeFiles.create(path);
        return {
          ...file,
          write(bytes: Uint8Array, position: number) {
            // A disk that fails ends what would go on for ever.
            return ++writes < 50 ? file.write(bytes, position) : Promise.reject(new Error("full"));
          },
        };
      },
    };
    const journal = await open({ files, limits: { garbageBytes: 0 } });
    for (const changed of [ids, ids, ...Array.from({ length: 20 }, () => ["c0"])]) {
      for (const id of changed) note(journal, change(id, (clients.get(id)?.version.counter ?? 0) + 1));
      await journal.flush();
    }
    assert.ok(writes < 45, `${writes} writes`);
    await journal.close();
  });

  test("rests nine times as long as a huge whole took, so that one that changes all over all the time costs a tenth", async () => {
    let tookMs = 50;
    let reads = 0;
    const keptOf = (id: string) => {
      reads++;
      clock.advance(tookMs);
      return clients.get(id);
    };
    const journal = await open({ keptOf });
    note(journal, change("c1", 1));
    await journal.flush();
    note(journal, change("c1", 2));
    tookMs = 0;
    clock.advance(899);
    assert.equal(reads, 2);
    clock.advance(1);
    await journal.flush();
    assert.equal(reads, 4);
    note(journal, change("c1", 3));
    clock.advance(50);
    await journal.flush();
    assert.equal(reads, 6, "what is no work needs no rest");
    await journal.close();
  });

  describe("of a client with many services", () => {
    const names = Array.from({ length: 20 }, (_, at) => `s${at}`);
    /** What it publishes, by name of the service, with a weight. */
    let published = new Map<string, number>();
    let counter = 0;

    beforeEach(() => {
      published = new Map(names.map((name) => [name, 1]));
      counter = 0;
    });

    const state = (services?: readonly ServiceName[]): Kept => {
      const { contents = assert.fail(), ...rest } = change("big", counter);
      const { instances } = contents.publications[0] ?? assert.fail();
      const publications = (services?.map(({ name }) => name) ?? [...published.keys()]).map((name) => {
        const weight = published.get(name);
        return {
          service: { namespace: "public", group: "g", name },
          instances: weight === undefined ? [] : instances.map((one) => ({ ...one, weight })),
        };
      });
      return { ...rest, contents: { ...contents, publications } };
    };
    const keptOf = (id: string, services?: readonly ServiceName[]) =>
      id === "big" ? state(services) : clients.get(id);
    const set = (journal: ClientJournal, name: string, weight: number | undefined): void => {
      if (weight === undefined) published.delete(name);
      else published.set(name, weight);
      counter++;
      journal.note("big", [{ namespace: "public", group: "g", name }]);
    };
    const big = async (): Promise<[number, Record<string, number>] | undefined> => {
      const [kept] = (await restored()).filter(({ id }) => id === "big");
      if (kept === undefined) return undefined;
      const weights = (kept.contents?.publications ?? []).map(({ service, instances }) => [
        service.name,
        instances[0]?.weight,
      ]);
      return [kept.version.counter, Object.fromEntries(weights)];
    };
    /** The file after each of some changes. */
    const grown = async (): Promise<{ path: string; sizes: number[] }> => {
      const journal = await open({ keptOf });
      const sizes: number[] = [];
      let path = "";
      for (const [name, weight] of [
        ["s1", 2],
        ["s2", undefined],
        ["new", 3],
        ["s1", 4],
      ] as const) {
        set(journal, name, weight);
        await journal.flush();
        path = join(directory, (await readdir(directory))[0] as string);
        sizes.push((await stat(path)).size);
      }
      await journal.close();
      return { path, sizes };
    };

    test("only what changed is written, and the whole is given back", async () => {
      const { sizes } = await grown();
      const [whole = 0, ...rest] = sizes;
      for (const [at, size] of rest.entries()) assert.ok(size - (sizes[at] ?? 0) < whole / 3, `${sizes}`);
      const { s2: _, ...others } = Object.fromEntries(names.map((name) => [name, 1]));
      assert.deepEqual(await big(), [4, { ...others, s1: 4, new: 3 }]);
    });

    test("a change of its version alone is a part too", async () => {
      const journal = await open({ keptOf });
      set(journal, "s1", 2);
      await journal.flush();
      counter = 100;
      journal.note("big", []);
      await journal.close();
      assert.deepEqual((await big())?.[0], 100);
    });

    test("what builds on a part that is missing does not count, and the state before it has its own version", async () => {
      const { path, sizes } = await grown();
      const bytes = await readFile(path);
      const without = (at: number) =>
        writeFile(path, Buffer.concat([bytes.subarray(0, sizes[at - 1]), bytes.subarray(sizes[at])]));
      await without(1);
      assert.deepEqual((await big())?.[0], 1);
      await without(2);
      const all = Object.fromEntries(names.map((name) => [name, 1]));
      const { s2: _, ...others } = all;
      assert.deepEqual(await big(), [2, { ...others, s1: 2 }]);
      await writeFile(path, Buffer.concat([bytes.subarray(0, 16), bytes.subarray(sizes[0])]));
      assert.equal(await big(), undefined, "without the whole there is nothing");
    });

    test("parts are outdated when the files are written anew, so that these keep their bound", async () => {
      const journal = await open({ keptOf, limits: { garbageBytes: 4_096 } });
      let bytesMax = 0;
      for (let at = 0; at < 500; at++) {
        set(journal, `s${at % 20}`, at);
        await journal.flush();
        bytesMax = Math.max(bytesMax, await bytesOf(directory));
      }
      await journal.close();
      assert.ok(bytesMax < 16_000, `${bytesMax} bytes`);
      assert.deepEqual(await big(), [500, Object.fromEntries(names.map((name, at) => [name, 480 + at]))]);
    });

    test("a write that failed is made up for by the whole", async () => {
      const { files, faults } = faultyFiles(nodeFiles, ".journal");
      const journal = await open({ keptOf, files });
      set(journal, "s1", 2);
      await journal.flush();
      faults.write = { code: "EIO", afterBytes: 20 };
      set(journal, "s2", 3);
      await journal.flush();
      set(journal, "s3", 4);
      faults.write = undefined;
      clock.advance(2_000);
      await journal.close();
      assert.deepEqual(await big(), [
        3,
        { ...Object.fromEntries(names.map((name) => [name, 1])), s1: 2, s2: 3, s3: 4 },
      ]);
    });

    describe("so many that they are written in slices", () => {
      const many = Array.from({ length: 1_100 }, (_, at) => `s${at}`);
      const servicesOf = (_: string, moreThan: number) =>
        published.size > moreThan
          ? [...published.keys()].map((name) => ({ namespace: "public", group: "g", name }))
          : undefined;
      beforeEach(() => {
        published = new Map(many.map((name) => [name, 1]));
      });

      /** Changes what is published each time that a slice is read. */
      const restless = (change: (slice: number) => void) => {
        let slice = 0;
        return (id: string, services?: readonly ServiceName[]): Kept => {
          const kept = keptOf(id, services) ?? assert.fail();
          if ((services ?? []).length > 0) change(slice++);
          return kept;
        };
      };

      test("no slice is large, and the whole is given back", async () => {
        let servicesMax = 0;
        const journal = await open({
          servicesOf,
          keptOf: (id, services) => {
            servicesMax = Math.max(servicesMax, services?.length ?? Number.POSITIVE_INFINITY);
            return keptOf(id, services);
          },
        });
        set(journal, "s1", 2);
        await journal.flush();
        assert.equal(servicesMax, 100);
        assert.equal(journal.facts().liveBytes, (await bytesOf(directory)) - 16);
        set(journal, "s2", undefined);
        await journal.close();
        const { s2: _, ...others } = Object.fromEntries(many.map((name) => [name, 1]));
        assert.deepEqual(await big(), [2, { ...others, s1: 2 }]);
      });

      test("what changes meanwhile is in the last one, written already or not", async () => {
        const journal: ClientJournal = await open({
          servicesOf,
          keptOf: restless((slice) => {
            if (slice > 3) return;
            set(journal, `s${slice}`, 100 + slice);
            set(journal, `s${1_000 + slice}`, undefined);
            set(journal, `new-${slice}`, 7);
          }),
        });
        set(journal, "s50", 2);
        await journal.flush();
        await journal.close();
        const [version, weights] = (await big()) ?? assert.fail();
        assert.equal(version, counter);
        assert.deepEqual(weights, Object.fromEntries(published));
      });

      test("an end in between leaves the state before it", async () => {
        const journal = await open({ servicesOf, keptOf });
        set(journal, "s1", 2);
        await journal.flush();
        const path = join(directory, (await readdir(directory))[0] as string);
        const { size: whole } = await stat(path);
        for (const name of many) set(journal, name, 3);
        await journal.close();
        const bytes = await readFile(path);
        assert.equal((await big())?.[0], 1_101);
        for (let size = bytes.length - 1; size >= whole; size -= 997) {
          await writeFile(path, bytes.subarray(0, size));
          const [version, weights = {}] = (await big()) ?? assert.fail(`${size} of ${bytes.length} bytes`);
          assert.deepEqual([version, weights.s1, weights.s2], [1, 2, 1]);
        }
      });

      test("one that changes all over meanwhile is begun anew", async () => {
        const journal: ClientJournal = await open({
          servicesOf,
          keptOf: restless((slice) => {
            if (slice !== 2) return;
            published = new Map([...published].map(([name, weight]) => [name, weight + 5]));
            counter = 90;
            journal.note("big");
          }),
        });
        set(journal, "s1", 1);
        await journal.flush();
        await journal.close();
        assert.deepEqual(await big(), [90, Object.fromEntries(many.map((name) => [name, 6]))]);
      });

      test("the files are written anew while it changes", async () => {
        const journal: ClientJournal = await open({
          servicesOf,
          limits: { garbageBytes: 10_000 },
          keptOf: restless((slice) => {
            if (slice % 3 === 0) set(journal, `s${slice}`, slice);
          }),
        });
        for (let at = 0; at < 300; at++) {
          set(journal, `s${at}`, 1_000 + at);
          await journal.flush();
        }
        await journal.close();
        assert.equal((await readdir(directory)).length, 1);
        assert.deepEqual(await big(), [counter, Object.fromEntries(published)]);
      });

      test("a write that failed in between is made up for", async () => {
        const { files, faults } = faultyFiles(nodeFiles, ".journal");
        const journal = await open({
          servicesOf,
          files,
          keptOf: restless((slice) => {
            faults.write = slice === 2 ? { code: "EIO", afterBytes: 20 } : undefined;
          }),
        });
        set(journal, "s1", 2);
        await journal.flush();
        assert.equal(warnings.length, 1);
        clock.advance(2_000);
        await journal.flush();
        await journal.close();
        assert.deepEqual(await big(), [1, Object.fromEntries(published)]);
      });
    });

    test("a change while others are written is in what is written of it", async () => {
      const journal: ClientJournal = await open({
        keptOf: (id, services) => {
          if (id === "other" && clients.delete(id)) set(journal, "s9", 9);
          return keptOf(id, services);
        },
      });
      set(journal, "s1", 1);
      await journal.flush();
      clients.set("other", change("other", 1));
      journal.note("other");
      set(journal, "s2", 2);
      await journal.flush();
      assert.deepEqual(await big(), [counter, Object.fromEntries(published)]);
      await journal.close();
    });

    test("its removal leaves nothing of it", async () => {
      await grown();
      const journal = await open();
      note(journal, gone("big", 50));
      await journal.flush();
      await journal.close();
      assert.deepEqual((await found()).gone, { big: "removed" });
    });
  });

  test("does not grow with removals either, once their time is over", async () => {
    const journal = await open({ limits: { garbageBytes: 4_096 } });
    for (let at = 0; at < 2_000; at++) {
      note(journal, gone(`c${at}`, 1));
      clients.delete(`c${at - 36}`);
      await journal.flush();
      clock.advance(10_000);
    }
    assert.ok((await bytesOf(directory)) < 12_000, `${await bytesOf(directory)} bytes`);
    await journal.close();
    assert.equal(Object.keys((await found()).gone).length, 36);
  });

  describe("after an end in the midst of writing", () => {
    test("loses what was being written, wherever that ended, and says nothing", async () => {
      const journal = await open();
      note(journal, change("c1", 1));
      await journal.flush();
      const path = join(directory, (await readdir(directory))[0] as string);
      const { size: whole } = await stat(path);
      note(journal, change("c2", 1));
      await journal.close();
      const bytes = await readFile(path);
      for (let size = bytes.length - 1; size >= 0; size--) {
        await writeFile(path, bytes.subarray(0, size));
        const { published } = await found();
        assert.deepEqual(published, size < whole ? {} : { c1: 1 }, `${size} of ${bytes.length} bytes`);
      }
      assert.deepEqual(warnings, []);
    });

    test("goes on in another file, behind what is whole", async () => {
      const journal = await open();
      note(journal, change("c1", 1));
      await journal.close();
      const path = join(directory, (await readdir(directory))[0] as string);
      await truncate(path, (await stat(path)).size - 1);
      const next = await open();
      note(next, change("c2", 1));
      await next.close();
      assert.deepEqual((await found()).published, { c2: 1 });
      assert.deepEqual(warnings, []);
    });
  });

  describe("with damage", () => {
    async function three(): Promise<string> {
      const journal = await open();
      for (const id of ["c1", "c2", "c3"]) {
        note(journal, change(id, 1));
        await journal.flush();
      }
      await journal.close();
      return join(directory, (await readdir(directory))[0] as string);
    }

    test("gives back what is before it, and sets the file aside with one sentence when that is written anew", async () => {
      const path = await three();
      const bytes = await readFile(path);
      bytes[bytes.indexOf("c2")] = 0;
      await writeFile(path, bytes);
      assert.deepEqual((await found()).published, { c1: 1 });
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] as string, /clients-00000001\.journal is damaged, the checksum .* set aside/);

      const journal = await open();
      note(journal, change("c4", 1));
      await journal.close();
      assert.deepEqual(await readdir(directory), ["clients-00000002.journal", "clients.damaged"]);
      warnings = [];
      assert.deepEqual((await found()).published, { c1: 1, c4: 1 });
      assert.deepEqual(warnings, []);
    });

    test("takes any bytes for what they are", async () => {
      await three();
      for (const bytes of [Buffer.alloc(4_096), Buffer.from("no journal at all ".repeat(100))]) {
        await writeFile(join(directory, "clients-00000007.journal"), bytes);
        assert.deepEqual((await found()).published, { c1: 1, c2: 1, c3: 1 });
      }
      assert.equal(warnings.length, 2);
      assert.match(warnings[1] as string, /not a journal of this version/);
    });

    test("finds no byte whose change it takes for something else", async () => {
      const path = await three();
      const bytes = await readFile(path);
      for (let at = 0; at < bytes.length; at++) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] as number) ^ 0x10;
        await rm(directory, { recursive: true });
        await nodeFiles.makeDirectory(directory);
        await writeFile(path, changed);
        const { published } = await found();
        assert.ok(!("c3" in published), `byte ${at}`);
      }
    });

    test("goes on when zeros follow, as after a power failure", async () => {
      const path = await three();
      await appendFile(path, Buffer.alloc(512));
      assert.deepEqual((await found()).published, { c1: 1, c2: 1, c3: 1 });
      assert.equal(warnings.length, 1);
    });
  });

  describe("on a disk that fails", () => {
    test("says so once, tries again, and misses nothing in the end", async () => {
      const { files, faults } = faultyFiles(nodeFiles, ".journal");
      const journal = await open({ files });
      note(journal, change("c1", 1));
      await journal.flush();
      faults.write = { code: "ENOSPC", afterBytes: 20 };
      note(journal, change("c2", 1));
      await journal.flush();
      clients.set("c3", change("c3", 1));
      journal.note("c3");
      await journal.flush();
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] as string, /\(ENOSPC\).*free space/);
      assert.deepEqual((await found()).published, { c1: 1 });

      faults.write = undefined;
      clock.advance(2_000);
      await journal.flush();
      assert.deepEqual((await found()).published, { c1: 1, c2: 1, c3: 1 });
      await journal.close();
    });

    test("leaves nothing of a write that failed, so that what follows it is whole", async () => {
      const { files, faults } = faultyFiles(nodeFiles, ".journal");
      const journal = await open({ files });
      faults.write = { code: "ENOSPC", afterBytes: 0 };
      note(journal, change("c1", 1));
      await journal.flush();
      faults.write = undefined;
      await journal.flush();
      faults.write = { code: "EIO", afterBytes: 100 };
      note(journal, change("c2", 1));
      await journal.flush();
      faults.write = undefined;
      note(journal, gone("c2", 2));
      await journal.close();
      warnings = [];
      assert.deepEqual(await found(), { published: { c1: 1 }, gone: { c2: "removed" } });
      assert.deepEqual(warnings, []);
    });

    test("ends when too many clients wait, and leaves nothing that is outdated", async () => {
      const { files, faults } = faultyFiles(nodeFiles, ".journal");
      const journal = await open({ files, limits: { waitingMax: 10 } });
      note(journal, change("c1", 1));
      await journal.flush();
      faults.write = { code: "EIO", afterBytes: 0 };
      for (let at = 0; at < 12; at++) {
        note(journal, change(`x${at}`, 1));
        await journal.flush();
      }
      faults.write = undefined;
      note(journal, change("c1", 2));
      await journal.close();
      assert.deepEqual((await found()).published, {});
      assert.equal(warnings.length, 2);
      assert.match(warnings[1] as string, /ends until the next start/);
    });

    test("starts with what it can read", async () => {
      const journal = await open();
      note(journal, change("c1", 1));
      await journal.close();
      const read = () => Promise.reject(Object.assign(new Error("injected"), { code: "EIO" }));
      assert.deepEqual(await restored({ files: { ...nodeFiles, read } }), []);
      assert.match(warnings[0] as string, /cannot be read \(EIO\)/);
    });
  });
});

async function bytesOf(directory: string): Promise<number> {
  let sum = 0;
  for (const name of await readdir(directory)) sum += (await stat(join(directory, name))).size;
  return sum;
}

function change(id: string, counter: number, owner = "a"): Kept {
  const service = { namespace: "public", group: "DEFAULT_GROUP", name: "orders" };
  const instance = {
    ip: "10.0.0.1",
    port: 80,
    weight: 1,
    healthy: true,
    enabled: true,
    cluster: "DEFAULT",
    metadata: { zone: "z1" },
    instanceId: undefined,
  };
  return {
    id,
    kind: id.includes("#") ? "address" : "connection",
    version: { owner, incarnation: 1, counter },
    contentHash: counter,
    gone: undefined,
    answers: false,
    after: 0,
    ageMs: 0,
    contents: {
      ip: "10.0.0.1",
      port: 80,
      app: "app",
      agent: "",
      createdAt: 1,
      publications: [{ service, instances: [instance] }],
    },
  };
}

function gone(id: string, counter: number, ageMs = 0): Kept {
  const version = { owner: "a", incarnation: 1, counter };
  return { id, kind: "connection", version, contentHash: 0, gone: "removed", answers: false, after: 0, ageMs };
}
