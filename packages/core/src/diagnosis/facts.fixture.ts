import type { DistroFacts, OrphanFacts, PeerFacts } from "../distro/facts.ts";
import { type Millis, minutes } from "../lib/units.ts";
import type { PeerFact, RefusedFact } from "../membership/facts.ts";
import type { RefusalCode } from "../membership/frames.ts";
import { type Diagnosis, diagnose, newDiagnosis } from "./diagnose.ts";
import type { DiagnosisFacts, FollowerFact, GroupFacts, MembersFacts, ProcessFacts, UnfoundFact } from "./facts.ts";

/** 12:00:00 UTC. */
export const NOON = 1_767_268_800_000;
export const STARTED = NOON - minutes(10);

/** Member `a` at 10.0.0.1 with its peers `b` and `c`, ten minutes after its start: nothing is wrong. */
export function calm(): DiagnosisFacts {
  return {
    process: {
      startedAt: STARTED,
      stage: "running",
      port: 8848,
      address: "10.0.0.1:8848",
      statusSet: undefined,
      pause: undefined,
      memory: { usedBytes: 100 * 2 ** 20, limitBytes: 4 * 2 ** 30 },
      queues: [{ what: "pushes that wait", held: 3, max: 1000, atMax: "the oldest are dropped" }],
    },
    members: {
      self: {
        id: "a",
        clusterId: "prod",
        settled: true,
        state: "UP",
        address: "10.0.0.1:8848",
        detected: ["10.0.0.1:8848"],
        isUnlisted: false,
        isSubstituted: false,
        listed: ["10.0.0.1:8848", "10.0.0.2:8848", "10.0.0.3:8848"],
        pause: undefined,
        inRing: true,
      },
      peers: [peer("b"), peer("c")],
      unfound: [],
      list: {
        source: "cluster.conf",
        entries: 3,
        badLines: [],
        badCount: 0,
        emptiedAt: undefined,
        unresolved: [],
        doubles: [],
        aloneSince: undefined,
      },
      listDifferences: [],
      refusals: [],
      reach: { reached: 3, expected: 3, minoritySince: undefined },
      portOffset: 1001,
      portOpen: true,
    },
    lookup: {
      kind: "file",
      where: "conf/cluster.conf",
      error: undefined,
      failures: 0,
      failingSince: undefined,
      readAt: STARTED,
    },
    distro: {
      ready: "loaded",
      waitingFor: undefined,
      load: undefined,
      clients: 100,
      tombstones: 0,
      tombstonesDropped: 0,
      orphans: [],
      unconfirmed: 0,
      isolated: false,
      peers: [distroPeer("b"), distroPeer("c")],
      times: { digestMs: 2000, loadMaxMs: 30_000, expiryMs: 41_000 },
    },
    forwarding: [],
    naming: { silent: [] },
    connections: {
      counts: [
        { id: "a", count: 100 },
        { id: "b", count: 100 },
        { id: "c", count: 100 },
      ],
      moving: false,
    },
    durable: { configs: 0, namespaces: 0, persistentInstances: 0 },
    group: {
      self: "a",
      leader: "a",
      term: 3,
      voters: ["a", "b", "c"],
      learners: [],
      appliedIndex: 900,
      snapshotIndex: 500,
      logBytes: 64 * 2 ** 20,
      snapshotLogBytes: 64 * 2 ** 20,
      trust: "whole",
      stopped: undefined,
      followers: [follower("b"), follower("c")],
      differing: [],
      passedOver: undefined,
      votersNeeded: undefined,
      catchingUp: undefined,
      leftBehind: [],
    },
    log: { refusing: undefined },
    store: { error: undefined },
    disk: { path: "/data", freeBytes: 50 * 2 ** 30, totalBytes: 100 * 2 ** 30, syncMs: 2 },
    clock: { jump: undefined },
  };
}

const IPS: Readonly<Record<string, string>> = {
  a: "10.0.0.1",
  b: "10.0.0.2",
  c: "10.0.0.3",
  d: "10.0.0.4",
  e: "10.0.0.5",
};

export function peer(id: string, about: Partial<PeerFact> = {}): PeerFact {
  return {
    id,
    addresses: [`${IPS[id]}:8848`],
    incarnation: 1,
    state: "UP",
    since: STARTED,
    cause: "both directions work",
    heardAt: NOON,
    heardFrom: id,
    direction: "both",
    errors: [],
    inRing: true,
    clockOffsetMs: 3,
    rttMs: 2,
    pausedMs: 0,
    protocolVersion: 1,
    version: "1.2.3",
    listHash: "l",
    unanswered: 0,
    origin: "listed",
    unlistedAt: undefined,
    leaving: "no",
    flips: 0,
    refused: false,
    replacedBy: undefined,
    replacedAt: undefined,
    ...about,
  };
}

