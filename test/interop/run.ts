/**
 * Runs released clients against fresh servers: one test per client and scenario. Programs that are not built yet are
 * built first. `--only <text>` takes the clients whose name holds the text; `--write` writes docs/reference/clients.md.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CLIENTS, type Client } from "./lib/clients.ts";
import { type Outcome, ProgramProcess } from "./lib/program.ts";
import { type Results, writeReport } from "./lib/report.ts";
import type { ScenarioName } from "./lib/scenarios.ts";
import { ServerProcess } from "./lib/server.ts";

/** Clients at a time; two cores build two programs at best. */
const CONCURRENCY = 2;
const BUILD_MAX_MS = 600_000;
const SCENARIO_MAX_MS = 180_000;
const METADATA_LENGTH = "--nacos.naming.service.metadata.length=20000";

const only = flagValue("--only");
const clients = CLIENTS.filter((client) => only === undefined || client.name.includes(only));
// The clients that cannot run here are replayed.
if (only === undefined) await import("./recorded.test.ts");

const results = new Map<Client, Map<ScenarioName, Outcome>>();

describe("released clients", { concurrency: CONCURRENCY }, () => {
  /** Has default limits; scenarios that change nothing on it share it. */
  let strictServer: ServerProcess;

  before(async () => {
    strictServer = await ServerProcess.start();
  });

  after(async () => {
    await strictServer?.stop();
    if (process.argv.includes("--write")) await writeReport(clients, results satisfies Results);
  });

  for (const client of clients) {
    describe(`${client.name}: ${client.artifact} ${client.version}`, { concurrency: 1 }, () => {
      const missing = client.build.missing();
      if (missing !== undefined && process.env.CI !== "true") {
        test.skip(`skipped: ${missing}`);
        return;
      }

      let server: ServerProcess | undefined;
      let program: ProgramProcess | undefined;
      const outcomes = new Map<ScenarioName, Outcome>();
      results.set(client, outcomes);

      before(
        async () => {
          assert.equal(missing, undefined, "with CI=true every toolchain must be there");
          const command = await client.build.ready();
          const fresh = await ServerProcess.start(METADATA_LENGTH);
          server = fresh;
          const addresses = [fresh.address, strictServer.address];
          program = await ProgramProcess.start(command, addresses, client.scenarios, () => fresh.killAndRestart());
        },
        { timeout: BUILD_MAX_MS },
      );

      after(async () => {
        await program?.stop();
        await server?.stop();
      });

      for (const name of client.scenarios) {
        test(name, { timeout: SCENARIO_MAX_MS }, async (context) => {
          assert.ok(program !== undefined);
          const outcome = await program.outcome(name);
          outcomes.set(name, outcome);
          if (outcome.detail !== "") context.diagnostic(outcome.detail);
          assert.ok(outcome.ok, `${outcome.detail}\n--- client\n${program.errors}\n--- server\n${server?.printed}`);
        });
      }
    });
  }
});

function flagValue(flag: string): string | undefined {
  const at = process.argv.indexOf(flag);
  return at < 0 ? undefined : process.argv[at + 1];
}
