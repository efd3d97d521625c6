/** What the commands ask of a server, whatever dialect it speaks. Namespaces are never blank: the default is `public`. */
export interface Remote {
  readonly dialect: Dialect;
  readonly base: string;

  namespaces(): Promise<NamespaceRow[]>;
  createNamespace(namespace: NewNamespace): Promise<void>;
  updateNamespace(namespace: NewNamespace): Promise<void>;
  removeNamespace(id: string, force: boolean): Promise<void>;

  configs(query: ConfigQuery, page: PageOf): Promise<Page<ConfigRow>>;
  config(name: ConfigName): Promise<ConfigDetail | undefined>;
  /** The gray version by ip; undefined when there is none, or when the server has none. */
  beta(name: ConfigName): Promise<BetaDetail | undefined>;
  /** All gray versions that the server tells of. */
  grays(name: ConfigName): Promise<Grays>;
  /** What clients are given, which is never decrypted; undefined where the server has no such call. */
  stored(name: ConfigName): Promise<{ readonly content: string; readonly encryptedDataKey: string } | undefined>;
  publish(publish: Publish): Promise<void>;
  remove(name: ConfigName, tag?: string): Promise<void>;
  removeBeta(name: ConfigName): Promise<void>;
  history(name: ConfigName, page: PageOf): Promise<Page<HistoryRow>>;
  historyRow(name: ConfigName, nid: string): Promise<HistoryDetail | undefined>;
  /** The bytes of a zip. */
  exported(query: ConfigQuery): Promise<AsyncIterable<Uint8Array>>;
  imported(namespace: string, policy: Policy, file: Blob): Promise<ImportResult>;

  services(query: ServiceQuery, page: PageOf): Promise<Page<ServiceRow>>;
  service(name: ServiceName): Promise<unknown>;
  instances(name: ServiceName): Promise<InstanceRow[]>;
  register(instance: InstanceEdit): Promise<void>;
  deregister(instance: InstanceEdit): Promise<void>;
  update(instance: InstanceEdit): Promise<void>;
}

/** `v3`: the admin API of Nacre and Nacos 3. `v1`: Nacos 1 and 2, r-nacos. */
export type Dialect = "v3" | "v1";
export type Policy = "abort" | "skip" | "overwrite";

export interface PageOf {
  readonly page: number;
  readonly size: number;
}

export interface Page<T> {
  readonly total: number;
  readonly page: number;
  readonly pages: number;
  readonly items: readonly T[];
}

export interface NewNamespace {
  readonly id: string;
  readonly name: string;
  readonly description: string;
}

export interface NamespaceRow extends NewNamespace {
  readonly configCount: number;
  readonly quota: number;
}

export interface ConfigName {
  readonly namespace: string;
  readonly group: string;
  readonly dataId: string;
}

/** Absent fields match everything; `*` stands for any characters. */
export interface ConfigQuery {
  readonly namespace: string;
  readonly group?: string | undefined;
  readonly dataId?: string | undefined;
  readonly content?: string | undefined;
  readonly tags?: string | undefined;
  readonly type?: string | undefined;
  readonly app?: string | undefined;
}

export interface ConfigRow extends ConfigName {
  readonly md5: string;
  readonly type: string;
  readonly app: string;
  /** Epoch milliseconds; undefined where the list does not say. */
  readonly modifiedAt: number | undefined;
  /** Undefined where the list does not say; Nacre's does. */
  readonly grayCount: number | undefined;
}

export interface ConfigDetail extends ConfigRow {
  readonly content: string;
  readonly encryptedDataKey: string;
  readonly description: string;
  /** Separated by commas. */
  readonly tags: string;
  readonly use: string | undefined;
  readonly effect: string | undefined;
  readonly schema: string | undefined;
  /** Who wrote it last: blank for nobody, undefined where the server does not say. */
  readonly user: string | undefined;
  /** False when the server told no description, tags and application. */
  readonly complete: boolean;
}

export interface BetaDetail {
  readonly ips: string;
  readonly user: string | undefined;
  readonly content: string;
  readonly md5: string;
  readonly type: string;
  readonly app: string;
  readonly encryptedDataKey: string;
}

export interface Grays {
  /** False for a server whose API tells of the version by ip alone. */
  readonly all: boolean;
  readonly versions: readonly GrayDetail[];
}

export interface GrayDetail extends Omit<BetaDetail, "ips"> {
  readonly name: string;
  readonly rule: GrayRule;
}

/** For whom a gray version is, and how early it is tried. */
export interface GrayRule {
  /** `beta`, `tag`, and on Nacre `percentage` and `label`. */
  readonly type: string;
  readonly expr: string;
  readonly priority: number;
}

export interface Publish extends ConfigName {
  readonly content: string;
  readonly type?: string | undefined;
  readonly app?: string | undefined;
  readonly tags?: string | undefined;
  readonly description?: string | undefined;
  readonly use?: string | undefined;
  readonly effect?: string | undefined;
  readonly schema?: string | undefined;
  readonly encryptedDataKey?: string | undefined;
  readonly user?: string | undefined;
  /** Only when the stored content has this MD5. */
  readonly ifMd5?: string | undefined;
  /** Only when nothing is stored. Nacre alone: others write all the same. */
  readonly insertOnly?: boolean | undefined;
  readonly betaIps?: string | undefined;
  readonly tag?: string | undefined;
  /** A gray version of any rule. Nacre alone. */
  readonly gray?: { readonly name: string; readonly rule: GrayRule } | undefined;
  /** Nacre alone. */
  readonly validate?: boolean | undefined;
}

export interface HistoryRow extends ConfigName {
  readonly nid: string;
  /** `I`, `U` or `D`. */
  readonly op: string;
  readonly kind: string;
  readonly user: string;
  readonly ip: string;
  /** Epoch milliseconds, of the change. */
  readonly at: number | undefined;
}

export interface HistoryDetail extends HistoryRow {
  readonly content: string;
  readonly md5: string;
  readonly app: string;
  readonly encryptedDataKey: string;
  /** Blank for the formal version. */
  readonly gray: string;
}

export interface ImportResult {
  readonly succeeded: number;
  readonly skipped: readonly { readonly group: string; readonly dataId: string }[];
  readonly failed: readonly { readonly group: string; readonly dataId: string }[];
}

export interface ServiceName {
  readonly namespace: string;
  readonly group: string;
  readonly service: string;
}

export interface ServiceQuery {
  readonly namespace: string;
  readonly group?: string | undefined;
  /** A part of the name. */
  readonly service?: string | undefined;
}

export interface ServiceRow {
  readonly name: string;
  readonly group: string;
  readonly clusters: number;
  readonly instances: number;
  readonly healthy: number;
}

export interface InstanceRow {
  readonly ip: string;
  readonly port: number;
  readonly cluster: string;
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly ephemeral: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  /** `unconfirmed` or `unhealthy` while its member does not vouch for it, and which member that is (Nacre). */
  readonly shown?: string;
  readonly owner?: string;
}

export interface InstanceEdit extends ServiceName {
  readonly ip: string;
  readonly port: number;
  readonly cluster?: string | undefined;
  readonly weight?: number | undefined;
  readonly enabled?: boolean | undefined;
  readonly ephemeral?: boolean | undefined;
  /** JSON or `k=v,k=v`. */
  readonly metadata?: string | undefined;
}
