import {
  type ClusterReport,
  clusterReport,
  type Diagnosis,
  type DiagnosisFacts,
  diagnose,
  type Finding,
  isSettling,
  type MemberAnswer,
  type MemberReport,
  type MembersFacts,
  newDiagnosis,
  type ReadinessReport,
  readinessOf,
} from "@nacre/core/diagnosis";
import { list, listDifferences, type Membership, peers, reach, refusals, self, unfound } from "@nacre/core/membership";
import type { Clock, Timer } from "../clock.ts";
import type { Log } from "../connections/connections.ts";
import { LOOK_MS } from "./own-watch.ts";

export interface DiagnosingSetup {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Gathered anew with each look. */
  readonly facts: () => DiagnosisFacts;
  /** Called before each look, for what has to be read regularly. */
  readonly looked?: () => void;
  /** What the other members say of themselves; one that does not answer is one of the answers. */
  readonly askOthers: () => Promise<readonly MemberAnswer[]>;
}

/** What membership knows, as diagnosis reads it. */
export function membersFacts(
  state: Membership,
  now: number,
  given: Pick<MembersFacts, "portOffset" | "portOpen">,
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
      member: { id: id === "" ? undefined : id, address: address ?? now.process.address },
      at: clock.wall(),
      version,
      settling: isSettling(now, clock.now()),
      findings: this.findings,
      ...this.readiness(),
    };
  }

  /** What all members say, as one. */
  async cluster(): Promise<ClusterReport> {
    return clusterReport(this.report(), await this.#setup.askOthers());
  }

  #look(): void {
    const { clock, facts, log, looked } = this.#setup;
    looked?.();
    this.#last = diagnose(this.#state, facts(), clock.now());
    for (const { code, key, severity, sentence } of this.#last.raised)
      log[severity === "warning" ? "warn" : severity]({ code, key }, sentence);
    for (const { code, key, title } of this.#last.cleared) log.info({ code, key }, `over: ${title}`);
    this.#timer = clock.schedule(LOOK_MS, () => this.#look());
  }
}
