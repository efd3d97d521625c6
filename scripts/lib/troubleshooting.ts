import { CATALOGUE, FINDING_CODES, HIDING, NOT_HERE, type Row } from "@nacre/core/diagnosis";

const AREA_TITLES: Readonly<Record<Row["area"], string>> = {
  members: "Members and the network between them",
  ap: "Copies of what clients publish",
  cp: "The group that keeps durable data",
  config: "Configurations",
  store: "The store of configurations",
  disk: "Disk",
  clock: "Clock",
  clients: "Clients",
  process: "The process",
};

/** `docs/troubleshooting.md`: questions first, then the catalogue of findings as it stands in `core/diagnosis`. */
export function troubleshootingPage(generated: string): string {
  return `${[INTRODUCTION.replace("GENERATED", generated), overview(), findings(), hiding(), notHere()].join("\n\n")}\n`;
}

const INTRODUCTION = `# Troubleshooting

GENERATED

Ask the cluster first:

\`\`\`sh
nacre doctor --server 10.0.0.1:8848
\`\`\`

It asks one member, which asks all others, and prints what is wrong: one sentence each, with the members, the ports, since
when it is so, and what to do. Whatever is wrong is told within ten seconds, and is no longer told ten seconds after it has
ended. \`nacre doctor --json\`, or \`GET /nacos/v3/admin/core/cluster/diagnosis\`, gives the same to programs. A finding has a
code that does not change from release to release; the codes are explained below.

## Six questions

### Why "Distro protocol is not initialized"?

A Nacos member says so while it could not copy the registry of one other member: because it asked too early and waits
30 s, because port 9849 is closed between the members, because the copy does not fit into one message, or because there is
no other member. It tells none of that.

Nacre loads from all members at once, tries again every half second, and takes what differs between them from each. While
it loads it answers 503 with how far it is with whom, for example \`10.0.0.2:8848 has given 500 of 2000 clients\`, and lets no
client in that it would show half a list. Three cases that wait for ever elsewhere end at once: a single member is ready
without a load, members that all start anew see that nobody holds data and are ready together, and after 30 s a member
serves what it has and says so. Look at \`NAMING_NOT_LOADED\` and, as the usual cause, \`MEMBER_NOT_FOUND\`: open the member
port (main port + 1001, so 9849) between all members, in both directions.

### Why do services break when one node stops?

Mostly because clients name one server only, or reach all of them through one address that still leads to the stopped one:
let them name all members. On the servers' side, a member that is lost is found within three seconds by the others
together; nothing is sent to it from then on, its HTTP clients are taken over by their next heartbeat, and nobody's list
shrinks because of it: its clients stay in all lists for 15 s, by which time they are connected elsewhere. Stop members
with TERM and not KILL: then they hand their clients over before they end. Look at \`MEMBER_DOWN\`.

### Why are services offline after a restart?

A gRPC client registers again by itself within seconds. An HTTP client has to go on beating; the member remembers over its
own restart what it published, shows it as before for 15 s, and takes the first heartbeat as a registration. What is offline
after that did not come back: the application ended meanwhile, knows only an address that has changed, or has a client that
stopped for good, as version 1.4.1 of the Java client does after one failed DNS look-up. \`CLIENTS_SILENT\` and
\`CLIENTS_NOT_BACK\` name them and their versions; [the journal of causes](guides/why-is-it-gone.md) says of each instance when
it went and why.

### How does it fail over?

| When | What happens |
|---|---|
| at once | the connections of its clients end; SDKs go to another member and register again, and what they published before is replaced by that, never shown twice |
| 3 s | nobody in reach has heard of the member: it is down, and its clients are kept; \`MEMBER_DOWN\` is told a moment later |
| 6 s | its HTTP clients get new owners, and their heartbeats are taken there |
| 10 to 15 s | instances that did not come back are probed |
| 15 s | those that do not answer are unhealthy |
| 45 s | those are removed |
| it comes back | it loads from the others what it missed, in chunks, and lets clients in when it has it |

A member that is cut off from most others serves what it holds and removes nothing, because it cannot know who is gone
(\`ISOLATED\`). Registrations and reads need no majority and no leader.

### Why is no leader found, and why are changes refused?

Changes of durable data (configurations, namespaces, persistent instances, what operators set) are decided by a group of
voters, of which more than half have to agree. When they cannot, a change is refused at once, and the refusal says how many are
needed and who is away since when; everything else goes on. Look at \`MAJORITY_LOST\`, and start one of those that are
named. Nothing has to be deleted, and no address edited: voters are known by what stands in their data folders, so that all
of them may have moved. Only if most are lost for good does \`nacre raft recover\` let one go on alone. A lost leader has a
successor within two seconds; that none is found although voters reach each other is \`LEADER_LACKING\`. \`nacre raft status\`
shows each voter with what it lacks.

### Where do I look?

Nacos writes some thirty log files. Here there is one log, on standard error, and it says when a finding begins and ends.

| What stood in | Is now in |
|---|---|
| \`nacos-cluster.log\` | \`nacre doctor\`, area members |
| \`protocol-distro.log\`, \`naming-distro.log\` | \`nacre doctor\`, area ap; how far a load is: the answer of the readiness probe |
| \`naming-server.log\`, \`naming-event.log\` | [the journal of causes](guides/why-is-it-gone.md) |
| \`naming-push.log\`, \`naming-performance.log\`, \`remote-*.log\`, \`config-*.log\` | [metrics](reference/metrics.md) |
| \`protocol-raft.log\`, \`alipay-jraft.log\`, \`naming-raft.log\` | \`nacre doctor\`, area cp; \`nacre raft status\` |
| \`startup.log\`, \`nacos.log\` | the log |
| \`nacos_gc.log\` | \`PROCESS_PAUSED\`, \`MEMORY_NEARLY_FULL\`, and the metrics of the process |

## Severities

| Severity | Meaning |
|---|---|
| error | something does not work, or the next fault would stop it; \`nacre doctor\` ends with 1 |
| warning | it works, and somebody should act |
| info | worth knowing; it passes by itself or does no harm |`;

