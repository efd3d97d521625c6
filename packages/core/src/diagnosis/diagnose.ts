import { type Millis, seconds } from "../lib/units.ts";
import { CATALOGUE } from "./catalogue/index.ts";
import type { DiagnosisFacts } from "./facts.ts";
import { FINDING_CODES, type Finding, type FindingCode, type Severity } from "./finding.ts";
import { isHidden } from "./hides.ts";
import { type Memory, newMemory, remember } from "./memory.ts";
import { type Observed, type View, viewOf } from "./view.ts";

/** Nothing is told before a process had this time to find its members and to load (G5). */
const QUIET_MS = seconds(8);
const GONE_MS = seconds(3);

/** One thing that is or was so. */
interface Held {
  readonly code: FindingCode;
  observed: Observed;
  /** Since when it is so, as far as its facts tell; kept for as long as it is held. */
  readonly since: Millis;
  /** Since when it has been observed without a break, and not hidden. */
  from: Millis;
  /** When it was observed last. */
  seenAt: Millis;
  told: boolean;
}

export interface DiagnosisState {
  readonly held: Map<string, Held>;
  readonly memory: Memory;
}

export interface Diagnosis {
  /** All that hold, the gravest and oldest first. */
  readonly findings: readonly Finding[];
  /** Those that are new since the last look, and those that have ended: for the log. */
  readonly raised: readonly Finding[];
  readonly cleared: readonly Finding[];
}

/** Whether nothing is told yet, so that no finding does not mean that nothing is wrong. */
export function isSettling({ process: own }: Pick<DiagnosisFacts, "process">, now: Millis): boolean {
  return now - own.startedAt < QUIET_MS;
}

export function newDiagnosis(): DiagnosisState {
  return { held: new Map(), memory: newMemory() };
}

/** The only way the state changes. Called about once a second; equal facts and moments give equal findings (G1). */
export function diagnose(state: DiagnosisState, facts: DiagnosisFacts, now: Millis): Diagnosis {
  const { held, memory } = state;
  const settles = isSettling(facts, now);
  remember(memory, facts, now);
  const view = viewOf(facts, memory, now);
  const isTold = (): Held[] => [...held.values()].filter(({ told }) => told);
  const before = isTold().map(findingOf);

  const present = observe(view);
  for (const [key, { code, observed }] of present) {
    const known = held.get(key);
    if (known === undefined)
      held.set(key, { code, observed, since: observed.since ?? now, from: now, seenAt: now, told: false });
    else Object.assign(known, { observed, seenAt: now });
  }
  drop(held, now);
  for (const [key, one] of held) {
    if (one.told || !present.has(key)) continue;
    // Its time begins anew when what hid it has ended: consequences take a moment to mend (G3).
    const others = [...held.values()].filter((other) => other.told || other.seenAt === now);
    if (isHidden(toldOf(one), others.map(toldOf), view.self.id)) one.from = now;
    else if (now - one.from >= CATALOGUE[one.code].afterMs && !settles) one.told = true;
  }
  const raised = isTold();
  for (const one of raised)
    if (isHidden(toldOf(one), raised.map(toldOf), view.self.id)) Object.assign(one, { told: false, from: now });

  const findings = isTold().map(findingOf).sort(byGravity);
  return { findings, raised: lacking(findings, before), cleared: lacking(before, findings) };
}

function observe(view: View): Map<string, { code: FindingCode; observed: Observed }> {
  const present = new Map<string, { code: FindingCode; observed: Observed }>();
  for (const code of FINDING_CODES)
    for (const observed of CATALOGUE[code].find(view)) {
      const key = `${code} ${observed.key}`;
      if (!present.has(key)) present.set(key, { code, observed });
    }
  return present;
}

/** What was not told goes at the first break, what was told when it has been away for a while (G4). */
function drop(held: Map<string, Held>, now: Millis): void {
  for (const [key, one] of held) {
    const awayMs = now - one.seenAt;
    if (awayMs > 0 && (!one.told || awayMs >= (CATALOGUE[one.code].goneMs ?? GONE_MS))) held.delete(key);
  }
}

function toldOf({ code, observed }: Held): { readonly code: FindingCode; readonly members: Finding["members"] } {
  return { code, members: observed.members };
}

function findingOf({ code, observed, since }: Held): Finding {
  const { severity, area, title, fix } = CATALOGUE[code];
  const { key, members, sentence } = observed;
  return { code, key, severity, area, title, since, members, sentence, fix };
}

const GRAVITY: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

export function byGravity(a: Finding, b: Finding): number {
  return (
    GRAVITY[a.severity] - GRAVITY[b.severity] ||
    a.since - b.since ||
    FINDING_CODES.indexOf(a.code) - FINDING_CODES.indexOf(b.code) ||
    (a.key < b.key ? -1 : 1)
  );
}

function lacking(some: readonly Finding[], others: readonly Finding[]): Finding[] {
  return some.filter(({ code, key }) => !others.some((other) => other.code === code && other.key === key));
}
