import { type Millis, minutes, seconds } from "../lib/units.ts";

export interface BalanceOptions {
  /** A member that holds this multiple of the average or less gives nothing away. */
  readonly aboveFactor: number;
  /** For how long it must hold more than that. */
  readonly aboveMs: Millis;
  /** Share of its connections that it moves per second, one at least. */
  readonly sharePerSecond: number;
  /** After a change of the members nothing moves for this long: clients are still finding their places. */
  readonly quietMs: Millis;
}

export const DEFAULT_BALANCE_OPTIONS: BalanceOptions = {
  aboveFactor: 1.2,
  aboveMs: minutes(1),
  sharePerSecond: 0.01,
  quietMs: minutes(2),
};

/** What a member says of its SDK connections. */
export interface MemberCount {
  readonly address: string;
  readonly sdk: number;
  /** Whether it lets clients in. */
  readonly ready: boolean;
}

export interface BalanceFacts {
  readonly self: MemberCount;
  /** All others that are expected; undefined stands for one that did not answer. */
  readonly others: readonly (MemberCount | undefined)[];
  /** When a member last came, went or changed its state. */
  readonly membersChangedAt: Millis;
}

export interface BalanceState {
  readonly options: BalanceOptions;
  /** Since when this member holds too many. */
  aboveSince: Millis | undefined;
  /** Up to when the allowance of moves was used. */
  movedAt: Millis;
}

export function newBalance(options: Partial<BalanceOptions> = {}): BalanceState {
  return { options: { ...DEFAULT_BALANCE_OPTIONS, ...options }, aboveSince: undefined, movedAt: 0 };
}

/** How many connections are to go now, and to whom. */
export interface BalanceOrder {
  readonly count: number;
  readonly to: string;
}

/** What is going on, for people and metrics. */
export interface BalancePlan {
  readonly members: readonly (MemberCount & { readonly share: number })[];
  readonly average: number;
  /** Connections that this member holds beyond what it may. */
  readonly excess: number;
  /** One sentence: what moves, or why nothing does. */
  readonly sentence: string;
}

/**
 * Decides whether this member gives connections away. Called each second or so; calls that come more often move no more.
 *
 * @returns the order of this moment, or undefined.
 */
export function balance(state: BalanceState, facts: BalanceFacts, now: Millis): BalanceOrder | undefined {
  const { options } = state;
  const why = resting(state, facts, now);
  if (why === "even") state.aboveSince = undefined;
  else state.aboveSince ??= now;
  if (why !== undefined || now - (state.aboveSince ?? now) < options.aboveMs) {
    state.movedAt = now;
    return undefined;
  }
  const { sdk } = facts.self;
  const perSecond = Math.max(1, sdk * options.sharePerSecond);
  const allowed = Math.floor(((now - state.movedAt) / seconds(1)) * perSecond);
  const least = leastOf(facts);
  const count = Math.min(allowed, excessOf(facts), Math.max(0, Math.ceil(averageOf(facts)) - (least?.sdk ?? 0)));
  if (least === undefined || count < 1) return undefined;
  state.movedAt = now;
  return { count, to: least.address };
}

export function balancePlan(state: BalanceState, facts: BalanceFacts, now: Millis): BalancePlan {
  const known = [facts.self, ...facts.others.filter((one) => one !== undefined)];
  const total = known.reduce((sum, { sdk }) => sum + sdk, 0);
  const members = known.map((one) => ({ ...one, share: total === 0 ? 0 : one.sdk / total }));
  const excess = excessOf(facts);
  return { members, average: averageOf(facts), excess, sentence: sentenceOf(state, facts, now, excess) };
}

function sentenceOf(state: BalanceState, facts: BalanceFacts, now: Millis, excess: number): string {
  const { options } = state;
  const left = (until: Millis) => `${Math.max(1, Math.ceil((until - now) / seconds(1)))} s`;
  switch (resting(state, facts, now)) {
    case "alone":
      return "There is no other member to share connections with.";
    case "even": {
      const known = facts.others.filter((one) => one !== undefined);
      const above = known.filter((one) => isAbove(one, facts, options));
      return above.length === 0
        ? "Connections are shared evenly enough: nothing moves."
        : `This member moves none; ${above.map(({ address }) => address).join(" and ")} may move some: ask there.`;
    }
    case "unready":
      return "Nothing moves, because a member does not let clients in or did not answer.";
    case "quiet":
      return `Nothing moves for another ${left(facts.membersChangedAt + options.quietMs)}, because members have changed.`;
    default: {
      const startsAt = (state.aboveSince ?? now) + options.aboveMs;
      const to = leastOf(facts)?.address ?? "another member";
      const per = Math.max(1, Math.round(facts.self.sdk * options.sharePerSecond));
      const begin = startsAt > now ? `In ${left(startsAt)}` : "Now";
      return `${begin} this member moves ${excess} connections to ${to} and others that hold fewer, ${per} a second.`;
    }
  }
}

type Rest = "alone" | "even" | "unready" | "quiet";

function resting({ options }: BalanceState, facts: BalanceFacts, now: Millis): Rest | undefined {
  if (facts.others.length === 0) return "alone";
  if (facts.others.some((one) => one?.ready !== true) || !facts.self.ready) return "unready";
  if (!isAbove(facts.self, facts, options)) return "even";
  if (now - facts.membersChangedAt < options.quietMs) return "quiet";
  return undefined;
}

function isAbove({ sdk }: MemberCount, facts: BalanceFacts, { aboveFactor }: BalanceOptions): boolean {
  const average = averageOf(facts);
  // With few connections one more than the average is as even as it gets.
  return sdk > Math.max(average * aboveFactor, average + 1);
}

function averageOf({ self, others }: BalanceFacts): number {
  const known = others.filter((one) => one !== undefined);
  return known.reduce((sum, { sdk }) => sum + sdk, self.sdk) / (known.length + 1);
}

function excessOf(facts: BalanceFacts): number {
  return Math.max(0, Math.floor(facts.self.sdk - averageOf(facts)));
}

function leastOf({ others }: BalanceFacts): MemberCount | undefined {
  let least: MemberCount | undefined;
  for (const one of others) if (one !== undefined && (least === undefined || one.sdk < least.sdk)) least = one;
  return least;
}
