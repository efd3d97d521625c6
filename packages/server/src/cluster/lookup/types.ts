import type { LookupFacts } from "@nacre/core/diagnosis";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../connections/connections.ts";

export type LookupType = "file" | "address-server";

export interface AddressServer {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** How often it is asked at the start, a second apart, before this member goes on without an answer. */
  readonly tries: number;
}

export interface LookupSetup {
  readonly clock: Clock;
  readonly log: Log;
  /** `auto` decides once, by what is there at the start. */
  readonly type: LookupType | "auto";
  readonly file: string;
  /** Used while there is no file. */
  readonly memberList: readonly string[];
  readonly addressServer: AddressServer | undefined;
  /** Folder in which the last list of the address server is kept for the next start; undefined keeps none. */
  readonly directory: string | undefined;
}

export interface LookupHandlers {
  /**
   * The list as it reads now, undefined when there is none: the `listRead` of `core/membership`. Told once soon after the
   * start, whatever happens, and then when text or source have changed. A list that cannot be read any more is not told.
   */
  readonly listRead: (text: string | undefined, source: string) => void;
}

export interface Lookup {
  /** `error` is set while the list cannot be read; a file that is not there is no error. */
  facts(): LookupFacts;
  /**
   * Takes the list from elsewhere from now on, until the next start. What was read before counts until then.
   *
   * @throws RegistryError `invalidParameter` for another word than those of `LookupType`; `illegalState` when no address
   * server is configured.
   */
  switchTo(type: string): void;
  close(): Promise<void>;
}

/** One place that a list comes from. */
export interface Source {
  facts(): LookupFacts;
  /** Nothing is told from here on. Resolves when nothing is under way any more. */
  close(): Promise<void>;
}

export interface SourceHandlers {
  /** A reading that worked, or came from what was kept. */
  readonly read: (text: string | undefined, source: string) => void;
  /** Nothing could be read, and whoever waits for a first list is to go on without one. */
  readonly gaveUp: (source: string) => void;
}
