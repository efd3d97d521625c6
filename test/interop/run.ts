/**
 * Runs released clients against fresh servers: one test per client and scenario. Programs that are not built yet are
 * built first. `--only <text>` takes the clients whose name holds the text, or one of several with commas between them,
 * `--half naming` or `--half configuration` the scenarios of one half; `--members 3` runs them against three members, all
 * of which the clients know; `--write` writes docs/reference/clients.md.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { optionsOrExit } from "../../scripts/lib/usage.ts";
import type { Program } from "./lib/builds.ts";
import { CLIENTS, type Client } from "./lib/clients.ts";
import { Outside } from "./lib/outside.ts";
import { type Outcome, ProgramProcess } from "./lib/program.ts";
import { type Results, writeReport } from "./lib/report.ts";
import { type Half, type ScenarioName, scenariosOf } from "./lib/scenarios.ts";
import { type Served, startServed } from "./lib/served.ts";
import { ServerProcess } from "./lib/server.ts";

const HALVES: readonly Half[] = ["naming", "configuration"];
const SERVER_FLAGS: Record<Half, readonly string[]> = {
  naming: ["--nacos.naming.service.metadata.length=20000"],
  configuration: [],
};
const BUILD_MAX_MS = 600_000;
const SCENARIO_MAX_MS = 180_000;

const options = optionsOrExit(import.meta.url, {
  only: { type: "string" },
  half: { type: "string" },
  members: { type: "string", default: "1" },
  write: { type: "boolean" },
});
const members = Number(options.members);
const only = options.only?.split(",");
const { half } = options;
const clients = CLIENTS.filter((client) => only === undefined || only.some((text) => client.name.includes(text)));
/**
 * Clients at a time, on two cores. Both halves of a client run at once: mostly they wait. Three members of each half do
 * three times the work, and clients give a publish of 10 MiB no more than 3 s.
 */
const concurrency = members === 1 ? 3 : 1;
// The clients that cannot run here are replayed.
if (only === undefined && members === 1) await import("./recorded.test.ts");

const results = new Map<Client, Map<ScenarioName, Outcome>>(clients.map((client) => [client, new Map()]));

describe("released clients", { concurrency }, () => {
  /** Has default limits; scenarios that change nothing on it share it. */
  let strictServer: ServerProcess;

  before(async () => {
    strictServer = await ServerProcess.start();
  });

  after(async () => {
    await strictServer?.stop();
    if (options.write === true) await writeReport(clients, results satisfies Results);
  });

  for (const client of clients) {
    describe(`${client.name}: ${client.artifact} ${client.version}`, { concurrency: HALVES.length }, () => {
      const missing = client.build.missing();
      if (missing !== undefined && process.env.CI !== "true") {
        test.skip(`skipped: ${missing}`);
        return;
      }
      let program: Promise<Program> | undefined;

      before(
        async () => {
          assert.equal(missing, undefined, "with CI=true every toolchain must be there");
          program = client.build.ready();
          await program;
        },
        { timeout: BUILD_MAX_MS },
      );

      for (const each of HALVES.filter((name) => half === undefined || half === name)) {
        describe(each, { concurrency: 1 }, () => {
          runHalf(client, each, async () => {
            assert.ok(program !== undefined, "the program was not built");
            return program;
          });
        });
      }
    });
  }

  function runHalf(client: Client, each: Half, built: () => Promise<Program>): void {
    const scenarios = scenariosOf(each).filter((name) => client.scenarios.includes(name));
    let server: Served | undefined;
    let program: ProgramProcess | undefined;

    before(async () => {
      const command = await built();
      server = await startServed(members, SERVER_FLAGS[each]);
      const outside = new Outside(server);
      const addresses = [server.addresses, strictServer.address];
      program = await ProgramProcess.start(command, addresses, scenarios, (asked) => outside.answer(asked));
    });

    after(async () => {
      await program?.stop();
      await server?.stop();
    });

    for (const name of scenarios) {
      test(name, { timeout: SCENARIO_MAX_MS }, async (context) => {
        assert.ok(program !== undefined);
        const outcome = await program.outcome(name);
        results.get(client)?.set(name, outcome);
        if (outcome.detail !== "") context.diagnostic(outcome.detail);
        assert.ok(outcome.ok, `${outcome.detail}\n--- client\n${program.errors}\n--- server\n${server?.printed}`);
      });
    }
  }
});
