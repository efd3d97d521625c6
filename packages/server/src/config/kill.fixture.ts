import { randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { betaTarget, type ConfigCommand, findItem, type GrayTarget, tagTarget } from "@nacre/core/config";
import { type ConfigName, RegistryError } from "@nacre/protocol";
import { neverReplaced } from "@nacre/testkit/log-suite";
import { Random } from "@nacre/testkit/random";
import { systemClock } from "../clock.ts";
import { Connections } from "../connections/connections.ts";
import { openDurableLog } from "../storage/durable-log.ts";
import { decodeCommand, encodeCommand } from "./command-codec.ts";
import { testedConfigs } from "./configs.fixture.ts";

/**
 * Configuration over a data folder, and as a program a process that writes until it is killed: `<folder> <round>`. Each
 * change is announced on stdout before it is asked for and again when it is acknowledged, both written synchronously,
 * so that a line that was read is a change that was asked for, or acknowledged.
 */

const WRITERS = 10;
const NAMES_EACH = 3;
const IMPORTED = 20;
const GRAYS: readonly GrayTarget[] = [betaTarget("10.0.0.1"), tagTarget("canary")];
const BY = { user: "ada", ip: "10.0.0.9" };
const LARGE_BYTES = 20_000;

/** A change of one of a writer's own names, so that the order of those of one name is that of the lines. */
export type Change =
  | { readonly type: "publish"; readonly dataId: string; readonly gray?: string; readonly text: string }
  | { readonly type: "remove"; readonly dataId: string; readonly gray?: string }
  | { readonly type: "import"; readonly dataIds: readonly string[]; readonly text: string }
  /** Everybody's: it replaces exactly the version with this md5. */
  | { readonly type: "race"; readonly dataId: string; readonly expectedMd5: string; readonly text: string }
  | { readonly type: "createNamespace" | "deleteNamespace"; readonly id: string };

export interface Line {
  readonly writer: number;
  readonly asked?: Change;
  /** Of the change the writer asked for last; `lost`: somebody else was faster. */
  readonly outcome?: "done" | "lost";
}

export const RACED = "raced";
export const nameOf = (dataId: string): ConfigName => ({ namespace: "public", group: "g", dataId });

/** The content that a text stands for: lines stay short where contents are long, one of which is longer than a page. */
export const contentFor = (text: string): string => (text.endsWith("00") ? text.padEnd(LARGE_BYTES, "x") : text);

export async function openConfigs(directory: string, boot?: string) {
  const clock = systemClock;
  const log = { info() {}, warn() {}, error() {}, debug() {} };
  const address = { ip: "10.0.0.1", port: 8848 };
  const connections = new Connections({ clock, log, abilities: {}, address, queuedBytesMax: 1 });
  const configs = testedConfigs({ clock, log, connections });
  const durable = await openDurableLog<ConfigCommand, unknown>({
    directory,
    machine: {
      ...configs.machine,
      load: (row) => void configs.machine.load(row),
      replace: neverReplaced,
      codec: { encode: encodeCommand, decode: (payload) => decodeCommand<ConfigCommand>(payload) },
    },
    // Small, so that every few rounds meet the ends of segments, batches and snapshots.
    limits: { segmentBytes: 64 * 1024, snapshotLogBytes: 512 * 1024, batchEntriesMax: 8 },
    ...(boot === undefined ? {} : { boot }),
  });
  configs.attach({ durable, store: durable.configs });
  const close = async (): Promise<void> => {
    configs.stop();
    await durable.close();
  };
  return { configs, durable, close };
}

/** The pipe does not block, so that a full one is tried again until the reader has made room. */
function say(line: Line): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (thrown) {
      if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EAGAIN")) throw thrown;
    }
  }
}

async function writeUntilKilled(directory: string, round: number): Promise<void> {
  const { configs, close } = await openConfigs(directory);
  if (round === 0) {
    // Ends by itself, which fills the compile cache: a process that is killed leaves none.
    await configs.store.content(nameOf(RACED));
    return close();
  }
  const held = (dataId: string) => findItem(configs.state, nameOf(dataId));

  async function perform(change: Change): Promise<"done" | "lost"> {
    switch (change.type) {
      case "publish": {
        const gray = GRAYS.find(({ name }) => name === change.gray);
        const item = held(change.dataId);
        const version = gray === undefined ? item?.formal : item?.grays.find(({ name }) => name === gray.name);
        await configs.publish({
          name: nameOf(change.dataId),
          content: contentFor(change.text),
          fields: { description: change.text },
          ...(gray === undefined ? {} : { gray }),
          // Nobody else writes it, so that its md5 is known and compare-and-set succeeds.
          terms: change.text.endsWith("1") ? { expectedMd5: version?.md5 ?? "" } : {},
          by: BY,
        });
        return "done";
      }
      case "remove":
        await configs.remove(nameOf(change.dataId), BY, change.gray);
        return "done";
      case "import": {
        const items = change.dataIds.map((dataId) => ({
          name: nameOf(dataId),
          content: contentFor(change.text),
          fields: {},
        }));
        await configs.importAll(items, "OVERWRITE", BY);
        return "done";
      }
      case "race": {
        const { dataId, expectedMd5, text } = change;
        try {
          await configs.publish({ name: nameOf(dataId), content: text, fields: {}, terms: { expectedMd5 }, by: BY });
          return "done";
        } catch (thrown) {
          if (thrown instanceof RegistryError && thrown.failure === "configConflict") return "lost";
          throw thrown;
        }
      }
      case "createNamespace":
        await configs.createNamespace(change.id, change.id, "");
        return "done";
      case "deleteNamespace":
        await configs.deleteNamespace(change.id, BY, false);
        return "done";
    }
  }

  function draw(random: Random, writer: number, text: string): Change {
    const dataId = `${writer}.${random.below(NAMES_EACH)}`;
    const gray = random.chance(0.4) ? { gray: random.pick(GRAYS).name } : {};
    const kind = random.next();
    if (writer === 0 && kind < 0.5)
      return { type: "import", dataIds: Array.from({ length: IMPORTED }, (_, at) => `import.${at}`), text };
    if (kind < 0.6) return { type: "publish", dataId, ...gray, text };
    if (kind < 0.8) return { type: "remove", dataId, ...gray };
    if (kind < 0.95) return { type: "race", dataId: RACED, expectedMd5: held(RACED)?.formal?.md5 ?? "", text };
    const id = `writer-${writer}`;
    return { type: configs.state.namespaces.has(id) ? "deleteNamespace" : "createNamespace", id };
  }

  async function write(writer: number): Promise<never> {
    const random = new Random(randomBytes(4).readUInt32BE());
    for (let count = 1; ; count += 1) {
      const asked = draw(random, writer, `round ${round}, writer ${writer}, change ${count}`);
      say({ writer, asked });
      say({ writer, outcome: await perform(asked) });
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
}

const [, program, directory, round] = process.argv;
if (program === import.meta.filename && directory !== undefined) await writeUntilKilled(directory, Number(round));
