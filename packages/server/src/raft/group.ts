import type { MemberId, Raft, Token } from "@nacre/core/raft";
import type { Clock } from "../clock.ts";
import type { Packet } from "./codec.ts";
import type { Peers } from "./port.ts";

/** What the parts of the shell share. */
export interface Group {
  readonly self: MemberId;
  readonly core: Raft;
  readonly clock: Clock;
  readonly peers: Peers;
  token(): Token;
  propose(proposals: readonly { readonly token: Token; readonly bytes: number }[]): void;
  send(to: MemberId, packet: Packet): void;
}
