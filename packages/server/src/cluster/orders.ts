import { peers, readAddress } from "@nacre/core/membership";
import { object, RegistryError, text } from "@nacre/protocol";
import type { Clock } from "../clock.ts";
import type { Peers } from "../raft/port.ts";
import { noMajority } from "../raft/reasons.ts";
import type { Cluster } from "./cluster.ts";
import type { ConvergeReport } from "./converge/converge.ts";
import type { LazyConverge } from "./converge/lazy-converge.ts";
import type { GroupHandle } from "./group/group-log.ts";
import type { Lookup } from "./lookup/types.ts";
import { type MatrixBody, matrixOf } from "./matrix.ts";
import { addressOf, type Members } from "./members.ts";

/** What operators ask of a member about its cluster, and tell it to do. */
export interface Orders {
  matrix(): MatrixBody;
  /** Where the members differ. */
  converge(): Promise<ConvergeReport>;
  /** @throws RegistryError as `Lookup` does; `illegalState` for a server that was started alone. */
  switchLookup(type: string): void;
  /** Becomes a member of the cluster that has one at this address. @throws RegistryError with the reason why not. */
  join(address: string): Promise<{ readonly id: string; readonly address: string; readonly clusterId: string }>;
  /** Takes back an order to join that did not come to anything. @throws RegistryError with the reason when there is none. */
  cancelJoin(): { readonly addresses: readonly string[] };
  /** Takes a member that is down, by id or address, off for good at all members in reach, and out of the group. @throws RegistryError. */
  forget(who: string): Promise<{ readonly id: string; readonly address: string }>;
  /**
   * Hands clients over and ends this process, as a TERM does. `forever`: it does not come back under this id.
   *
   * @throws RegistryError `notApplied` for ever, while too few voters are in reach to do without it.
   */
  stop(forever: boolean): Promise<void>;
}

export interface OrdersSetup {
  readonly clock: Clock;
  readonly cluster: Cluster;
  readonly members: Members;
  /** Undefined for a member that is in no group. */
  readonly group: { readonly log: Pick<GroupHandle, "group" | "order">; readonly links: Peers } | undefined;
  readonly converging: Pick<LazyConverge, "report">;
  readonly version: string;
  readonly lookup: () => Lookup | undefined;
  readonly stop: (forever: boolean) => void;
}

/** What another member is given that is to forget one as well. */
export const forgetOrder = object({ id: text() });
const FORGET_MS = 2000;
/** Who has just joined, or is back, is in reach of all within this; and what was agreed on is known. */
const REACH_MS = 3000;
const REACH_LOOK_MS = 100;

export const ALONE = "this server runs alone: it has no list of members to look up or to leave";

export function ordersOf({ clock, cluster, members, group, converging, version, lookup, stop }: OrdersSetup): Orders {
  const { state } = cluster.members;
  return {
    matrix: () => matrixOf(state, clock, { address: addressOf(members.self()), version }),
    converge: () => converging.report(),
    switchLookup(type) {
      const held = lookup();
      if (held === undefined) throw new RegistryError("illegalState", ALONE);
      held.switchTo(type);
    },
    async join(address) {
      const id = await cluster.members.join(address);
      return { id, address: members.shown(id), clusterId: state.clusterId };
    },
    cancelJoin: () => ({ addresses: cluster.members.cancelJoin() }),
    async forget(who) {
      const read = readAddress(who, state.start.port);
      const wanted = typeof read === "string" ? undefined : addressOf({ ip: read.host, port: read.port });
      const found = peers(state, clock.now()).find(
        ({ id, addresses }) => id === who || (wanted !== undefined && addresses.includes(wanted)),
      );
      const { voters = [], learners = [] } = group?.log.group?.configuration ?? {};
      const isIn = (id: string): boolean => voters.includes(id) || learners.includes(id);
      if (found === undefined && (!isIn(who) || who === state.start.id))
        throw new RegistryError("notFound", `no other member has the id or address '${who.slice(0, 128)}'`);
      const id = found?.id ?? who;
      // A voter that is gone counts for majorities until it is taken out. Who runs is told so below.
      if (isIn(id) && (found === undefined || found.state === "DOWN")) await group?.log.order({ type: "remove", id });
      if (found !== undefined) cluster.members.forget(id);
      // Who is not in reach, or for whom it is not down yet, forgets it when no list names it any more.
      await cluster.peers.askAll("members.forget", { id }, FORGET_MS);
      return { id, address: found?.addresses[0] ?? id };
    },
    async stop(forever) {
      const why = forever && group !== undefined ? await whyBound(clock, group, state.start.id) : undefined;
      if (why !== undefined) throw new RegistryError("notApplied", why);
      stop(forever);
    },
  };
}

/**
 * Why this member cannot be taken out of its group now: a voter that goes all the same is one that is away for good. Who
 * is not in reach may be on its way, or have left the group without this member having heard of it.
 */
async function whyBound(
  clock: Clock,
  group: NonNullable<OrdersSetup["group"]>,
  self: string,
): Promise<string | undefined> {
  const giveUpAt = clock.now() + REACH_MS;
  let why = whyBoundNow(group, self);
  while (why !== undefined && clock.now() < giveUpAt) {
    await new Promise<void>((resolve) => void clock.schedule(REACH_LOOK_MS, resolve));
    why = whyBoundNow(group, self);
  }
  return why;
}

function whyBoundNow({ log, links }: NonNullable<OrdersSetup["group"]>, self: string): string | undefined {
  const { voters = [] } = log.group?.configuration ?? {};
  const left = voters.filter((id) => id !== self);
  if (left.length === 0 || left.length === voters.length) return undefined;
  const now = noMajority(voters, self, links);
  if (now !== undefined) return `${now}: start one of them first, or end this process with nacre stop`;
  const then = noMajority(left, self, links);
  if (then === undefined) return undefined;
  return `without this member ${then}: start it, or order nacre cluster forget for it, and then this; nacre stop ends this process and leaves it a voter`;
}
