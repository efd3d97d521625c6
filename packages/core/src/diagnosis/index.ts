export { CATALOGUE } from "./catalogue/index.ts";
export { type Diagnosis, type DiagnosisState, diagnose, isSettling, newDiagnosis } from "./diagnose.ts";
export type * from "./facts.ts";
export * from "./finding.ts";
export { HIDING, type Hiding } from "./hides.ts";
export * from "./merge.ts";
export { NOT_HERE, type NotHere } from "./not-here.ts";
export * from "./readiness.ts";
export type { Row } from "./view.ts";
