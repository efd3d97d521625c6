/**
 * Everything CI requires, in the order in which it fails fastest: checks, tests of packages, scripts and the product,
 * then 2,000 seeds of what members of a cluster agree on and 150 of whole members with their clients, official clients
 * against a running server and some of them against three members, gRPC clients against the engine, suites through a member of three, and clusters that break.
 * `npm test -- unit` leaves out all but the tests; `npm test -- PATH...` runs these test files only.
 */
import { globSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { check } from "./check.ts";
import { commandStep, lineOf, ROOT, type StepResult, say } from "./lib/steps.ts";
import { testStep } from "./lib/test-run.ts";

/** As many processes as there are cores, and a minute or two on two of them. */
const SIM_WORKERS = Math.min(4, availableParallelism());

/**
 * One that speaks gRPC and one that speaks HTTP 1.x, each call to a member of its choice; all eleven take minutes. Others
 * give a publish of 10 MiB 3 s, which three members on two busy cores need at times: they run by hand.
 */
const AT_THREE = ["Python 3", "Python 2"];

const SERVED = /\b(startServed|new TestHttp|new ConfigHttp|allHttp|Member\.open)\(/;

const words = process.argv.slice(2);
const inCi = (process.env.CI ?? "") !== "" && process.env.CI !== "false";
const unitOnly = words.includes("unit");
const named = words.filter((word) => word !== "unit");
const everything = !unitOnly && named.length === 0;

const results: StepResult[] = [];
if (everything) results.push(...check());
results.push(await testStep("tests", named.length > 0 ? named : testFiles(), inCi));
if (everything) {
  results.push(
    simStep("simulators", "membership,distro,raft", 2000),
    simStep("simulator of whole members", "cluster", 150),
  );
  results.push(commandStep("official clients", process.execPath, ["test/interop/run.ts"], true));
  const few = ["test/interop/run.ts", "--members", "3", "--only", AT_THREE.join()];
  results.push(commandStep("official clients at three members", process.execPath, few, true));
  results.push(commandStep("gRPC clients", process.execPath, ["test/grpc/run.ts"], true));
  results.push(
    commandStep("suites through a member of three", process.execPath, ["--test", ...servedFiles()], true, {
      NACRE_TEST_MEMBERS: "3",
    }),
  );
  results.push(commandStep("clusters", process.execPath, ["test/cluster/run.ts"], true));
}

const failed = results.filter((result) => !result.ok);
say(`\n${results.map(lineOf).join("\n")}`);
say(
  failed.length === 0 ? `All ${results.length} steps passed.` : `${failed.length} of ${results.length} steps failed.`,
);
process.exitCode = failed.length === 0 ? 0 : 1;

function simStep(name: string, only: string, seeds: number): StepResult {
  const args = ["--only", only, "--from", "1", "--seeds", String(seeds), "--workers", String(SIM_WORKERS)];
  return commandStep(name, process.execPath, ["scripts/sim.ts", ...args], true);
}

/**
 * Suites that do not say which server they speak to: over sockets (`served.fixture.ts`), or to the features in this
 * process (`durable.fixture.ts`).
 */
function servedFiles(): string[] {
  const files = globSync("packages/server/src/**/*.test.ts", { cwd: ROOT });
  return files.filter((file) => SERVED.test(readFileSync(join(ROOT, file), "utf8"))).sort();
}

/** The official clients have a runner of their own: they need other toolchains and a server each. */
function testFiles(): string[] {
  const exclude = (path: string): boolean => /(^|\/)(node_modules|\.cache|interop)(\/|$)/.test(path);
  const patterns = ["packages/*/src/**/*.test.ts", "examples/*.test.ts", "scripts/**/*.test.ts", "test/**/*.test.ts"];
  return patterns.flatMap((pattern) => globSync(pattern, { cwd: ROOT, exclude })).sort();
}
