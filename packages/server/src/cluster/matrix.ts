import { type Membership, matrix, peers, reach, self } from "@nacre/core/membership";
import type { Clock } from "../clock.ts";

/** Who sees whom. Moments are epoch milliseconds, durations end in `Ms`. */
export interface MatrixBody {
  /** The member that was asked. */
  readonly by: { readonly id: string; readonly address: string };
  readonly clusterId: string;
  /** Whether the cluster id stands for good. */
  readonly settled: boolean;
  readonly reached: number;
  readonly expected: number;
  readonly members: readonly MemberRow[];
  /** One for each member whose view is known here, this one first. */
  readonly rows: readonly SightRow[];
}

export interface MemberRow {
  readonly id: string;
  readonly address: string;
  readonly state: string;
  readonly since: number;
  readonly cause: string;
  readonly version: string;
  readonly incarnation: number;
  /** `out`: it answers the asked member; `in`: its probes come there. */
  readonly direction: string;
  readonly heardMs: number | undefined;
  readonly clockOffsetMs: number | undefined;
  readonly rttMs: number | undefined;
  /** Of the list of members that it goes by; equal for equal lists, blank without one. */
  readonly listHash: string;
  readonly origin: string;
  readonly inRing: boolean;
  readonly leaving: string;
}

export interface SightRow {
  readonly id: string;
  readonly address: string;
  /** How old this view is. */
  readonly ageMs: number;
  readonly sees: readonly {
    readonly id: string;
    readonly address: string;
    readonly state: string;
    /** Its answers come; its probes come. */
    readonly out: boolean;
    readonly in: boolean;
  }[];
}

/** The matrix as membership knows it: every member sends its row with each probe and answer, so nobody is asked for it. */
export function matrixOf(
  state: Membership,
  clock: Pick<Clock, "now" | "wall">,
  own: { readonly address: string; readonly version: string },
): MatrixBody {
  const now = clock.now();
  const epoch = (at: number): number => Math.round(clock.wall() - (now - at));
  const me = self(state);
  const others = peers(state, now);
  const shown = new Map<string, string>([[me.id, own.address]]);
  for (const { id, addresses } of others) shown.set(id, addresses[0] ?? id);
  const { reached, expected } = reach(state, now);
  return {
    by: { id: me.id, address: own.address },
    clusterId: me.clusterId,
    settled: me.settled,
    reached,
    expected,
    members: [
      {
        id: me.id,
        address: own.address,
        state: me.state,
        since: epoch(state.upAt ?? state.startedAt),
        cause: "this member",
        version: own.version,
        incarnation: state.start.incarnation,
        direction: "both",
        heardMs: 0,
        clockOffsetMs: 0,
        rttMs: 0,
        listHash: state.list.hash,
        origin: "self",
        inRing: me.inRing,
        leaving: me.state !== "LEAVING" ? "no" : state.leavingForever ? "forever" : "restart",
      },
      ...others.map((peer): MemberRow => {
        const { id, addresses, state: to, since, heardAt, clockOffsetMs, rttMs } = peer;
        const { cause, version, incarnation, direction, listHash, origin, inRing, leaving } = peer;
        return {
          id,
          address: addresses[0] ?? id,
          state: to,
          since: epoch(since),
          cause,
          version,
          incarnation,
          direction,
          heardMs: Math.round(now - heardAt),
          clockOffsetMs: clockOffsetMs && Math.round(clockOffsetMs),
          rttMs: rttMs && Math.round(rttMs * 10) / 10,
          listHash,
          origin,
          inRing,
          leaving,
        };
      }),
    ],
    rows: matrix(state, now).map(({ id, at, row }) => ({
      id,
      address: shown.get(id) ?? id,
      ageMs: Math.round(now - at),
      sees: row.map((sight) => ({
        id: sight.id,
        address: shown.get(sight.id) ?? sight.addresses[0] ?? sight.id,
        state: sight.state,
        out: sight.out,
        in: sight.in,
      })),
    })),
  };
}
