import {
  type DiagnosisFacts,
  type DiagnosisState,
  diagnose,
  type Finding,
  type MemberReport,
  type MergedFinding,
  mergeFindings,
  newDiagnosis,
  readinessOf,
} from "@nacre/core/diagnosis";
import { list, listDifferences, peers, reach, refusals, self, unfound } from "@nacre/core/membership";
import { SimNet, SimNode } from "./membership-sim-net.ts";
import { Random } from "./random.ts";

const LOOK_MS = 1000;
const PORT_OFFSET = 1001;

/** Members of the simulated network, each of which diagnoses what it sees once a second. */
export class DiagnosisSim {
  readonly net: SimNet;
  readonly nodes: SimNode[] = [];
  /** The latest of each member that runs. */
  readonly findings = new Map<SimNode, readonly Finding[]>();
  readonly #states = new Map<SimNode, { readonly run: number; readonly state: DiagnosisState }>();

  /** Members whose identity token is not that of the others. */
  readonly otherToken = new Set<SimNode>();

  constructor(seed: number) {
    this.net = new SimNet(new Random(seed), {
      frame: (frame, from, to) => {
        const differs = this.otherToken.has(from) !== this.otherToken.has(to);
        return "card" in frame && differs ? { ...frame, card: { ...frame.card, fingerprint: "other" } } : frame;
      },
    });
    this.net.later(LOOK_MS, () => this.#look());
  }

  /** Members that list each other, all of one cluster; started together. */
  cluster(count: number): SimNode[] {
    for (let at = 1; at <= count; at++)
      this.nodes.push(this.net.add(new SimNode(`m${at}`, `10.0.0.${at}`, "prod", true)));
    const text = this.nodes.map(({ address }) => address).join("\n");
    for (const node of this.nodes) {
      node.list = text;
      this.net.start(node);
    }
    return this.nodes;
  }

  get merged(): MergedFinding[] {
    return this.mergedOf(this.nodes);
  }

  /** What one would be told who can ask these members. */
  mergedOf(nodes: readonly SimNode[]): MergedFinding[] {
    return mergeFindings(
      nodes.flatMap((node): MemberReport[] => {
        const findings = this.findings.get(node);
        if (findings === undefined || node.core === undefined || this.net.now < node.pausedUntil) return [];
        const readiness = readinessOf(this.#factsOf(node), findings, this.net.now);
        return [
          { member: { id: node.id, address: node.address }, at: this.net.now, version: "", findings, ...readiness },
        ];
      }),
    );
  }

  #look(): void {
    for (const node of this.nodes) {
      if (node.core === undefined) {
        this.findings.delete(node);
        continue;
      }
      if (this.net.now < node.pausedUntil) continue;
      let held = this.#states.get(node);
      if (held?.run !== node.run) held = { run: node.run, state: newDiagnosis() };
      this.#states.set(node, held);
      this.findings.set(node, diagnose(held.state, this.#factsOf(node), this.net.now).findings);
    }
    this.net.later(LOOK_MS, () => this.#look());
  }

  #factsOf(node: SimNode): DiagnosisFacts {
    const { core } = node;
    if (core === undefined) throw new Error(`${node.id} does not run`);
    const { now } = this.net;
    return {
      process: {
        startedAt: node.startedAt,
        stage: "running",
        port: 8848,
        address: node.address,
        statusSet: undefined,
        pause: undefined,
        memory: undefined,
        queues: [],
      },
      members: {
        self: self(core),
        peers: peers(core, now),
        unfound: unfound(core),
        list: list(core),
        listDifferences: listDifferences(core),
        refusals: refusals(core),
        reach: reach(core, now),
        portOffset: PORT_OFFSET,
        portOpen: true,
      },
      lookup: undefined,
      distro: undefined,
      forwarding: [],
      naming: undefined,
      connections: undefined,
      durable: undefined,
      group: undefined,
      log: undefined,
      store: undefined,
      disk: undefined,
      clock: { jump: undefined },
    };
  }
}