/** A member that is down because its machine refuses. */
export function killed(id: string, about: Partial<PeerFact> = {}): PeerFact {
  return peer(id, {
    state: "DOWN",
    since: NOON,
    direction: "none",
    refused: true,
    cause: `its machine refuses (${IPS[id]}:8848: connect ECONNREFUSED)`,
    ...about,
  });
}

/** A member that is down because nothing of it is heard any more. */
export function silent(id: string, about: Partial<PeerFact> = {}): PeerFact {
  const cause = "nobody in reach has heard it for 3 s (no answer)";
  return peer(id, { state: "DOWN", since: NOON, direction: "none", cause, ...about });
}

export function distroPeer(id: string, about: Partial<PeerFacts> = {}): PeerFacts {
  return {
    id,
    reachable: true,
    loadStage: "compared",
    pending: 0,
    inFlight: 0,
    waitsForMs: undefined,
    credit: 4,
    overflows: 0,
    equalForMs: 1000,
    differsForMs: undefined,
    sameDifferenceForMs: undefined,
    differences: [],
    ...about,
  };
}

export function follower(id: string, about: Partial<FollowerFact> = {}): FollowerFact {
  return { id, match: 900, lag: 0, trust: "whole", snapshot: undefined, ...about };
}

export function orphans(owner: string, about: Partial<OrphanFacts> = {}): OrphanFacts {
  return {
    owner,
    incarnation: 1,
    clients: 12,
    probing: 0,
    unhealthy: 0,
    answering: 0,
    lostForMs: 2000,
    held: true,
    ...about,
  };
}

export function refusal(code: RefusalCode, id: string, sentence: string): RefusedFact {
  return { id, addresses: [`${IPS[id]}:8848`], code, sentence, since: NOON };
}

export function unfound(id: string, error: string, refused = false): UnfoundFact {
  const address = `${IPS[id]}:8848`;
  return { address, since: NOON, refused, errors: [{ address, error }] };
}

/** All peers vote, those aside that are gone for good. */
export function withMembers(about: Partial<MembersFacts>): DiagnosisFacts {
  const facts = calm();
  const members = facts.members && { ...facts.members, ...about };
  const voters = (members?.peers ?? []).filter(
    ({ state, origin, replacedBy }) => replacedBy === undefined && !(state === "DOWN" && origin === "delisted"),
  );
  const ids = voters.map(({ id }) => id);
  return withGroup({ voters: ["a", ...ids], followers: ids.map((id) => follower(id)) }, { ...facts, members });
}

export function withPeers(...peers: readonly PeerFact[]): DiagnosisFacts {
  return withMembers({ peers });
}

export function withList(about: Partial<MembersFacts["list"]>): DiagnosisFacts {
  const { members } = calm();
  return withMembers(members === undefined ? {} : { list: { ...members.list, ...about } });
}

export function withSelf(about: Partial<MembersFacts["self"]>): DiagnosisFacts {
  const { members } = calm();
  return withMembers(members === undefined ? {} : { self: { ...members.self, ...about } });
}

export function withDistro(about: Partial<DistroFacts>): DiagnosisFacts {
  const facts = calm();
  return { ...facts, distro: facts.distro && { ...facts.distro, ...about } };
}

export function withProcess(about: Partial<ProcessFacts>): DiagnosisFacts {
  const facts = calm();
  return { ...facts, process: { ...facts.process, ...about } };
}

/** Beside other facts, if they are given. */
export function withGroup(about: Partial<GroupFacts>, facts = calm()): DiagnosisFacts {
  return { ...facts, group: facts.group && { ...facts.group, ...about } };
}

/** A member that runs by itself. */
export function standalone(about: Partial<DiagnosisFacts> = {}): DiagnosisFacts {
  const alone = { members: undefined, lookup: undefined, distro: undefined, connections: undefined };
  return withGroup({ voters: ["a"], followers: [] }, { ...calm(), ...alone, ...about });
}

export type Script = DiagnosisFacts | ((at: Millis) => DiagnosisFacts);

/** Looks once a second, and tells what is found by seconds after noon: `5 +MEMBER_DOWN`, `9 -MEMBER_DOWN`. */
export class TimeLine {
  readonly state = newDiagnosis();
  last: Diagnosis = { findings: [], raised: [], cleared: [] };
  now = NOON;

  run(forSeconds: number, script: Script): string[] {
    const told: string[] = [];
    for (const until = this.now + forSeconds * 1000; this.now < until; ) {
      this.last = diagnose(this.state, typeof script === "function" ? script(this.now) : script, this.now);
      const second = (this.now - NOON) / 1000;
      told.push(...this.last.raised.map(({ code }) => `${second} +${code}`));
      told.push(...this.last.cleared.map(({ code }) => `${second} -${code}`));
      this.now += 1000;
    }
    return told;
  }

  get codes(): string[] {
    return this.last.findings.map(({ code }) => code);
  }
}
