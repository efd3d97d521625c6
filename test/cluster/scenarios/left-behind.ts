/** Data that the group goes on without: who keeps it, who says so, and how it is taken back. */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { nacre } from "../lib/command.ts";
import { createNamespace, must, publish, readConfig, register } from "../lib/durable-calls.ts";
import { freePorts } from "../lib/free-ports.ts";
import { grouped } from "../lib/group.ts";
import { findingOf } from "../lib/looks.ts";
import { MemberProcess } from "../lib/member-process.ts";
import { type Act, bound, ms } from "../lib/scenario.ts";
import type { Stage } from "../lib/stage.ts";

/** A member that started tells of nothing before it has looked around. */
const SETTLED_MAX_MS = 30_000;
/** A finding ends so long after the folder is removed, and the next look shows it. */
const REMOVED_MAX_MS = 15_000;

/** Makes a member that is stopped the only voter. @returns the epoch in which it goes on. */
async function recover(member: MemberProcess): Promise<number> {
  const words = ["raft", "recover", "--data", member.dataFolder, "--yes", "--json"];
  return (JSON.parse(await nacre(dirname(member.dataFolder), words)) as { epoch: { to: number } }).epoch.to;
}

/** Recovers two members apart. @returns them, the one first whose epoch counts when they meet. */
async function recoverApart(one: MemberProcess, other: MemberProcess): Promise<[MemberProcess, MemberProcess]> {
  const first = await recover(one);
  for (;;) {
    const second = await recover(other);
    if (second !== first) return second > first ? [other, one] : [one, other];
  }
}

/** What is in a folder, by a server on it. */
async function serve(folder: string): Promise<MemberProcess> {
  const host = "127.0.0.1";
  const [port = 0] = await freePorts(1, [host]);
  const server = await MemberProcess.create({ name: "left", host, port, list: [], data: folder });
  await server.start();
  return server;
}

async function holds(stage: Stage, wanted: Record<string, string>): Promise<void> {
  await stage.until(bound(5000), async () => {
    const looks = stage.cluster.members.flatMap((member) =>
      Object.entries(wanted).map(async ([dataId, content]) => {
        const told = await readConfig(member, dataId, false);
        const isThere = told.outcome === "done" && told.value === content;
        return isThere ? [] : [`${member.name}: ${dataId}: ${JSON.stringify(told)}`];
      }),
    );
    return (await Promise.all(looks)).flat();
  });
}

export const leftBehind: Act = {
  name: "what is left behind",
  scenarios: [
    {
      id: "S38c",
      fault: "the founder of another group, with data of its own, is told to join",
      required: "it is refused by name, keeps its data and takes writes; nothing is set aside",
      reference: "mixed data",
      async run(stage) {
        const [first] = stage.cluster.members as [MemberProcess];
        const other = await stage.cluster.add([]);
        other.setup = { ...other.setup, list: [] };
        try {
          await other.start();
          must(await publish(other, "s38c-own", "1"));
          const words = ["cluster", "join", first.address, "--server", other.address];
          const said = await nacre(dirname(other.dataFolder), words, [1]);
          assert.match(said, /cluster/);
          assert.ok(said.includes(first.address), said);
          assert.equal(must(await readConfig(other, "s38c-own", true)), "1");
          must(await publish(other, "s38c-own", "2"));
          assert.equal(await findingOf(other, "LEFT_BEHIND"), undefined);
          return said.trim();
        } finally {
          await stage.cluster.remove(other);
        }
      },
    },
    {
      id: "S38d",
      fault: "two of three are recovered apart and written to, then meet",
      required: "one gives way, and says where what it held is; that can be served, backed up, imported and removed",
      reference: "operators compare databases",
      async run(stage) {
        const { members } = stage.cluster;
        const [a, b, third] = members as [MemberProcess, MemberProcess, MemberProcess];
        await grouped(members);
        must(await publish(a, "s38d-before", "of all"));
        await Promise.all(members.map((member) => member.kill()));
        const [stays, gives] = await recoverApart(a, b);
        await gives.start();
        must(await publish(gives, "s38d-lost", "written apart"));
        must(await publish(gives, "s38d-both", "of the one that gives way"));
        must(await createNamespace(gives, "s38d"));
        must(await register(gives, "s38d", "10.9.9.9:1", "x"));
        await gives.kill();
        await stays.start();
        must(await publish(stays, "s38d-both", "of the one that stays"));
        await Promise.all([gives.start(), third.start()]);
        await grouped(members, bound(30_000));
        await holds(stage, { "s38d-before": "of all", "s38d-both": "of the one that stays", "s38d-lost": "absent" });

        const folder = join(gives.dataFolder, "left-behind", "1");
        assert.ok(gives.printed.includes(`it is set aside in ${folder}`), gives.tail());
        const cwd = dirname(gives.dataFolder);
        let sentence = "";
        await stage.until(bound(SETTLED_MAX_MS), async () => {
          sentence = (await findingOf(gives, "LEFT_BEHIND"))?.sentence ?? "";
          return sentence === "" ? [`${gives.name} tells of nothing that was left behind`] : [];
        });
        const doctor = await nacre(cwd, ["doctor", "--server", gives.address]);
        assert.ok(doctor.includes("LEFT_BEHIND") && doctor.includes(folder), doctor);
        assert.match(sentence, /\(3 configurations, 1 namespace, 1 persistent instance\)/);
        const status = await nacre(cwd, ["raft", "status", "--server", gives.address]);
        assert.match(status, /3 of 3 voters are there/);

        const server = await serve(folder);
        try {
          assert.match(server.printed, /was left behind by a member .* served in a cluster of its own/);
          assert.equal(must(await readConfig(server, "s38d-lost", true)), "written apart");
          const backup = join(cwd, "left.backup");
          await nacre(cwd, ["backup", backup, "--server", server.address]);
          assert.match(
            await nacre(cwd, ["backup", "show", backup]),
            /^configurations +3\n.*^persistent instances +1\n/ms,
          );
          const words = ["import", "--from", `http://${server.address}`, "--to", `http://${stays.address}`];
          await nacre(cwd, [...words, "--policy", "skip", "--dry-run"]);
          await holds(stage, { "s38d-lost": "absent" });
          await nacre(cwd, [...words, "--policy", "skip"]);
          await holds(stage, { "s38d-lost": "written apart", "s38d-both": "of the one that stays" });
        } finally {
          await server.dispose();
        }
        await rm(folder, { recursive: true });
        const goneMs = await stage.until(bound(REMOVED_MAX_MS), async () => {
          const finding = await findingOf(gives, "LEFT_BEHIND");
          return finding === undefined ? [] : [finding.sentence];
        });
        return `it says: ${sentence} Imported into all; the finding ended ${ms(goneMs)} after the folder was removed`;
      },
    },
  ],
};
