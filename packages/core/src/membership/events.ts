import type { Millis } from "../lib/units.ts";
import type { Address } from "./address.ts";
import type { Frame, MemberId, MemberState } from "./frames.ts";

/** The shell's number of a link: one connection, opened by one side. Never used twice in one process. */
export type LinkId = number;

export type Event =
  /** The list as it reads now; undefined when there is none. Sent at start, and whenever it may have changed. */
  | { readonly type: "listRead"; readonly text: string | undefined; readonly source: string }
  /** Answer to `resolve`. `error` stands for no answer; what was known before is kept. */
  | { readonly type: "resolved"; readonly host: string; readonly ips: readonly string[]; readonly error?: string }
  /** This machine's addresses, the preferred one first. Sent at start and when they change. */
  | { readonly type: "localAddresses"; readonly ips: readonly string[] }
  /** A link stands: `address` is the one of `connect`; undefined when the other side opened it. */
  | { readonly type: "linkOpened"; readonly link: LinkId; readonly address: Address | undefined }
  /** `connect` came to nothing, within 2 s. `refused`: the machine answered that nobody listens. */
  | { readonly type: "connectFailed"; readonly address: Address; readonly error: string; readonly refused: boolean }
  | { readonly type: "linkClosed"; readonly link: LinkId; readonly error: string }
  | { readonly type: "received"; readonly link: LinkId; readonly frame: Frame }
  /** An operator: become a member of the cluster of which one member is there. */
  | { readonly type: "join"; readonly address: string }
  /** An operator: what was ordered by `join` and did not come to anything yet is tried no further. */
  | { readonly type: "cancelJoin" }
  /** This member stops; `forever`: it does not come back under this id. */
  | { readonly type: "leave"; readonly forever: boolean }
  /** An operator: a member that is down does not come back. */
  | { readonly type: "forget"; readonly id: MemberId }
  /** This member holds durable data: its cluster id stands from now on. */
  | { readonly type: "dataHeld" }
  /** At least five times a second; a longer gap between events is a pause of this process. */
  | { readonly type: "tick"; readonly clockAt: Millis };

/** What the shell is to do, in this order. */
export type Effect =
  /** Answered by `resolved`. */
  | { readonly type: "resolve"; readonly host: string }
  /** Answered by `linkOpened` or `connectFailed`. */
  | { readonly type: "connect"; readonly address: Address }
  /** Send what is queued, then close. The link is forgotten here: `linkClosed` of it changes nothing. */
  | { readonly type: "closeLink"; readonly link: LinkId; readonly reason: string }
  | { readonly type: "send"; readonly link: LinkId; readonly frame: Frame }
  /** A barrier: nothing after it leaves this member before it is on disk. */
  | {
      readonly type: "persist";
      readonly clusterId: string;
      readonly settled: boolean;
      readonly epoch: number;
      readonly joined: readonly Address[];
    }
  /** `from` is undefined for a member not known before, `to` for one that is forgotten. */
  | {
      readonly type: "memberChanged";
      readonly id: MemberId;
      readonly from: MemberState | undefined;
      readonly to: MemberState | undefined;
      readonly cause: string;
    }
  | {
      readonly type: "selfChanged";
      readonly state: "STARTING" | "UP" | "LEAVING";
      readonly address: Address | undefined;
    }
  /** The member runs in another incarnation than before: what it held of its own is a new beginning. */
  | { readonly type: "restarted"; readonly id: MemberId; readonly incarnation: number }
  /** Who owns address clients from now on; sorted. */
  | { readonly type: "ringChanged"; readonly members: readonly MemberId[] }
  | { readonly type: "joined"; readonly address: Address; readonly id: MemberId }
  | { readonly type: "joinRefused"; readonly address: string; readonly sentence: string }
  /** @see Event `cancelJoin`: these are called no more. */
  | { readonly type: "joinCancelled"; readonly addresses: readonly Address[] }
  | { readonly type: "cancelRefused"; readonly sentence: string }
  | { readonly type: "forgetRefused"; readonly id: MemberId; readonly sentence: string };
