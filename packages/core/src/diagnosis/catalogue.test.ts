import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { minutes, seconds } from "../lib/units.ts";
import type { PeerFact } from "../membership/facts.ts";
import { CATALOGUE } from "./catalogue/index.ts";
import {
  calm,
  distroPeer,
  follower,
  killed,
  NOON,
  orphans,
  peer,
  refusal,
  type Script,
  STARTED,
  silent,
  standalone,
  TimeLine,
  unfound,
  withDistro,
  withGroup,
  withList,
  withMembers,
  withPeers,
  withProcess,
  withSelf,
} from "./facts.fixture.ts";
import type { DiagnosisFacts, FollowerFact } from "./facts.ts";
import { FINDING_CODES, type FindingCode } from "./finding.ts";

interface Case {
  /** With these it is told alone; a function where facts change as time goes on. */
  readonly facts: Script;
  readonly sentence: string;
  /** Close to it, and nothing is told. */
  readonly not: Readonly<Record<string, Script>>;
  /** How long the facts are looked at; 12 s if absent. */
  readonly forSeconds?: number;
}

const loadFor = (forMs: number, chunks = 0) => ({ forMs, source: undefined, clients: 0, clientsExpected: 0, chunks });
const loading = (at: number, chunks = 0): DiagnosisFacts => ({
  ...withDistro({
    ready: undefined,
    load: loadFor(at - NOON, chunks),
    peers: [distroPeer("b", { loadStage: "unasked" }), distroPeer("c", { loadStage: "notLoaded" })],
  }),
});
const differing = (about: object): DiagnosisFacts =>
  withDistro({ peers: [distroPeer("b"), distroPeer("c", { differsForMs: seconds(20), ...about })] });
const minority = (...peers: readonly PeerFact[]): DiagnosisFacts =>
  withMembers({ peers, reach: { reached: 1, expected: peers.length + 1, minoritySince: NOON } });
const counts = (a: number, b: number, c: number): DiagnosisFacts => ({
  ...calm(),
  connections: {
    counts: [
      { id: "a", count: a },
      { id: "b", count: b },
      { id: "c", count: c },
    ],
    moving: false,
  },
});
const silentClients = (agent: string, clients = 3) => ({
  ...calm(),
  naming: { silent: [{ agent, clients, of: 40, heardAt: NOON - 15_000, example: "10.1.1.9:8080" }] },
});
const disk = (freeBytes: number, syncMs = 2): DiagnosisFacts => ({
  ...calm(),
  disk: { path: "/data", freeBytes, totalBytes: 100 * 2 ** 30, syncMs },
});

const BROKEN = "the log stopped, because applying its record 901 failed: report this as a bug and restart";
const leaderless = (facts: DiagnosisFacts): DiagnosisFacts => withGroup({ leader: undefined, followers: [] }, facts);
const forming = (): DiagnosisFacts =>
  withGroup(
    { voters: ["a"], votersNeeded: 2, followers: [] },
    withMembers({ peers: [peer("b")], unfound: [unfound("c", "connect ECONNREFUSED", true)] }),
  );
const ledInTurn = (at: number, everyMs: number): DiagnosisFacts => {
  const turn = Math.floor((at - NOON) / everyMs);
  return withGroup({ leader: turn % 2 === 0 ? "a" : "b", term: 3 + turn, followers: [] });
};
const following = (about: Partial<FollowerFact>): DiagnosisFacts =>
  withGroup({ followers: [follower("b", about), follower("c")] });

