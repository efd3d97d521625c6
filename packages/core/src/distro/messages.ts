import type { Change, ClientId, Head, MemberId, Outline } from "./model.ts";

/** One owner in a digest: how many clients of it the sender holds, and the set hash over them. */
export interface OwnerDigest {
  readonly owner: MemberId;
  readonly count: number;
  readonly hash: number;
}

/** Where a load goes on: buckets in order, and within one bucket ids in order; equal on every member. */
export interface Cursor {
  readonly bucket: number;
  readonly after: ClientId;
}

/** Where each part of a load stands, or ends. */
export interface Loaded<T> {
  readonly type: "loadChunk";
  readonly cursor: Cursor;
  readonly changes: readonly T[];
  readonly removals: readonly Head[];
  /** Undefined after the last chunk. */
  readonly next: Cursor | undefined;
}

export interface Sync<T> {
  readonly type: "sync";
  /** What `ack` repeats; 0 asks for none. */
  readonly seq: number;
  readonly changes: readonly T[];
  readonly removals: readonly Head[];
}

/** What goes between members and carries no contents. */
export type Notice =
  | { readonly type: "ack"; readonly seq: number }
  /** Every 2 s to each peer, and as the answer to `digestAsk`. Its size depends on the number of owners alone. */
  | { readonly type: "digest"; readonly loaded: boolean; readonly owners: readonly OwnerDigest[] }
  /** From a member that loads. */
  | { readonly type: "digestAsk" }
  /** The sender's bucket hashes of one owner, from bucket `from` on; the receiver lists those that are unequal. */
  | { readonly type: "buckets"; readonly owner: MemberId; readonly from: number; readonly hashes: readonly number[] }
  /** Everything the sender holds in these buckets of one owner. `next`: ask from there on; undefined: that was all. */
  | {
      readonly type: "listing";
      readonly owner: MemberId;
      readonly buckets: readonly number[];
      readonly heads: readonly Head[];
      readonly next: number | undefined;
    }
  /** Send me these clients. */
  | { readonly type: "fetch"; readonly ids: readonly ClientId[] }
  | { readonly type: "loadAsk" }
  /** `loaded: false` is "not loaded": the sender is no source. */
  | { readonly type: "loadOffer"; readonly loaded: boolean; readonly clients: number }
  | { readonly type: "loadRequest"; readonly cursor: Cursor }
  /** Address clients that the sender has owned and the receiver owns from now on. */
  | { readonly type: "handOver"; readonly heads: readonly Head[] }
  /** What the sender knows about clients whose owner, or its earlier life, is gone. */
  | { readonly type: "marks"; readonly mark: "unconfirmed" | "answers"; readonly heads: readonly Head[] };

/** As it arrives. */
export type Message = Notice | Sync<Change> | Loaded<Change>;
/** As the core sends it: the shell reads the contents from naming at the moment of sending. */
export type Outgoing = Notice | Sync<Outline> | Loaded<Head>;
