import type { TextMap } from "@nacre/protocol";
import type { Millis } from "../lib/units.ts";
import type { Connection, ConnectionId, RequestId } from "./state.ts";

/** Another member that a client is sent to. `port` is the main port, from which the SDK derives the others. */
export interface Redirect {
  readonly ip: string;
  readonly port: number;
}

export type Event =
  | {
      type: "opened";
      id: ConnectionId;
      remoteIp: string;
      remotePort: number;
      localPort: number;
    }
  /** `ConnectionSetupRequest` arrived on the stream. A second one counts as activity and changes nothing. */
  | {
      type: "setup";
      id: ConnectionId;
      clientIp: string;
      clientVersion: string;
      tenant: string;
      labels: TextMap;
      abilities: Readonly<Record<string, boolean>> | undefined;
      /** Known by now: the transport looks at the first bytes after it has accepted the connection. */
      tls: boolean;
    }
  /** A stream message, or a unary call that counts. */
  | { type: "activity"; id: ConnectionId }
  /** A response on the stream; activity as well. */
  | {
      type: "ack";
      id: ConnectionId;
      requestId: RequestId | undefined;
      /** `metadata.type` of the response. */
      response: string;
      resultCode: number;
      errorCode: number;
      message: string;
    }
  /** A feature is about to send a push. The `send` effect names those who get it. */
  | { type: "push"; requestId: RequestId; expects: string; to: readonly ConnectionId[]; timeoutMs: Millis }
  /** The send queue went over its limit, or came down again. */
  | { type: "blocked"; id: ConnectionId }
  | { type: "drained"; id: ConnectionId }
  /** The stream or the TCP connection ended. */
  | { type: "closed"; id: ConnectionId; cause: string }
  /** Tell one connection to go elsewhere. */
  | { type: "reset"; id: ConnectionId; redirect: Redirect | undefined }
  /**
   * Tell SDK connections to go elsewhere until `keep` remain, but at most `share` of them (0 to 1), and none that came
   * less than `settledMs` ago: who was told and came back knows no other member.
   */
  | { type: "reload"; keep: number; share: number; redirect: Redirect | undefined; settledMs?: Millis }
  /** The member stops: refuse what is new, tell a tenth per second to leave, close what is left at `now + withinMs`. */
  | { type: "drain"; withinMs: Millis }
  | { type: "tick" };

/**
 * How a push ended at one connection: acknowledged; acknowledged with a failure; not acknowledged in time; the
 * connection is gone; not sent, because the connection reads too slowly or owes too many acknowledgements.
 */
export type PushOutcome = "acked" | "refused" | "timeout" | "gone" | "busy";

/** What the shell is to do, in this order. */
export type Effect =
  /** Close the TCP connection before anything else of it. It is not in the table, and no `unregistered` follows. */
  | { type: "refuse"; id: ConnectionId; reason: string }
  | { type: "registered"; connection: Connection }
  /** Follows `registered` when the client announced ability negotiation, and never otherwise. */
  | { type: "setupAck"; id: ConnectionId }
  | { type: "unregistered"; connection: Connection; cause: string }
  /** Complete the stream and close the TCP connection. The connection is not in the table any more. */
  | { type: "close"; id: ConnectionId; reason: string }
  /** Send the push that is at hand. */
  | { type: "send"; requestId: RequestId; to: readonly ConnectionId[] }
  | { type: "probe"; requestId: RequestId; to: readonly ConnectionId[] }
  | { type: "redirect"; requestId: RequestId; id: ConnectionId; to: Redirect | undefined }
  | {
      type: "pushSettled";
      connectionId: ConnectionId;
      requestId: RequestId;
      outcome: PushOutcome;
      /** Of a refusal. */
      errorCode?: number;
      message?: string;
    };