const CASES: Readonly<Record<FindingCode, Case>> = {
  NO_OTHER_MEMBER: {
    facts: withMembers({
      ...withList({ entries: 0, aloneSince: NOON, badCount: 1, badLines: [{ line: 3, text: "a b", rule: "a blank" }] })
        .members,
      peers: [],
      reach: { reached: 1, expected: 1, minoritySince: undefined },
    }),
    sentence:
      "10.0.0.1:8848 runs in cluster mode without another member since 12:00:00 UTC, as cluster.conf names none (line 3 'a b': a blank); name the members, or start it standalone.",
    not: {
      "a list that names this member alone": withMembers({
        ...withList({ entries: 1, aloneSince: NOON }).members,
        peers: [],
      }),
      "a member that is standalone": standalone(),
    },
  },
  LOOKUP_FAILS: {
    facts: {
      ...calm(),
      lookup: {
        kind: "addressServer",
        where: "http://10.0.0.9:8080/nacos/serverlist",
        error: "connect ECONNREFUSED",
        failures: 12,
        failingSince: NOON,
        readAt: NOON - 5000,
      },
    },
    sentence:
      "10.0.0.1:8848 cannot read the list of members from http://10.0.0.9:8080/nacos/serverlist since 12:00:00 UTC (connect ECONNREFUSED; 12 tries); the members are those of 11:59:55 UTC and are kept: make it readable again.",
    not: { "a reading that works": calm() },
  },
  LIST_EMPTIED: {
    facts: withList({ emptiedAt: NOON }),
    sentence:
      "cluster.conf names no member since 12:00:00 UTC, so 10.0.0.1:8848 keeps the 3 members of before; put them back into it.",
    not: {
      "a file that was half written for a second": (at) => (at - NOON < 2000 ? withList({ emptiedAt: NOON }) : calm()),
    },
  },
  LIST_LINES_BAD: {
    facts: withList({ entries: 2, badCount: 2, badLines: [{ line: 3, text: "10.0.0.3:port", rule: "no port" }] }),
    sentence:
      "cluster.conf of 10.0.0.1:8848: line 3 '10.0.0.3:port': no port, and 1 more bad line; the other 2 entries count: mend it.",
    not: { "a list of good lines": calm() },
  },
  LIST_NAMES_TWICE: {
    facts: withList({ doubles: [{ id: "b", addresses: ["nacos-0.svc:8848", "10.0.0.2:8848"] }] }),
    sentence:
      "The list of 10.0.0.1:8848 names nacos-0.svc:8848 and 10.0.0.2:8848, which is one member; keep one entry each.",
    not: { "a list that names each once": calm() },
  },
  LIST_DIFFERS: {
    facts: withMembers({
      listDifferences: [
        { id: "b", since: NOON, missingThere: ["10.0.0.2:8848"], missingHere: [] },
        { id: "c", since: NOON, missingThere: ["10.0.0.2:8848"], missingHere: ["10.0.0.4:8848"] },
      ],
    }),
    sentence:
      "The lists of members differ: those of 10.0.0.2:8848 and 10.0.0.3:8848 lack 10.0.0.2:8848 and that of 10.0.0.1:8848 lacks 10.0.0.4:8848; make them equal.",
    not: {
      "lists that are edited one after the other": (at) =>
        at - NOON < 2000
          ? withMembers({
              listDifferences: [{ id: "c", since: NOON, missingThere: ["10.0.0.2:8848"], missingHere: [] }],
            })
          : calm(),
    },
  },
  HOST_UNRESOLVED: {
    facts: withList({ unresolved: [{ host: "nacos-1", error: "ENOTFOUND", since: NOON, ips: [] }] }),
    sentence:
      "10.0.0.1:8848 cannot resolve nacos-1 since 12:00:00 UTC (ENOTFOUND) and asks again each second; check the name and its DNS record.",
    not: {
      "the name of a member that was stopped": withMembers({
        ...withList({ unresolved: [{ host: "nacos-1", error: "ENOTFOUND", since: NOON, ips: ["10.0.0.2"] }] }).members,
        peers: [peer("b", { state: "DOWN", leaving: "restart", since: NOON }), peer("c")],
      }),
      "a name that resolves after five seconds": (at) =>
        at - NOON < 5000
          ? withList({ unresolved: [{ host: "nacos-1", error: "ENOTFOUND", since: NOON, ips: [] }] })
          : calm(),
    },
  },
  SELF_UNLISTED: {
    facts: withSelf({ isUnlisted: true, state: "STARTING", detected: ["172.17.0.2:8848"], address: undefined }),
    sentence:
      "None of this member's addresses (172.17.0.2:8848) is in cluster.conf, which names 10.0.0.1:8848, 10.0.0.2:8848 and 10.0.0.3:8848; add one to it, or set nacos.server.ip to the one that it names.",
    not: { "a member that its list names": calm() },
  },
  SELF_ADDRESS_CHOSEN: {
    facts: withSelf({ isSubstituted: true, detected: ["172.17.0.2:8848", "10.0.0.1:8848"] }),
    sentence:
      "172.17.0.2:8848, the first address of this machine, is not in cluster.conf, and 10.0.0.1:8848 is, so that one is used; nothing is to be done.",
    not: {
      "a machine whose first address is listed": calm(),
      "members on one machine, to try a cluster": withSelf({
        isSubstituted: true,
        detected: ["172.17.0.2:8848", "127.0.0.1:8848"],
        address: "127.0.0.1:8848",
      }),
    },
  },
  MEMBER_UNLISTED: {
    facts: withPeers(peer("b"), peer("c", { origin: "delisted", unlistedAt: NOON })),
    sentence:
      "10.0.0.3:8848 is no longer in cluster.conf of 10.0.0.1:8848 since 12:00:00 UTC, and runs as a member; add it, or stop it.",
    not: {
      "one that was taken off after it stopped": withPeers(
        peer("b"),
        killed("c", { origin: "delisted", unlistedAt: NOON }),
      ),
      "a cluster without a list": withMembers({
        ...withList({ entries: 0 }).members,
        peers: [peer("b"), peer("c", { origin: "gossip", unlistedAt: NOON })],
      }),
      "one that came back under another address, while its name is still looked up": withMembers({
        ...withSelf({ listed: ["nacos-0:8848", "nacos-1:8848"] }).members,
        peers: [peer("b"), peer("c", { origin: "gossip", unlistedAt: NOON })],
      }),
    },
  },
  MEMBER_NOT_FOUND: {
    facts: withMembers({ unfound: [unfound("d", "connect ECONNREFUSED", true)] }),
    sentence:
      "Nobody was found at 10.0.0.4:8848 since 12:00:00 UTC (10.0.0.4:9849: connect ECONNREFUSED); start the member there, open port 9849 between the members, or take it off the list.",
    not: {
      "one that is found after three seconds": (at) =>
        at - NOON < 3000 ? withMembers({ unfound: [unfound("d", "connect ECONNREFUSED", true)] }) : calm(),
    },
  },
  MEMBER_DOWN: {
    facts: {
      ...withMembers({
        peers: [killed("b"), peer("c")],
        reach: { reached: 2, expected: 3, minoritySince: undefined },
      }),
      distro: withDistro({ orphans: [orphans("b", { probing: 3, unhealthy: 2 })] }).distro,
    },
    sentence:
      "10.0.0.2:8848 is down since 12:00:00 UTC: its machine refuses (10.0.0.2:8848: connect ECONNREFUSED); 2 of 3 members are in reach, registrations and reads go on; 12 clients of it are kept for now (3 being probed, 2 unhealthy); start it again, or take it off the list.",
    not: {
      "a member that said that it stops": withPeers(killed("b", { leaving: "restart" }), peer("c")),
      "a member that is only suspected": withPeers(peer("b", { state: "SUSPICIOUS" }), peer("c")),
      "a member that was taken off the list before": withPeers(
        killed("b", { origin: "delisted", unlistedAt: NOON - 1000 }),
        peer("c"),
      ),
    },
  },
  MEMBER_STOPPED: {
    facts: withPeers(killed("b", { leaving: "restart", since: NOON - minutes(5) }), peer("c")),
    sentence:
      "10.0.0.2:8848 said that it stops, is away since 11:55:00 UTC, and is still in the list; start it again, or take it off the list.",
    not: {
      "a restart that takes four minutes": withPeers(killed("b", { leaving: "restart", since: NOON - minutes(4) })),
    },
  },
  MEMBER_REPLACED: {
    facts: withPeers(
      killed("b", { addresses: [], refused: false, replacedBy: "b2", since: STARTED, replacedAt: NOON }),
      {
        ...peer("b"),
        id: "b2",
      },
    ),
    sentence:
      "At 10.0.0.2:8848 member b2 answers in place of b since 12:00:00 UTC, so its data folder is another one; nothing is to be done if that was meant.",
    not: {
      "a member that keeps its id": calm(),
      "a member whose successor is gone as well": withPeers(
        killed("b", { addresses: [], refused: false, replacedBy: "b2", since: STARTED, replacedAt: NOON }),
      ),
    },
  },
  MEMBER_FLAPS: {
    facts: (at) => withPeers(peer("b", { flips: 2, direction: (at / 1000) % 2 < 1 ? "both" : "out" }), peer("c")),
    sentence:
      "The link between 10.0.0.1:8848 and 10.0.0.2:8848 broke 2 times within a minute; look at the network between the two and at their load.",
    not: {
      "two breaks that are over": withPeers(peer("b", { flips: 2, state: "SUSPICIOUS" }), peer("c")),
    },
  },
  ISOLATED: {
    facts: minority(silent("b"), silent("c")),
    sentence:
      "10.0.0.1:8848 reaches 0 of 2 other members since 12:00:00 UTC (no answer from 10.0.0.2:8848 and 10.0.0.3:8848); it serves what it holds, which grows old: mend the network between them.",
    not: {
      "two members that are being restarted by plan": minority(
        silent("b", { leaving: "restart" }),
        silent("c", { leaving: "restart" }),
      ),
    },
  },
  LINK_ONE_WAY: {
    facts: withPeers(
      peer("b", {
        state: "SUSPICIOUS",
        direction: "in",
        since: NOON,
        errors: [{ address: "10.0.0.2:8848", error: "no answer within 2 s" }],
      }),
      peer("c"),
    ),
    sentence:
      "10.0.0.1:8848 cannot reach 10.0.0.2:9849 (10.0.0.2:9849: no answer within 2 s) since 12:00:00 UTC, while 10.0.0.2:8848 reaches 10.0.0.1:8848; let connections through from 10.0.0.1:8848 to port 9849.",
    not: {
      "a direction that is lost for three seconds": (at) =>
        at - NOON < 3000 ? withPeers(peer("b", { state: "SUSPICIOUS", direction: "in" }), peer("c")) : calm(),
    },
  },
  LINK_BROKEN: {
    facts: withPeers(peer("b", { state: "SUSPICIOUS", direction: "none", since: NOON, heardFrom: "c" }), peer("c")),
    sentence:
      "10.0.0.1:8848 and 10.0.0.2:8848 do not reach each other since 12:00:00 UTC (no answer), and 10.0.0.3:8848 hears both; open port 9849 between the two in both directions.",
    not: {
      "a member that dies": (at) =>
        at - NOON < 3000
          ? withPeers(peer("b", { state: "SUSPICIOUS", direction: "none" }), peer("c"))
          : withPeers(killed("b", { leaving: "restart" }), peer("c")),
    },
  },
  LINK_SLOW: {
    facts: withPeers(peer("b", { rttMs: 640 }), peer("c")),
    sentence:
      "A message from 10.0.0.1:8848 to 10.0.0.2:8848 and back takes 640 ms at best; look at the network between the two and at their load.",
    not: { "an answer after 400 ms": withPeers(peer("b", { rttMs: 400 }), peer("c")) },
  },
  PORT_CLOSED: {
    facts: withPeers(
      peer("b", {
        state: "SUSPICIOUS",
        direction: "in",
        since: NOON,
        errors: [{ address: "10.0.0.2:8848", error: "connect ECONNREFUSED", refused: true }],
      }),
      peer("c"),
    ),
    sentence:
      "10.0.0.2:8848 runs, but nobody listens at its member port 9849 (10.0.0.2:9849: connect ECONNREFUSED) since 12:00:00 UTC; set nacre.cluster.port.enabled=true there, or let its firewall take connections from 10.0.0.1:8848.",
    not: {
      "the port of a member that stops": withPeers(
        peer("b", {
          state: "LEAVING",
          leaving: "restart",
          errors: [{ address: "10.0.0.2:8848", error: "connect ECONNREFUSED", refused: true }],
        }),
      ),
    },
  },
  CLUSTER_FOREIGN: {
    facts: withMembers({
      refusals: [
        refusal("foreignCluster", "d", "10.0.0.1:8848 belongs to cluster 'prod' and 10.0.0.4:8848 to 'stage'"),
      ],
    }),
    sentence: "10.0.0.1:8848 belongs to cluster 'prod' and 10.0.0.4:8848 to 'stage'.",
    not: { "nobody refused": calm() },
  },
  IDENTITY_DIFFERS: {
    facts: withMembers({
      peers: [],
      unfound: [unfound("b", "refused"), unfound("c", "refused")],
      reach: { reached: 1, expected: 3, minoritySince: NOON },
      refusals: [
        refusal("otherIdentity", "b", "10.0.0.1:8848 and 10.0.0.2:8848 have different identity tokens"),
        refusal("otherIdentity", "c", "10.0.0.1:8848 and 10.0.0.3:8848 have different identity tokens"),
      ],
    }),
    sentence: "10.0.0.1:8848 and 10.0.0.2:8848 have different identity tokens; so it is with 10.0.0.3:8848.",
    not: { "nobody refused": calm() },
  },
  PROTOCOL_OLD: {
    facts: withMembers({
      refusals: [refusal("protocol", "d", "10.0.0.4:8848 speaks version 1: upgrade 10.0.0.4:8848")],
    }),
    sentence: "10.0.0.4:8848 speaks version 1: upgrade 10.0.0.4:8848.",
    not: { "nobody refused": calm() },
  },
  DATA_FOLDER_COPIED: {
    facts: withMembers({
      refusals: [refusal("twin", "b", "10.0.0.2:8848 and 10.0.0.4:8848 run under one member id")].concat(
        refusal("twin", "c", "10.0.0.2:8848 and 10.0.0.4:8848 run under one member id"),
      ),
    }),
    sentence: "10.0.0.2:8848 and 10.0.0.4:8848 run under one member id.",
    not: { "a member that was started anew": withPeers(peer("b", { incarnation: 2 }), peer("c")) },
  },
  NAMING_NOT_LOADED: {
    facts: (at) => loading(at),
    sentence:
      "Naming is not loaded at 10.0.0.1:8848 after 11.0 s: 10.0.0.2:8848 has not answered and 10.0.0.3:8848 has not loaded either; at 12:00:30 UTC it serves what it has; see that the members named run and that their member ports are open to it.",
    not: {
      "a load that gets on, however long": (at) => loading(at, (at - NOON) / 1000),
      "a member that is refused, which is told as such": (at) => {
        const { distro } = loading(at);
        return distro?.load === undefined
          ? calm()
          : withDistro({ ...distro, load: { ...distro.load, refused: "why" } });
      },
      "a load that ends after five seconds": (at) => (at - NOON < 5000 ? loading(at) : calm()),
    },
  },
  NAMING_LOADED_LATE: {
    facts: withDistro({ ready: "late", peers: [distroPeer("b", { equalForMs: undefined }), distroPeer("c")] }),
    sentence:
      "10.0.0.1:8848 serves without having loaded all that 10.0.0.2:8848 holds; it goes on comparing: see that they run and that their member ports are open to it.",
    not: { "a late load that has been made equal since": withDistro({ ready: "late" }) },
  },
  COPIES_DIFFER: {
    facts: (at) => differing({ sameDifferenceForMs: at - NOON, differences: [{ owner: "a", more: -37 }] }),
    sentence:
      "10.0.0.1:8848 and 10.0.0.3:8848 differ since 12:00:00 UTC: 10.0.0.3:8848 lacks 37 clients of 10.0.0.1:8848; it is not repaired by itself: restart the one that lacks something.",
    not: {
      "digests that differ because clients keep changing": differing({
        sameDifferenceForMs: 0,
        differences: [{ owner: "a", more: -1 }],
      }),
      "a difference that is repaired": differing({
        sameDifferenceForMs: 2000,
        differences: [{ owner: "a", more: -37 }],
      }),
    },
  },
  PEER_BEHIND: {
    facts: (at) =>
      withDistro({ peers: [distroPeer("b", { pending: 8000 - (at - NOON) / 2, inFlight: 4 }), distroPeer("c")] }),
    sentence:
      "10.0.0.2:8848 is 2500 clients behind what 10.0.0.1:8848 tells it and takes 500 a second; look at its load.",
    not: {
      "a few that wait for their batch": (at) =>
        withDistro({
          peers: [distroPeer("b", { pending: (at / 1000) % 2 < 1 ? 90 : 110, inFlight: 1 }), distroPeer("c")],
        }),
      "many to a member that is away": withDistro({ peers: [distroPeer("b", { pending: 8000, reachable: false })] }),
    },
  },
  OWNER_LOST: {
    facts: (at) => ({
      ...withPeers(peer("b", { incarnation: 2 }), peer("c")),
      distro: withDistro({ orphans: [orphans("b", { lostForMs: at - NOON, probing: 3, answering: 1 })] }).distro,
    }),
    sentence:
      "12 clients that were at 10.0.0.2:8848 lost it at 12:00:00 UTC (3 being probed, 1 answering, 0 unhealthy); what does not come back is removed at 12:00:41 UTC: nothing is to be done.",
    not: {
      "address clients that are handed over because the ring changed": withDistro({
        orphans: [orphans("b", { lostForMs: undefined, held: false })],
      }),
      "clients of a member that was restarted by plan": (at) => ({
        ...withPeers(
          at - NOON < 3000
            ? peer("b", { state: "LEAVING", leaving: "restart", since: NOON })
            : peer("b", { incarnation: 2 }),
          peer("c"),
        ),
        distro: withDistro({ orphans: at - NOON < 3000 ? [] : [orphans("b")] }).distro,
      }),
    },
  },
  FORWARDING_FAILS: {
    facts: { ...calm(), forwarding: [{ to: "b", since: NOON, error: "no answer within 1 s", clients: 320 }] },
    sentence:
      "10.0.0.1:8848 cannot pass writes of HTTP clients on to 10.0.0.2:8848 since 12:00:00 UTC (no answer within 1 s) and serves 320 clients in its place; look at the load of 10.0.0.2:8848.",
    not: { "forwarding that works": calm() },
  },
  DURABLE_DATA_APART: {
    facts: { ...calm(), group: undefined, durable: { configs: 3, namespaces: 1, persistentInstances: 2 } },
    sentence:
      "10.0.0.1:8848 keeps nothing on disk, so it is in no group, and holds 3 configurations, 1 namespace and 2 persistent instances, which 10.0.0.2:8848 and 10.0.0.3:8848 answer without; copy them with nacre import, and start it with a data folder.",
    not: {
      "a member that is alone": standalone({ durable: { configs: 3, namespaces: 1, persistentInstances: 2 } }),
      "a cluster of one": {
        ...withPeers(),
        group: undefined,
        durable: { configs: 3, namespaces: 1, persistentInstances: 2 },
      },
    },
  },
  GROUP_NOT_FORMED: {
    facts: forming(),
    sentence:
      "The group has 1 voter and takes no durable change before it has 2; 10.0.0.3:8848 is lacking: start the members of the list and open their member ports, or take them off it.",
    not: {
      "members that come together within three seconds": (at) => (at - NOON < 3000 ? forming() : calm()),
      "voters that are enough to begin": withGroup({ votersNeeded: 2 }),
    },
  },
  MAJORITY_LOST: {
    facts: leaderless(minority(killed("b"), silent("c"))),
    sentence:
      "10.0.0.1:8848 reaches 1 of 3 voters and 2 are needed, so durable changes are refused since 12:00:00 UTC: 10.0.0.2:8848 is down since 12:00:00 UTC, as its machine refuses (10.0.0.2:8848: connect ECONNREFUSED) and 10.0.0.3:8848 is down since 12:00:00 UTC, as nobody in reach has heard it for 3 s (no answer); start one of them, or run nacre raft recover if they are lost for good.",
    not: {
      "a cluster that is stopped": {
        ...leaderless(withPeers(...["b", "c"].map((id) => killed(id, { leaving: "restart" })))),
        process: withProcess({ stage: "stopping" }).process,
      },
      "two that were stopped, as long as a leader is heard": withPeers(
        ...["b", "c"].map((id) => killed(id, { leaving: "restart" })),
      ),
    },
  },
  LEADER_LACKING: {
    facts: leaderless(calm()),
    sentence:
      "10.0.0.1:8848 knows no leader since 12:00:00 UTC, although it reaches 3 of 3 voters, so its durable changes are refused; look at disks and links of the voters with nacre raft status.",
    not: {
      "two elections": (at) => (at - NOON < 4000 ? leaderless(calm()) : calm()),
    },
  },
  LEADER_FLAPS: {
    facts: (at) => ledInTurn(at, 5000),
    sentence:
      "5 leaders lost their place within a minute without having stopped, the last at 12:00:25 UTC, and 10.0.0.2:8848 leads now; look at the load, the disks and the network of 10.0.0.1:8848 and 10.0.0.2:8848.",
    forSeconds: 30,
    not: {
      "a change every ten seconds": (at) => ledInTurn(at, 10_000),
      "leaders that stop one after the other": (at) => ({
        ...ledInTurn(at, 5000),
        ...withPeers(peer("b", { leaving: "restart", state: "LEAVING" }), peer("c")),
        process: withProcess({ stage: "stopping" }).process,
        group: ledInTurn(at, 5000).group,
      }),
    },
  },
  MEMBER_NO_VOTER: {
    facts: { ...withPeers(peer("b"), peer("c"), peer("d")), group: calm().group },
    sentence:
      "10.0.0.4:8848 is a member and no voter: the group of durable data has not taken it in; order it with nacre raft add unless it was removed.",
    not: {
      "a learner that catches up": (at) =>
        withGroup(
          {
            voters: ["a", "b", "c"],
            learners: ["d"],
            followers: [follower("b"), follower("c"), follower("d", { match: at - NOON, lag: 50_000 - (at - NOON) })],
          },
          withPeers(peer("b"), peer("c"), peer("d")),
        ),
      "a member that leaves": {
        ...withPeers(peer("b"), peer("c"), peer("d", { state: "LEAVING", leaving: "forever", since: NOON })),
        group: calm().group,
      },
    },
  },
  VOTER_NO_MEMBER: {
    facts: withGroup(
      { voters: ["a", "b", "c"] },
      withPeers(peer("b"), killed("c", { origin: "delisted", unlistedAt: NOON })),
    ),
    sentence:
      "10.0.0.3:8848 is one of 3 voters and no member any more (it is off the list since 12:00:00 UTC, and 10.0.0.3:8848 does not answer), and 2 voters have to agree; run nacre cluster forget c, or bring it back with its data folder.",
    not: {
      "a voter that is stopped for a while": withPeers(peer("b"), killed("c", { leaving: "restart" })),
    },
  },
  VOTERS_EVEN: {
    facts: withGroup({ voters: ["a", "b"], followers: [follower("b")] }, withPeers(peer("b"))),
    sentence: "The group has 2 voters and bears the loss of neither, as 1 would; add a member, or take one away.",
    forSeconds: 310,
    not: {
      "a cluster that grows within four minutes": (at) =>
        at - NOON < minutes(4) ? withGroup({ voters: ["a", "b"] }, withPeers(peer("b"))) : calm(),
      "a learner that is to be the third": withGroup(
        { voters: ["a", "b"], learners: ["c"], followers: [follower("b")], leader: "b" },
        withPeers(peer("b"), peer("c")),
      ),
      "a member by itself": standalone(),
    },
  },
  LEFT_BEHIND: {
    facts: withGroup({
      leftBehind: [
        {
          folder: "/data/left-behind/1",
          at: NOON,
          holds: { configs: 12, namespaces: 1, persistentInstances: 0 },
        },
      ],
    }),
    sentence:
      "10.0.0.1:8848 set aside what it held before it took up its group, in /data/left-behind/1 at 12:00:00 UTC (12 configurations, 1 namespace, 0 persistent instances); look at it with nacre start --data /data/left-behind/1 --port PORT, move what is missed with nacre import --from http://127.0.0.1:PORT, and remove the folder.",
    not: {
      "a folder that was removed": withGroup({ leftBehind: [] }),
    },
  },
  VOTER_BEHIND: {
    facts: following({ lag: 1200 }),
    sentence:
      "10.0.0.2:8848 lacks 1200 entries of the log of 10.0.0.1:8848 and has taken nothing since 12:00:00 UTC; look at its disk and its load, or restart it.",
    not: {
      "a voter that takes entries": (at) => following({ match: at, lag: 9000 }),
      "a voter that catches up": (at) => following({ match: at, lag: 50_000 - (at - NOON) }),
      "a voter that is stopped for a while": withGroup(
        { followers: [follower("b", { lag: 1200 }), follower("c")] },
        withPeers(killed("b", { leaving: "restart" }), peer("c")),
      ),
      "a voter that is sent a snapshot": (at) =>
        following({ lag: 50_000, snapshot: { sent: at - NOON, total: 2 ** 30 } }),
    },
  },
  APPLY_STOPPED: {
    facts: {
      ...withGroup({ stopped: BROKEN }),
      log: { refusing: BROKEN },
    },
    sentence:
      "10.0.0.1:8848 applies nothing behind entry 900 of the log: the log stopped, because applying its record 901 failed: report this as a bug and restart.",
    not: {
      "a log that goes on": withGroup({ appliedIndex: 901 }),
    },
  },
  LOG_DAMAGED: {
    facts: following({ trust: "logLost", lag: 300, match: 600 }),
    sentence:
      "10.0.0.2:8848 found files of its log damaged and lost entries; it has no vote until it has fetched them from 10.0.0.1:8848: look at its disk.",
    not: { "voters that have what they had": calm() },
  },
  ENTRY_PASSED_OVER: {
    facts: withGroup({
      passedOver: { count: 2, index: 812, why: "field 'content' of a command publishConfig must be an object" },
    }),
    sentence:
      "10.0.0.1:8848 passed over 2 entries of the log, the last at index 812, because field 'content' of a command publishConfig must be an object: report this with its log.",
    not: { "entries that were commands": calm() },
  },
  STATE_DIFFERS: {
    facts: withGroup({ differing: [{ id: "b", index: 1000 }] }),
    sentence:
      "10.0.0.2:8848 holds other durable data than 10.0.0.1:8848, although both have applied the same log up to entry 1000; if it does not take a snapshot by itself, remove it with nacre raft remove, and start it with an empty data folder.",
    not: { "equal data": calm() },
  },
  SNAPSHOT_LATE: {
    facts: (at) => withGroup({ logBytes: 2 ** 26 * (1 + (at - NOON) / 1000) }),
    sentence:
      "The log of 10.0.0.1:8848 has grown to 768 MiB and no snapshot was taken since that of entry 500; see that its disk has room, and run nacre raft snapshot.",
    not: {
      "snapshots that are taken": (at) =>
        withGroup({ logBytes: 2 ** 26 * (1 + (at - NOON) / 1000), snapshotIndex: 500 + (at - NOON) }),
    },
  },
  CLIENTS_NOT_BACK: {
    facts: withDistro({ orphans: [orphans("a", { unhealthy: 5, lostForMs: 20_000 })] }),
    sentence:
      "5 clients of before the restart of 10.0.0.1:8848 have not come back within 20.0 s and are shown as unhealthy; look whether these applications run.",
    not: {
      "clients that have their grace to come back": withDistro({ orphans: [orphans("a")] }),
      "clients of the present life that another member is to take over": withDistro({
        orphans: [orphans("a", { unhealthy: 5, lostForMs: undefined })],
      }),
    },
  },
  CLIENTS_SILENT: {
    facts: silentClients("Nacos-Java-Client:v1.4.1"),
    sentence:
      "3 of 40 HTTP clients of 'Nacos-Java-Client:v1.4.1' at 10.0.0.1:8848 stopped beating, first 10.1.1.9:8080 at 11:59:45 UTC; this version stops beating for good when a name does not resolve once, so upgrade it to 1.4.2 or newer.",
    not: { "clients that beat": calm() },
  },
  CONNECTIONS_UNEVEN: {
    facts: counts(300, 200, 0),
    sentence:
      "Of 500 client connections 10.0.0.1:8848 has 60 %, 10.0.0.2:8848 has 40 % and 10.0.0.3:8848 has 0 %; let all clients name all members.",
    forSeconds: 310,
    not: {
      "a few connections": counts(3, 0, 0),
      "shares of a tenth more or less": counts(110, 100, 90),
      "a member whose connections are being moved back within four minutes": (at) =>
        at - NOON < minutes(4) ? counts(300, 200, 0) : calm(),
    },
  },
  PROCESS_PAUSED: {
    facts: (at) => withProcess({ pause: { at: Math.max(at - 1000, NOON), lengthMs: 8200 } }),
    sentence: "10.0.0.1:8848 stood still for 8.2 s until 12:00:10 UTC; see that its machine has CPU and memory for it.",
    not: { "a pause of ten seconds ago": withProcess({ pause: { at: NOON - 10_000, lengthMs: 8200 } }) },
  },
  MEMORY_NEARLY_FULL: {
    facts: withProcess({ memory: { usedBytes: 3.8 * 2 ** 30, limitBytes: 4 * 2 ** 30 } }),
    sentence: "10.0.0.1:8848 uses 95 % of the 4.0 GiB of memory that it may use; raise the limit, or add a member.",
    not: {
      "a heap that is collected": (at) =>
        withProcess({ memory: { usedBytes: ((at / 1000) % 4 < 2 ? 3.8 : 2) * 2 ** 30, limitBytes: 4 * 2 ** 30 } }),
    },
  },
  QUEUE_NEARLY_FULL: {
    facts: withProcess({
      queues: [{ what: "pushes that wait", held: 950, max: 1000, atMax: "the oldest are dropped" }],
    }),
    sentence:
      "At 10.0.0.1:8848 950 of at most 1000 pushes that wait; at the bound the oldest are dropped: find who is slow.",
    not: {
      "a queue without room at all": withProcess({ queues: [{ what: "x", held: 0, max: 0, atMax: "y" }] }),
    },
  },
  STATUS_SET: {
    facts: withProcess({ statusSet: { status: "READ_ONLY", since: NOON } }),
    sentence:
      "An operator set the status of 10.0.0.1:8848 to READ_ONLY at 12:00:00 UTC; clear the switch overriddenServerStatus to end that.",
    not: { "no status set": calm() },
  },
  DISK_WRITES_FAIL: {
    facts: { ...disk(0), log: { refusing: "the log in /data/log cannot be written (ENOSPC): free space on its disk" } },
    sentence:
      "10.0.0.1:8848 refuses durable changes: the log in /data/log cannot be written (ENOSPC): free space on its disk.",
    not: { "a log that is written": calm() },
  },
  DISK_NEARLY_FULL: {
    facts: disk(3 * 2 ** 30),
    sentence: "The disk of /data of 10.0.0.1:8848 has 3.0 GiB free, 3 % of it; free some space.",
    not: {
      "a large disk with 10 GiB left": {
        ...calm(),
        disk: { path: "/data", freeBytes: 10 * 2 ** 30, totalBytes: 2 ** 40, syncMs: 2 },
      },
    },
  },
  DISK_SLOW: {
    facts: disk(50 * 2 ** 30, 2400),
    sentence: "A sync of /data of 10.0.0.1:8848 took 2.4 s; find what else uses its disk.",
    not: { "one slow sync": (at) => (at - NOON < 2000 ? disk(50 * 2 ** 30, 2400) : calm()) },
  },
  STORE_FAILS: {
    facts: { ...calm(), store: { error: "store.db is damaged: restart, which rebuilds it." } },
    sentence: "The store of configurations of 10.0.0.1:8848 fails: store.db is damaged: restart, which rebuilds it.",
    not: { "a store that works": calm() },
  },
  CLOCK_DIFFERS: {
    facts: withPeers(peer("b", { clockOffsetMs: -12_000 }), peer("c")),
    sentence: "The clock of 10.0.0.2:8848 is 12.0 s behind those of 10.0.0.1:8848 and 10.0.0.3:8848; run NTP there.",
    not: {
      "a second more or less": withPeers(peer("b", { clockOffsetMs: -1000 }), peer("c", { clockOffsetMs: 900 })),
      "what a slow answer could hide": withPeers(peer("b", { clockOffsetMs: 2100, rttMs: 400 }), peer("c")),
      "the clock of a member that is away": withPeers(
        killed("b", { clockOffsetMs: 12_000, leaving: "restart" }),
        peer("c"),
      ),
    },
  },
  CLOCK_JUMPED: {
    facts: (at) => standalone({ clock: { jump: { at: Math.max(at - 1000, NOON), byMs: 600_000 } } }),
    sentence: "The clock of 10.0.0.1:8848 jumped ahead by 10 min at 12:00:10 UTC of its earlier time; run NTP there.",
    not: { "a jump of ten seconds ago": standalone({ clock: { jump: { at: NOON - 10_000, byMs: 600_000 } } }) },
  },
};

