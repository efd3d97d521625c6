import type { Clock } from "../../clock.ts";
import type { Peers } from "../../raft/port.ts";
import type { RaftLogOptions } from "../../raft/raft-log.ts";
import type { LeadersResponsibility } from "../../responsibility.ts";
import type { Files } from "../../storage/files.ts";
import type { Holdings } from "../../storage/left-behind.ts";
import type { FolderLock } from "../../storage/lock.ts";
import type { StorageLogger } from "../../storage/logger.ts";
import type { StateMachine } from "../../storage/port.ts";
import type { OpenedIdentity } from "../identity.ts";
import type { WhyNot } from "./early-calls.ts";

export interface GroupLogSetup<C, R> {
  readonly clock: Clock;
  readonly log: StorageLogger & { error(details: object, text: string): void };
  readonly directory: string;
  /** Held until this log is closed. */
  readonly lock: FolderLock;
  readonly machine: StateMachine<C, R>;
  readonly identity: OpenedIdentity;
  readonly peers: Peers;
  readonly responsibility: Pick<LeadersResponsibility, "set">;
  /** What features hold now, for people. */
  readonly holds?: () => Holdings;
  /** This member is to run alone, so that it begins its group at once if there is none. */
  readonly isAlone: boolean;
  readonly files?: Files;
  readonly raft?: RaftLogOptions<C, R>["raft"];
}

/** What the cluster tells the log, and hears of it. */
export interface GroupOutside {
  /** Why no first entry of features may be made yet. */
  whyNotFirst(): WhyNot | undefined;
  /** Why this member takes no writes at all, although it is a group by itself. */
  whyApart(): string | undefined;
  /** Features change something, for the first time as far as this member knows: its cluster id stands from now on. */
  held(): void;
  /** Leader, configuration or the log itself changed. */
  changed(): void;
}

export const ALONE: GroupOutside = {
  whyNotFirst: () => undefined,
  whyApart: () => undefined,
  held: () => {},
  changed: () => {},
};
