/**
 * Runs gRPC clients of other implementations, h2spec, h2load and curl against the engine. Programs that are not built
 * yet are built first. `--only <text>` takes what has the text in its name; `--server grpc-js` puts the library in the
 * place of the engine, for comparison: what it cannot do is left out, and h2spec is only reported.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { optionsOrExit } from "../../scripts/lib/usage.ts";
import type { Build, Program } from "../interop/lib/builds.ts";
import { h2spec } from "./lib/builds.ts";
import { ClientProcess, type Outcome } from "./lib/client-process.ts";
import { CLIENTS, type Client } from "./lib/clients.ts";
import { runH2spec } from "./lib/h2spec.ts";
import { SCENARIO_NAMES, type ScenarioName } from "./lib/scenarios.ts";
import { ServerProcess } from "./lib/server-process.ts";
import { isServerName, LACKS, SERVER_NAMES, type ServerName } from "./lib/servers.ts";
import { TOOL_TESTS } from "./lib/tools.ts";

/** Clients at a time, on two cores. */
const CONCURRENCY = 2;
const BUILD_MAX_MS = 600_000;
const SCENARIO_MAX_MS = 60_000;
const TOOL_MAX_MS = 60_000;
/** Where every case waits for what does not come. */
const H2SPEC_MAX_MS = 400_000;

const inCi = (process.env.CI ?? "") !== "" && process.env.CI !== "false";
const { only, server } = optionsOrExit(import.meta.url, {
  only: { type: "string", default: "" },
  server: { type: "string", default: SERVER_NAMES[0] },
});
const serverName = chosenServer(server);
const judged = serverName !== "grpc-js";

const clients = CLIENTS.filter(({ name }) => name.includes(only));
const scenarios = SCENARIO_NAMES.filter((name) => !LACKS[serverName].includes(name));
const outcomes = new Map<Client, Map<ScenarioName, Outcome>>(clients.map((client) => [client, new Map()]));

describe(`gRPC clients against ${serverName}`, { concurrency: CONCURRENCY }, () => {
  after(() => process.stdout.write(`${table()}\n`));

  for (const client of clients) {
    describe(`${client.name}: ${client.artifact} ${client.version}`, { concurrency: 1 }, () => {
      runClient(client);
    });
  }
});

if ("h2spec".includes(only)) {
  describe("h2spec 2.2.1", { concurrency: 1 }, () => {
    const ready = built(h2spec());
    if (ready === undefined) return;
    for (const tls of [false, true]) {
      test(tls ? "over TLS" : "without TLS", { timeout: H2SPEC_MAX_MS }, async (context) => {
        const server = await ServerProcess.start(serverName);
        try {
          const { addresses } = server;
          const cases = await runH2spec(await ready(), tls ? addresses.tls : addresses.plain, tls);
          const failed = cases.flatMap(({ name, failure }) => (failure === undefined ? [] : [`${name}: ${failure}`]));
          context.diagnostic(`${cases.length - failed.length} of ${cases.length} cases passed`);
          assert.ok(cases.length > 0, "the report holds no case");
          if (judged) assert.deepEqual(failed, [], `\n${failed.join("\n")}\n--- server\n${server.printed}`);
        } finally {
          await server.stop();
        }
      });
    }
  });
}

describe("tools", { concurrency: 1 }, () => {
  let server: ServerProcess | undefined;

  before(async () => {
    server = await ServerProcess.start(serverName);
  });

  after(() => server?.stop());

  for (const tool of TOOL_TESTS.filter(({ name }) => name.includes(only))) {
    const missing = tool.missing();
    test(tool.name, { timeout: TOOL_MAX_MS, skip: !inCi && missing }, async () => {
      assert.equal(missing, undefined, "with CI set every tool must be there");
      assert.ok(server !== undefined);
      await tool.run(server.addresses);
    });
  }
});

function runClient(client: Client): void {
  const ready = built(client.build);
  if (ready === undefined) return;
  let server: ServerProcess | undefined;
  let program: ClientProcess | undefined;

  before(
    async () => {
      const command = await ready();
      server = await ServerProcess.start(serverName);
      program = await ClientProcess.start(command, server.addresses, scenarios);
    },
    { timeout: BUILD_MAX_MS },
  );

  after(async () => {
    await program?.stop();
    await server?.stop();
  });

  for (const name of scenarios) {
    test(name, async () => {
      assert.ok(program !== undefined);
      const outcome = await program.outcome(name, SCENARIO_MAX_MS);
      outcomes.get(client)?.set(name, outcome);
      assert.ok(outcome.ok, `${outcome.reason}\n--- client\n${program.errors}\n--- server\n${server?.printed}`);
    });
  }
}

/** Gives what builds the program, or skips the suite because a toolchain is missing. */
function built(build: Build): (() => Promise<Program>) | undefined {
  const missing = build.missing();
  if (missing !== undefined && !inCi) {
    test.skip(`skipped: ${missing}`);
    return undefined;
  }
  return async () => {
    assert.equal(missing, undefined, "with CI set every toolchain must be there");
    return build.ready();
  };
}

function table(): string {
  const cell = (client: Client, name: ScenarioName): string => {
    const outcome = outcomes.get(client)?.get(name);
    return outcome === undefined ? "-" : outcome.ok ? "ok" : "FAIL";
  };
  const rows = [["", ...clients.map(({ name }) => name)]];
  for (const name of SCENARIO_NAMES) rows.push([name, ...clients.map((client) => cell(client, name))]);
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function chosenServer(name: string): ServerName {
  assert.ok(isServerName(name), `--server takes ${SERVER_NAMES.join(" or ")}`);
  return name;
}
