/**
 * Breaks clusters of real processes and looks what clients notice: `npm run test:cluster`.
 *
 * An act is a cluster with those who use it; its scenarios run one after the other and leave it whole. In a scenario a
 * member is killed, stopped, frozen, moved or cut off. Members that must lose each other are connected through proxies
 * of this process, which needs nobody's rights: see lib/cluster.ts. An observer on each member and the applications on
 * released SDKs (the programs of test/interop, told what to do line by line) put every list they are shown into a
 * history, which then proves what was never missing, never shown too long and never empty: see lib/history.ts.
 *
 * `--only TEXT` takes the scenarios and acts whose name holds the text. `--strict` holds members to the figures as they
 * are promised; otherwise they have room for a busy machine. `--long` takes the full length of faults. `--report` does
 * both and writes docs/reference/cluster-scenarios.md; with `--only`, the other rows of the page stay. A toolchain that
 * is missing leaves its SDK out, with the reason; with CI=true it fails. `--only chaos --chaos 500` kills members so many
 * times; `--seed N` makes the same choices again.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { optionsOrExit } from "../../scripts/lib/usage.ts";
import { SDKS } from "./lib/drivers.ts";
import { type Outcome, writeReport } from "./lib/report.ts";
import { type Act, isLong, type Scenario } from "./lib/scenario.ts";
import { Stage } from "./lib/stage.ts";
import { ACTS } from "./scenarios/index.ts";

const OPEN_MAX_MS = 600_000;
const EXIT_MAX_MS = 15_000;
const SCENARIO_MAX_MS = isLong ? 900_000 : 240_000;

const { only, report } = optionsOrExit(import.meta.url, {
  only: { type: "string" },
  strict: { type: "boolean" },
  long: { type: "boolean" },
  report: { type: "boolean" },
  chaos: { type: "string" },
  seed: { type: "string" },
});
/** Acts at a time: several would take each other's time, which scenarios measure. */
const CONCURRENCY = 1;
const outcomes = new Map<Scenario, Outcome>();
const left: string[] = [];

describe("clusters", { concurrency: CONCURRENCY }, () => {
  after(async () => {
    if (report === true) await writeReport(ACTS, outcomes, left);
    // What a failed scenario has left behind is not to keep this process.
    setTimeout(() => process.exit(), EXIT_MAX_MS).unref();
  });
  for (const act of ACTS) {
    const scenarios = act.scenarios.filter(
      ({ id, fault }) => only === undefined || `${act.name} ${id}: ${fault}`.includes(only),
    );
    if (scenarios.length > 0) describe(act.name, { concurrency: 1 }, () => play(act, scenarios));
  }
});

function play(act: Act, scenarios: readonly Scenario[]): void {
  let stage: Stage | undefined;

  before(
    async () => {
      stage = await Stage.open(act.setup);
      if (act.hasSdks === true) await employ(stage);
    },
    { timeout: OPEN_MAX_MS },
  );

  after(async () => stage?.close());

  for (const scenario of scenarios) {
    test(`${scenario.id}: ${scenario.fault}`, { timeout: scenario.maxMs ?? SCENARIO_MAX_MS }, async (context) => {
      assert.ok(stage !== undefined);
      const from = performance.now();
      try {
        const measured = await scenario.run(stage);
        outcomes.set(scenario, { ok: true, measured });
        context.diagnostic(measured);
      } catch (thrown) {
        outcomes.set(scenario, { ok: false, measured: firstLine(thrown) });
        // At once, and apart from the sentence of the failure: it is long.
        const shown = `--- shown\n${stage.changes(from)}\n${await stage.journals()}\n${stage.cluster.said()}`;
        process.stderr.write(`=== ${scenario.id}: ${thrown}\n${shown}`);
        await stage.repair();
        throw thrown;
      }
    });
  }
}

async function employ(stage: Stage): Promise<void> {
  for (const sdk of SDKS) {
    const missing = sdk.build.missing();
    if (missing !== undefined) {
      assert.notEqual(process.env.CI, "true", `with CI=true every toolchain must be there: ${missing}`);
      left.push(`${sdk.name}: ${missing}`);
      continue;
    }
    await sdk.build.ready();
  }
  const present = SDKS.filter((sdk) => sdk.build.missing() === undefined);
  await Promise.all(present.map((sdk) => stage.app(sdk)));
}

/** What was found, where a list of faults was to be empty; else the beginning of what went wrong. */
function firstLine(thrown: unknown): string {
  const { actual, message } = thrown as { readonly actual?: unknown; readonly message: string };
  if (Array.isArray(actual))
    return actual.map((each) => (typeof each === "string" ? each : JSON.stringify(each))).join("; ");
  return message.split("\n").slice(0, 2).join(" ");
}