describe("a cluster in which nothing is wrong", () => {
  test("has no finding", () => {
    const line = new TimeLine();
    assert.deepEqual(line.run(120, calm()), []);
    assert.deepEqual(new TimeLine().run(120, standalone()), []);
  });
});

for (const code of FINDING_CODES) {
  const { facts, sentence, not, forSeconds = 12 } = CASES[code];
  describe(`${code}: ${CATALOGUE[code].title}`, () => {
    test("is told alone, in one sentence", () => {
      const line = new TimeLine();
      line.run(forSeconds, facts);
      assert.deepEqual(
        line.last.findings.map((finding) => [finding.code, finding.sentence]),
        [[code, sentence]],
      );
    });
    for (const [what, near] of Object.entries(not))
      test(`is not told of ${what}`, () => assert.deepEqual(new TimeLine().run(forSeconds, near), []));
    if (forSeconds === 12)
      test("comes within 10 s and goes within 10 s after healing", () => {
        const line = new TimeLine();
        const raised = line.run(10, facts);
        assert.equal(raised.length, 1, raised.join());
        assert.deepEqual(line.run(8, calm()).map(withoutSecond), [`-${code}`]);
      });
  });
}

function withoutSecond(told: string): string {
  return told.replace(/^\d+ /, "");
}

