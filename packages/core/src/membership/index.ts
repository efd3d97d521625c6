export * from "./address.ts";
export { beatBy, ownBeat } from "./clocks.ts";
export type * from "./events.ts";
export * from "./facts.ts";
export type * from "./frames.ts";
export * from "./member-list.ts";
export * from "./missing.ts";
export { ownerIn, responsible } from "./ring.ts";
export { isAlone, listOf } from "./self.ts";
export {
  MEMBERSHIP_DEFAULTS,
  type Member,
  type Membership,
  type MembershipOptions,
  newMembership,
  type Start,
} from "./state.ts";
export * from "./step.ts";
export { foreign, twin, type Verdict, verdict } from "./verdict.ts";
