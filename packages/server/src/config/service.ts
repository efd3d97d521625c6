import type {
  Capacity,
  CapacityScope,
  Changed,
  ConfigFields,
  ConfigState,
  Event,
  GrayTarget,
  GrayVersion,
  ImportPolicy,
  Labels,
  Namespace,
  Operator,
  PublishTerms,
  Version,
} from "@nacre/core/config";
import type { ConfigName } from "@nacre/protocol";
import type { Peers } from "../cluster/peer-calls.ts";
import type { ConfigStore } from "../storage/config-store.ts";

/**
 * Configuration as the handlers of every dialect see it. `Configs` (configs.ts) is the one implementation; handlers
 * take this interface, parse, ask and answer.
 */
export interface ConfigService {
  /** Read only. */
  readonly state: ConfigState;
  readonly store: ConfigStore;
  /** Single configurations, as new as what was acknowledged. @throws RegistryError `dataAccess` while the store lacks it. */
  readonly stored: Pick<ConfigStore, "config" | "gray">;

  /** What this caller gets: gray versions by its labels, or the one of an explicit tag and nothing else. */
  read(name: ConfigName, asking: Asking): Promise<Read>;

  /** Encrypts where the data id asks for it and no key came with the content, validates, then writes durably. */
  publish(publish: Publish): Promise<Published>;
  /** @returns whether there was something to remove; absent is a success. */
  remove(name: ConfigName, by: Operator, gray?: string, expectedMd5?: string): Promise<boolean>;
  /** In batches; unknown ids are left out. @returns what was removed. */
  removeByIds(ids: readonly number[], by: Operator): Promise<readonly ConfigName[]>;
  /** Makes the state before the history row true again: content, type, fields; or removes what an insert made. */
  rollback(nid: number, by: Operator, expectedMd5?: string): Promise<"published" | "removed">;
  /** All or nothing (G7). Used by imports and clones. @throws RegistryError naming the item and the rule. */
  importAll(
    items: AsyncIterable<ImportItem> | Iterable<ImportItem>,
    policy: ImportPolicy,
    by: Operator,
  ): Promise<Imported>;
  /** What a publish would reach at this member and at others, without writing: see `Reach`. */
  dryRun(publish: Publish, peers: Peers): Promise<Reach>;

  /** The content as a reader of v1 and v2 HTTP gets it, and as exports carry it: decrypted where this server has the key. */
  decrypted(name: ConfigName, content: string, encryptedDataKey: string): Promise<string>;

  namespaces(): readonly NamespaceInfo[];
  createNamespace(id: string | undefined, name: string, description: string): Promise<string>;
  updateNamespace(id: string, name: string, description: string): Promise<void>;
  /** @param force  removes its configurations and the durable state of its services first; else it must be empty. */
  deleteNamespace(id: string, by: Operator, force: boolean): Promise<void>;

  /** What counts for a namespace, or for a group in whatever namespace: as set, else the defaults of the options. */
  capacity(scope: CapacityScope): CapacityInfo;
  /** Absent limits stay as they are; 0 goes back to the default. */
  setCapacity(scope: CapacityScope, limits: CapacityLimits): Promise<void>;

  /** Feeds an event that is answered at once. @throws RegistryError when the core refuses it. */
  submit(event: Event): void;
  /** Registers interest; @returns what differs. */
  listen(event: Omit<Extract<Event, { type: "listen" }>, "type">): readonly Changed[];
  /** Parks a long poll. Resolves with what changed, or with nothing when its time is over. */
  poll(event: Omit<Extract<Event, { type: "poll" }>, "type" | "id">, gone: AbortSignal): Promise<readonly Changed[]>;
}

/** How a reader asks. */
export interface Asking {
  readonly labels: Labels;
  /** An explicit tag overrides everything else; blank or undefined is none. */
  readonly tag?: string;
  /** Over gRPC: the connection that is given this version, so that a notice it is owed is settled. */
  readonly clientId?: string;
  /** The client said that it asks because of a notice. */
  readonly afterNotice?: boolean;
}

export type Read =
  | {
      readonly found: true;
      readonly content: string;
      readonly version: Version | GrayVersion;
      readonly gray: GrayVersion | undefined;
    }
  /** `tagMissing`: the formal version exists, the gray one of the tag does not. */
  | { readonly found: false; readonly tagMissing: boolean };

export interface Publish {
  readonly name: ConfigName;
  readonly content: string;
  /** Given when the client encrypted the content; blank or absent otherwise. */
  readonly encryptedDataKey?: string;
  readonly fields: ConfigFields;
  readonly gray?: GrayTarget;
  readonly terms: PublishTerms;
  readonly by: Operator;
  /** Refuses a content that does not parse as its type (and against `fields.schema` for JSON and YAML), with line and column. */
  readonly validate?: boolean;
}

export interface Published {
  readonly id: number;
  readonly md5: string;
  readonly revision: number;
  readonly created: boolean;
}

export interface ImportItem {
  readonly name: ConfigName;
  readonly content: string;
  /** Of a content that its client encrypted, and that this server cannot read; blank or absent otherwise. */
  readonly encryptedDataKey?: string;
  readonly fields: ConfigFields;
}

export interface Imported {
  readonly succeeded: number;
  readonly failed: readonly ConfigName[];
  readonly skipped: readonly ConfigName[];
}

/** Who would be told of a change. */
export interface Reach {
  readonly valid: boolean;
  /** One sentence with line and column when it is not. */
  readonly problem: string | undefined;
  /** Whether the content differs from what is stored. */
  readonly changes: boolean;
  /** Listeners over gRPC and held polls whose version would change, at all members that answered. */
  readonly listeners: number;
  /** By the version text of the client, such as `Nacos-Java-Client:v2.5.1`; what is beyond 100 of them as `others`. */
  readonly byVersion: Readonly<Record<string, number>>;
  /** Addresses of the members that did not say who listens there. */
  readonly unanswered: readonly string[];
}

export interface NamespaceInfo extends Namespace {
  readonly configCount: number;
  /** The limit of configurations that is shown: as set, or the default. */
  readonly quota: number;
  /** 0 for `public`, 1 for the others. */
  readonly kind: 0 | 1;
}

export type CapacityLimits = Partial<Pick<Capacity, "quota" | "maxBytes" | "maxAggrCount" | "maxAggrSize">>;

export interface CapacityInfo extends Capacity {
  /** Configurations that count against the quota. */
  readonly usage: number;
}
