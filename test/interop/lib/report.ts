import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "./clients.ts";
import type { Outcome } from "./program.ts";
import { type Half, SCENARIOS, type ScenarioName, scenariosOf } from "./scenarios.ts";

const FILE = join(import.meta.dirname, "../../../docs/reference/clients.md");
/** Written by hand: what the scenarios do not show. */
const BY_HAND = [
  "## Python 3 when its server goes away",
  "",
  "It says again what it publishes in rounds of 30 s, so after it has connected elsewhere it takes up to 30 s. In a",
  "cluster nothing of it is missing meanwhile: what it published stays in the lists. On a server alone, and when its",
  "connection breaks while its member runs, it is missing for as long.",
  "",
  "A stream that ends with gRPC status OK it overlooks: its channel connects again without telling it, it takes the",
  "answer that it is not registered for healthy, and it is gone for good. Nacos ends streams so when it stops. Nacre",
  "ends them with UNAVAILABLE, on which Python connects elsewhere within a second, as all others do.",
  "",
  "## Go after its member was killed",
  "",
  "A question that was under way is repeated at the next member, and its answer marks everything that the client listens to",
  "as told there, so that of some configurations it hears only when it asks for all of them anew, each five minutes.",
  "",
  "## The Rust client and its binding for Node after bursts",
  "",
  "Some versions (0.8.0 by itself, the binding too) stop reading for good after a handful of changes within 100 ms, or after",
  "a listened configuration was removed: their sockets are left with bytes that nobody reads, and every call of the process",
  "hangs until it is started again. No server can mend it; space such changes out, or take a newer version.",
  "",
];

export type Results = ReadonlyMap<Client, ReadonlyMap<ScenarioName, Outcome>>;

/** The page of what each client did against this server, as Markdown. */
export function reportPage(clients: readonly Client[], results: Results): string {
  const names = Object.keys(SCENARIOS) as ScenarioName[];
  const cell = (client: Client, name: ScenarioName): string => {
    if (!client.scenarios.includes(name)) return "–";
    const outcome = results.get(client)?.get(name);
    return outcome === undefined ? "not run" : outcome.ok ? "yes" : "**no**";
  };
  const table = (half: Half): string[] => [
    `| Scenario | ${clients.map((each) => each.name).join(" | ")} |`,
    `|---|${clients.map(() => "---|").join("")}`,
    ...scenariosOf(half).map((name) => `| ${name} | ${clients.map((each) => cell(each, name)).join(" | ")} |`),
  ];
  const details = clients.flatMap((client) =>
    names.flatMap((name) => {
      const detail = results.get(client)?.get(name)?.detail.trim().replaceAll(/\s+/g, " ").replaceAll("|", "\\|");
      return detail ? [`| ${client.name} | ${name} | ${detail} |`] : [];
    }),
  );
  return `${[
    "# Clients",
    "",
    "Released clients, unchanged, against a fresh server: `npm run test:interop -- --write` runs them and writes this",
    "page. A dash means that the client has no means for it, or (config-many) that it does not survive it.",
    "",
    "| Client | Package | Version | Speaks |",
    "|---|---|---|---|",
    ...clients.map((each) => `| ${each.name} | ${each.artifact} | ${each.version} | ${each.transport} |`),
    "",
    "## Naming",
    "",
    ...table("naming"),
    "",
    "## Configuration",
    "",
    ...table("configuration"),
    "",
    "## Scenarios",
    "",
    "| Name | What has to happen |",
    "|---|---|",
    ...names.map((name) => `| ${name} | ${SCENARIOS[name]} |`),
    "",
    "## Details",
    "",
    "| Client | Scenario | Seen |",
    "|---|---|---|",
    ...details,
    "",
    ...BY_HAND,
    "C# and C++ clients are not run; their recorded exchanges are replayed by `test/interop/recorded.test.ts`.",
  ].join("\n")}\n`;
}

export async function writeReport(clients: readonly Client[], results: Results): Promise<void> {
  await writeFile(FILE, reportPage(clients, results));
}
