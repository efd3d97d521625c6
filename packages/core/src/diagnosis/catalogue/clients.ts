import { minutes, seconds } from "../../lib/units.ts";
import type { FindingCode } from "../finding.ts";
import { namedBy, type Observed, type Row } from "../view.ts";
import { clockText, count, listText, percentText, quoted } from "../words.ts";

const AGENTS_MAX = 10;
const UNEVEN_SHARE = 1.2;
const UNEVEN_MIN = 20;

/** Client versions that are known to stop by themselves. */
const KNOWN_BUGS: readonly { readonly agent: RegExp; readonly says: string }[] = [
  {
    agent: /java-client:v?1\.4\.1(\D|$)/i,
    says: "this version stops beating for good when a name does not resolve once, so upgrade it to 1.4.2 or newer",
  },
];

/** Findings about clients, as far as a server can see them. */
export const CLIENT_ROWS = {
  // F12
  CLIENTS_SILENT: {
    severity: "warning",
    area: "clients",
    title: "HTTP clients stopped beating",
    means:
      "Their instances are unhealthy 15 s after the last heartbeat and removed after 30 s. A late heartbeat is taken as a registration.",
    why: "The applications ended without deregistering, stand still, or have a client that stopped by itself, as version 1.4.1 of the Java client does after a failed DNS look-up.",
    fix: "See whether the applications run. If they do, upgrade their client; restarting the application helps until then. What went when is in [the journal of causes](guides/why-is-it-gone.md).",
    afterMs: seconds(1),
    goneMs: seconds(2),
    find: ({ facts: { naming }, self }) => {
      const agents = [...(naming?.silent ?? [])].sort((a, b) => b.clients - a.clients || (a.agent < b.agent ? -1 : 1));
      return agents.slice(0, AGENTS_MAX).map(({ agent, clients, of, heardAt, example }): Observed => {
        const bug = KNOWN_BUGS.find((known) => known.agent.test(agent));
        const version = agent === "" ? "that name no version" : `of ${quoted(agent)}`;
        const sentence = `${clients} of ${count(of, "HTTP client")} ${version} at ${self.address} stopped beating, first ${example} at ${clockText(heardAt)}; ${bug?.says ?? "see whether these applications run"}.`;
        return { key: `${self.id}/${agent}`, since: heardAt, members: [], sentence };
      });
    },
  },

  // F44
  CONNECTIONS_UNEVEN: {
    severity: "warning",
    area: "clients",
    title: "Connections are spread unevenly",
    means: "Some members do more than their share of the work.",
    why: "Members that were away come back without clients, and clients move only slowly, or are pinned to members by their configuration or by a proxy.",
    fix: "Let all clients name all members. Connections are moved by themselves, slowly; `POST /nacos/v3/admin/core/loader/smartReloadCluster` moves more at once.",
    // Until then it is moved by itself, and never right after members came or went.
    afterMs: minutes(5),
    find: (view) => {
      const { counts = [], moving = false } = view.facts.connections ?? {};
      const all = counts.reduce((sum, { count: of }) => sum + of, 0);
      const most = Math.max(0, ...counts.map(({ count: of }) => of));
      const average = all / counts.length;
      if (counts.length < 2 || most < average * UNEVEN_SHARE || most - average < UNEVEN_MIN) return [];
      const sorted = [...counts].sort((a, b) => b.count - a.count || (a.id < b.id ? -1 : 1));
      const shares = sorted.map(({ id, count: of }) => `${namedBy(view, id).address} has ${percentText(of / all)}`);
      const next = moving ? "they are being moved" : "let all clients name all members";
      const over = sorted.filter(({ count: of }) => of >= average * UNEVEN_SHARE);
      const sentence = `Of ${count(all, "client connection")} ${listText(shares)}; ${next}.`;
      return [{ key: "", members: over.map(({ id }) => namedBy(view, id)), sentence }];
    },
  },
} as const satisfies Partial<Record<FindingCode, Row>>;
