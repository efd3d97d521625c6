import { consoleRoutes } from "./console-port.ts";
import { type HttpDeps, httpRoutes } from "./http-routes.ts";
import { type StateSetup, stateRoutes } from "./state/http.ts";
import { ANY_METHOD, type Gate, methodsOf, type Route, shownPath } from "./transport/http/route.ts";

const SECTIONS: readonly (readonly [title: string, below: RegExp])[] = [
  ["v3: client API", /^\/v3\/client\//],
  ["v3: admin API", /^\/v3\/admin\//],
  ["v3: console API", /^\/v3\/console\//],
  ["v2", /^\/v2\//],
  ["v1", /^\/v1\//],
  ["Metrics, probes and discovery", /^/],
];

const NONE = "–";
const COLUMNS = ["Method", "Path", "Switch", "Instead", "Also at"];
const CLOSED_BY: Readonly<Record<Gate, string>> = { open: "client", admin: "admin", console: "console", none: NONE };

/** The page `docs/reference/http.md`, from the route tables. */
export function renderRoutesDoc(): string {
  const left = new Set([...httpRoutes(documented), ...stateRoutes(documented)]);
  const atConsole = new Set(consoleRoutes([...left]).map(({ path }) => path));
  const sections = SECTIONS.flatMap(([title, below]) => {
    const routes = [...left].filter(({ path }) => below.test(path));
    for (const route of routes) left.delete(route);
    return ["", `## ${title}`, "", ...table(routes, atConsole)];
  });
  return [
    "# HTTP endpoints",
    "",
    "<!-- Written by scripts/docs.ts from the source; run `npm run docs` after a change. -->",
    "",
    "The main port answers every path below its context path (`/nacos`) and without it. Paths marked with 8080 are answered",
    "by the console's port (`nacos.console.port`) too. Parameters are read from the query and from a form, whatever the",
    "method. The switch that closes an endpoint is `nacos.core.api.compatibility.<switch>.enabled`; a closed one answers 410",
    "and names the endpoint to use instead. `/actuator` answers what `management.endpoints.web.exposure.include` names, and",
    "`/prometheus` what `nacos.prometheus.metrics.enabled` switches on.",
    ...sections,
    "",
    "## Beyond Nacos",
    "",
    ...BEYOND,
    "",
  ].join("\n");
}

/** What callers may add to calls that Nacos has too, and calls that it does not have. */
const BEYOND = [
  "| Call | Parameter | What it does |",
  "| --- | --- | --- |",
  "| publish of a configuration, v1 to v3 | header `casMd5` | only if the content that is there has this md5; as in Nacos, a parameter of this name does nothing |",
  "| publish of a configuration, v1 to v3 | `insertOnly=true` | only if there is no such version yet; else the code 20005, as when `casMd5` does not match |",
  "| publish of a configuration, v1 to v3 | `validate=true` | refuses a content that does not parse as its type, or against its JSON schema, and says line and column |",
  "| publish, v3 | `dryRun=true` | writes nothing; answers whether the content is valid, whether it changes anything, and how many listeners it would reach at all members, by client version; `unanswered` names the members that did not say |",
  "| publish, v2 and v3 | `grayName`, `grayType`, `grayRuleExp`, `grayPriority` | a gray version with a name of its own, by a rule of the type `beta`, `tag`, `percentage` (`grayRuleExp=12.5`) or `label` (`grayRuleExp=zone=a\\|b,app=shop`) |",
  "| removal of a configuration | header `casMd5` | only if the version that is there has this md5 |",
  "| lists and single configurations, v3 | | `grayCount` in lists, `modifyUser` of one: who wrote it last |",
  "| `GET .../cs/config/gray` | `grayName` | all gray versions in the order in which they are tried, without contents; one with its content |",
  "| `DELETE .../cs/config/gray` | `grayName` | removes one gray version |",
  "| `GET .../cs/history/diff` | `nid`, `against=next` | what the change did, as a unified diff; `against=current`: against what is there now. Contents of up to 256 k characters are compared |",
  "| `POST .../cs/history/rollback` | `nid`, `casMd5` | makes the state before the change true again, with a history row of its own |",
  "| `GET .../core/cluster/matrix` | | the members with version, state, list, clock and round trip, and who of them sees whom, as each said last |",
  "| `GET .../core/cluster/converge` | | compares what all members show and hold: which instances and clients differ, in which field, where, since when and why |",
  "| `POST .../core/cluster/join` | `address` | becomes a member of the cluster that has one at this main port; from the own machine only |",
  "| `DELETE .../core/cluster/join` | | takes back an order to join that nobody has answered, and shows the addresses; from the own machine only |",
  "| `POST .../core/cluster/leave` | `forever=false` | hands clients over and ends the process, as a TERM does; `forever=true`: the others forget it; from the own machine only |",
  "| `POST .../core/cluster/forget` | `id` or `address` | takes a member that is down off for good |",
  "| `GET .../core/raft/status` | `all=true` | the group of voters: who leads, what each member holds and lacks, who differs; `all=false`: as the asked member sees it |",
  "| `POST .../core/raft/transfer` | `member` | hands the leadership to this voter (id or address), or to whoever has most of the log |",
  "| `POST .../core/raft/snapshot` | `member` | takes a snapshot now, at this member or at all of the group |",
  "| `POST .../core/raft/add`, `.../remove` | `member` | takes a member into the group, or out of it |",
  "| `GET .../core/backup` | `consistency=linearizable` | everything durable as of one moment of the log, as a file for `nacre restore`; `local`: what this member has applied, when there is no majority |",
  "| `GET` of configurations and instances, v1 to v3 | `consistency` | `linearizable`: not older than what was acknowledged anywhere before; `local`: what this member has. Either way the header `Nacre-Index` names the last entry of the log that the answer is not older than |",
  "| `POST .../core/ops/raft` of Nacos | | does what is asked, or says why not and what to do instead; `changePeers` and `resetPeers` never change voters |",
  "| lists of instances of operators, `.../ns/client` | | `shown` and `owner` of what its member does not vouch for; `owner` of a client is who speaks for it, with its version |",
  "| removal of a namespace | `force=true` | removes its configurations and services first; without it, a namespace that holds anything is kept |",
];

function table(routes: readonly Route[], atConsole: ReadonlySet<string>): readonly string[] {
  const rows = routes
    .map((route) => {
      const { method, gate, instead } = route;
      const path = shownPath(route);
      const methods = methodsOf({ method });
      const shown = methods.length === ANY_METHOD.length ? "any" : methods.join(", ");
      const cells = [shown, `\`${path}\``, CLOSED_BY[gate], instead === undefined ? NONE : `\`${instead}\``];
      return { path, shown, cells: [...cells, atConsole.has(route.path) ? "8080" : NONE] };
    })
    .sort((a, b) => (a.path === b.path ? order(a.shown, b.shown) : order(a.path, b.path)));
  // A column in which no row has anything to say is left out.
  const said = COLUMNS.map((_, at) => rows.some(({ cells }) => cells[at] !== NONE));
  const line = (cells: readonly string[]): string => `| ${cells.filter((_, at) => said[at]).join(" | ")} |`;
  return [line(COLUMNS), line(COLUMNS.map(() => "---")), ...rows.map(({ cells }) => line(cells))];
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

// The tables are only read: no handler runs, so there is nothing that they could be answered from.
const documented = { exposed: ["*"], discovery: true, contentBytesMax: 0 } as unknown as HttpDeps & StateSetup;
