import {
  type ClusterReport,
  clusterReport,
  type Diagnosis,
  type DiagnosisFacts,
  diagnose,
  type Finding,
  type MemberAnswer,
  type MemberReport,
  type MembersFacts,
  newDiagnosis,
  type ReadinessReport,
  readinessOf,
} from "@nacre/core/diagnosis";
import { list, listDifferences, type Membership, peers, reach, refusals, self, unfound } from "@nacre/core/membership";
import { RegistryError } from "@nacre/protocol";
import type { Clock, Timer } from "../clock.ts";
import type { Log } from "../connections/connections.ts";
import { result } from "../transport/http/answers.ts";
import type { Route } from "../transport/http/route.ts";
import { v3 } from "../transport/http/rows.ts";
import { LOOK_MS } from "./own-watch.ts";

export interface DiagnosingSetup {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Gathered anew with each look. */
  readonly facts: () => DiagnosisFacts;
  /** What the other members say of themselves; one that does not answer is one of the answers. */
  readonly askOthers: () => Promise<readonly MemberAnswer[]>;
}

/** What membership knows, as diagnosis reads it. */
export function membersFacts(
  state: Membership,
  now: number,
  given: Pick<MembersFacts, "portOffset" | "servesIsolated">,
): MembersFacts {
  return {
    self: self(state),
    peers: peers(state, now),
    unfound: unfound(state),
    list: list(state),
    listDifferences: listDifferences(state),
    refusals: refusals(state),
    reach: reach(state, now),
    ...given,
  };
}

/** Looks once a second what is wrong, writes what begins and ends into the log, and answers who asks. */
export class Diagnosing {
  readonly #setup: DiagnosingSetup;
  readonly #state = newDiagnosis();
  #last: Diagnosis = { findings: [], raised: [], cleared: [] };
  #timer: Timer | undefined;

  constructor(setup: DiagnosingSetup) {
    this.#setup = setup;
  }

  start(): void {
    this.#look();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  get findings(): readonly Finding[] {
    return this.#last.findings;
  }

  readiness(): ReadinessReport {
    return readinessOf(this.#setup.facts(), this.findings, this.#setup.clock.now());
  }

  /** What this member says of itself; also its answer to members that ask. */
  report(): MemberReport {
    const { clock, facts, version } = this.#setup;
    const now = facts();
    const { id = "", address } = now.members?.self ?? {};
    return {
      member: { id: id === "" ? undefined : id, address: address ?? `port ${now.process.port}` },
      at: clock.wall(),
      version,
      findings: this.findings,
      ...this.readiness(),
    };
  }

  /** What all members say, as one. */
  async cluster(): Promise<ClusterReport> {
    return clusterReport(this.report(), await this.#setup.askOthers());
  }

  #look(): void {
    const { clock, facts, log } = this.#setup;
    this.#last = diagnose(this.#state, facts(), clock.now());
    for (const { code, key, severity, sentence } of this.#last.raised)
      log[severity === "warning" ? "warn" : severity]({ code, key }, sentence);
    for (const { code, key, title } of this.#last.cleared) log.info({ code, key }, `over: ${title}`);
    this.#timer = clock.schedule(LOOK_MS, () => this.#look());
  }
}

/** `scope=self`: what the asked member says of itself. Else what all members say. */
export function diagnosisRoutes(diagnosing: Diagnosing): readonly Route[] {
  return [
    v3("GET", "/v3/admin/core/cluster/diagnosis", async (params) => {
      const scope = params.text("scope", "cluster");
      if (scope !== "self" && scope !== "cluster")
        throw new RegistryError("invalidParameter", "Param 'scope' must be self or cluster.");
      return result(scope === "self" ? diagnosing.report() : await diagnosing.cluster());
    }),
  ];
}

/**
 * Reads another member's report. Codes that only its release knows are shown as they are.
 *
 * @throws RegistryError `serverError` for anything that is no report.
 */
export function readMemberReport(answer: unknown): MemberReport {
  const report = answer as Partial<MemberReport> | null;
  const isReport =
    typeof report === "object" &&
    report !== null &&
    typeof report.member?.address === "string" &&
    typeof report.ready === "boolean" &&
    Array.isArray(report.findings) &&
    report.findings.every(isFinding);
  if (!isReport) throw new RegistryError("serverError", "the answer is no diagnosis");
  return report as MemberReport;
}

function isFinding(value: unknown): value is Finding {
  const { code, key, severity, since, sentence, members } = (value ?? {}) as Partial<Finding>;
  return (
    [code, key, sentence].every((text) => typeof text === "string") &&
    typeof since === "number" &&
    (severity === "error" || severity === "warning" || severity === "info") &&
    Array.isArray(members) &&
    members.every((member) => typeof member?.address === "string")
  );
}