describe("a member that is no voter", () => {
  const sentences = (facts: Script): readonly string[] => {
    const line = new TimeLine();
    line.run(12, facts);
    return line.last.findings.map(({ code, sentence }) => `${code}: ${sentence}`);
  };
  const four = withPeers(peer("b"), peer("c"), peer("d"));
  const learning = (lag: number) => ({
    voters: ["a", "b", "c"],
    learners: ["d"],
    followers: [follower("b"), follower("c"), follower("d", { match: 900 - lag, lag })],
  });

  test("says so of itself when it was taken out, or never taken in", () => {
    const outside =
      "MEMBER_NO_VOTER: 10.0.0.1:8848 is a member and no voter: the group of durable data has not taken it in; order it with nacre raft add unless it was removed.";
    const removed = withGroup({ leader: "b", voters: ["b", "c", "d"], followers: [] }, four);
    assert.deepEqual(sentences(removed), [outside]);
    assert.deepEqual(sentences(leaderless(removed)), [outside], "nobody tells it who leads");
    const fresh = { leader: undefined, voters: [], followers: [], votersNeeded: 2 };
    assert.deepEqual(
      sentences(withGroup(fresh, four)),
      [
        "MEMBER_NO_VOTER: 10.0.0.1:8848 is a member and no voter: it knows of no group of durable data; look at nacre raft status, and if no member is in one, because the one that was to begin it is lost, stop this one and run nacre raft recover --empty.",
      ],
      "whether there is a group it does not know",
    );
  });

  test("and does not get on as a learner is told of by its leader, which alone knows", () => {
    assert.deepEqual(sentences(withGroup(learning(300), four)), [
      "MEMBER_NO_VOTER: 10.0.0.4:8848 is a member and no voter: as a learner of 10.0.0.1:8848 it lacks 300 entries and has taken nothing since 12:00:00 UTC; look at its disk and at the link to it.",
    ]);
    assert.deepEqual(sentences(withGroup(learning(0), four)), [
      "MEMBER_NO_VOTER: 10.0.0.4:8848 is a member and no voter: as a learner of 10.0.0.1:8848 it has all that the leader has, and is not made one; look at its disk and at the link to it.",
    ]);
    assert.deepEqual(sentences(withGroup({ ...learning(300), leader: "b", followers: [] }, four)), []);
  });
});