function overview(): string {
  const rows = FINDING_CODES.map((code) => {
    const { severity, area, title } = CATALOGUE[code];
    return `| [\`${code}\`](#${code.toLowerCase()}) | ${severity} | ${area} | ${title} |`;
  });
  return ["## All findings", "", "| Code | Severity | Area | What it says |", "|---|---|---|---|", ...rows].join("\n");
}

function findings(): string {
  const areas = [...new Set(FINDING_CODES.map((code) => CATALOGUE[code].area))];
  return areas
    .map((area) => {
      const codes = FINDING_CODES.filter((code) => CATALOGUE[code].area === area);
      return [`## ${AREA_TITLES[area]}`, ...codes.map((code) => section(code, CATALOGUE[code]))].join("\n\n");
    })
    .join("\n\n");
}

function section(code: string, { severity, title, means, why, fix }: Row): string {
  return [
    `### ${code}`,
    "",
    `${title}. Severity: ${severity}.`,
    "",
    `- **Means:** ${means}`,
    `- **Why:** ${why}`,
    `- **Do:** ${fix}`,
  ].join("\n");
}

function hiding(): string {
  const names = (codes: readonly string[]): string => codes.map((code) => `\`${code}\``).join(", ");
  return [
    "## One cause, one finding",
    "",
    "A fault has consequences that look like faults. While a finding of the first column is told, those of the second are",
    "not, because they follow from it. Once the cause has ended, what is left is told after a moment.",
    "",
    "| While this is told | these are not | where | because |",
    "|---|---|---|---|",
    ...HIDING.map(({ by, hides, where, why }) => `| ${names(by)} | ${names(hides)} | ${WHERE[where]} | ${why} |`),
  ].join("\n");
}

const WHERE = {
  anywhere: "always",
  sameMember: "about the same member",
  samePair: "about the same members and no others",
} as const;

function notHere(): string {
  return [
    "## What you will not find",
    "",
    "Faults of other registries for which there is no finding, and why.",
    "",
    "| You may look for | Here |",
    "|---|---|",
    ...NOT_HERE.map(({ symptom, why }) => `| ${symptom} | ${why} |`),
  ].join("\n");
}