describe("a voter that falls back", () => {
  test("is told of although it takes something, once it is far behind", () => {
    const line = new TimeLine();
    line.run(12, (at) => following({ match: at, lag: 20_000 + (at - NOON) }));
    assert.equal(
      line.last.findings[0]?.sentence,
      "10.0.0.2:8848 lacks 31000 entries of the log of 10.0.0.1:8848 and has fallen back further since 12:00:00 UTC; look at its disk and its load, or restart it.",
    );
  });
});

describe("a member port that its own member keeps closed", () => {
  const error = { address: "10.0.0.2:8848", error: "connect ECONNREFUSED", refused: true };

  test("is told as a closed port by whoever is refused, with both ways to open it", () => {
    const facts = withPeers(
      peer("b", { state: "SUSPICIOUS", direction: "in", since: NOON, errors: [error] }),
      peer("c"),
    );
    assert.deepEqual(found(facts), [
      [
        "PORT_CLOSED",
        "b",
        "10.0.0.2:8848 runs, but nobody listens at its member port 9849 (10.0.0.2:9849: connect ECONNREFUSED) since 12:00:00 UTC; set nacre.cluster.port.enabled=true there, or let its firewall take connections from 10.0.0.1:8848.",
      ],
    ]);
  });

  test("is told by that member of itself, under the same key, and not of the others", () => {
    const facts = {
      ...withMembers({ portOpen: false, peers: [peer("b", { state: "SUSPICIOUS", direction: "out" })] }),
      // What follows: it could not be given all that the other one holds.
      distro: withDistro({ ready: "late", peers: [distroPeer("b", { equalForMs: undefined })] }).distro,
    };
    assert.deepEqual(found(facts), [
      [
        "PORT_CLOSED",
        "a",
        "10.0.0.1:8848 does not open its member port 9849, so the others cannot reach it; set nacre.cluster.port.enabled=true there.",
      ],
    ]);
    assert.deepEqual(found(withMembers({ portOpen: false, peers: [] })), [], "and means nothing while it is alone");
  });

  function found(facts: DiagnosisFacts): [string, string, string][] {
    const line = new TimeLine();
    line.run(12, facts);
    return line.last.findings.map(({ code, key, sentence }) => [code, key, sentence]);
  }
});
