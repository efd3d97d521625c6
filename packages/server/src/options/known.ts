/** Keys of Nacos and its images that a configuration may hold and that do nothing here, each with the reason. */

export interface KnownKey {
  /** Property name or environment variable; `*` at its end stands for any rest. */
  readonly key: string;
  /** Completes "... has no effect: ". */
  readonly why: string;
  /** True where whoever set the key relies on something that is missing: it is then a warning. */
  readonly relied?: (value: string) => boolean;
}

const isTrue = (value: string): boolean => value.trim().toLowerCase() === "true";
const AUTH = "logins come in a later release, and until then every request is allowed";
const NO_AGGREGATION = "configurations are not aggregated";
const MEMBERS = "members are judged by probes each second; see nacre.cluster.down";
const DISTRO = "what is not acknowledged is sent again after 200 ms to 5 s, until it is or the member is gone";
const PEER_GRPC = "members speak a protocol of their own, whose limits need no setting; see nacos.remote.peer.rpc.tls";
const CONSOLE = "the console comes in a later release";
const AI = "the AI registry is not part of this release";
const ON_TIME = "nothing is searched at intervals; whatever has to go is looked at when its time comes";
const STORE = "Nacre keeps its data in its own folder (nacre.data.dir) and needs no database";
const JVM = "Nacre does not run on a Java machine";
const SPRING = "it configures the Java framework of Nacos";
const LOGS = "Nacre logs one stream; see nacre.log.level and nacre.log.format";
const PLAIN_KEY = "encrypted keys are not read; store the key decrypted";
const LEGACY_TLS = "TLS takes a PEM certificate and key, and Node chooses protocols and ciphers";

export const KNOWN_KEYS: readonly KnownKey[] = [
  { key: "nacos.core.auth.enabled", why: AUTH, relied: isTrue },
  { key: "nacos.core.auth.*", why: AUTH },
  { key: "nacos.security.ignore.urls", why: AUTH },
  { key: "spring.security.enabled", why: AUTH },
  { key: "NACOS_AUTH_ENABLE", why: AUTH, relied: isTrue },
  { key: "NACOS_AUTH_*", why: AUTH },
  { key: "NACOS_SECURITY_IGNORE_URLS", why: AUTH },
  { key: "nacos.config.namespace.compatible.mode", why: "blank and public are one namespace here" },
  { key: "nacos.config.gray.compatible.model", why: "there are no tables of older releases to keep in step" },
  { key: "nacos.config.push.batchSize", why: "a fuzzy watch is sent 20 configurations at a time, as SDKs expect" },
  { key: "nacos.config.search.*", why: "searches share one thread, and 32 may wait" },
  { key: "nacos.config.cache.type", why: "see nacre.config.contentCache.bytes" },
  { key: "nacos.config.*", why: "it is about dumps, databases or the Java client, which Nacre does not have" },
  { key: "defaultMaxAggrCount", why: NO_AGGREGATION },
  { key: "defaultMaxAggrSize", why: NO_AGGREGATION },
  { key: "initialExpansionPercent", why: "a quota does not grow by itself" },
  { key: "correctUsageDelay", why: "usage is counted exactly at all times" },
  { key: "nacos.lock.*", why: "distributed locks come in a later release" },
  { key: "nacos.core.ability.lock", why: "locks come in a later release, and SDKs are told so" },
  { key: "nacos.core.ability.*", why: AI },
  { key: "nacos.ai.*", why: AI },
  { key: "nacos.mcp.*", why: AI },
  { key: "nacos.core.protocol.raft.*", why: "Nacre has no JRaft and none of its timers" },
  { key: "nacos.core.protocol.distro.data.load.retryDelayMs", why: "all members are asked every half second" },
  { key: "nacos.core.protocol.distro.data.verify.timeoutMs", why: "members compare again every two seconds anyway" },
  { key: "nacos.core.protocol.distro.*", why: DISTRO },
  { key: "nacos.naming.distro.*", why: DISTRO },
  { key: "nacos.naming.data.warmup", why: "Nacre always loads its data before it says it is ready" },
  { key: "nacos.naming.empty-service.*", why: "it has none in Nacos either; see nacos.naming.clean.empty-service.*" },
  { key: "nacos.naming.clean.empty-service.interval", why: ON_TIME },
  { key: "nacos.naming.clean.expired-metadata.interval", why: ON_TIME },
  {
    key: "nacos.remote.server.grpc.sdk.permit-keep-alive-time",
    why: "Nacre never closes a connection because its client pings often",
  },
  { key: "nacos.core.member.meta.*", why: "members have no site and no weight: each owns an equal share" },
  { key: "nacos.core.member.*", why: MEMBERS },
  { key: "nacos.member-change-event.*", why: "changes of members wait in no queue" },
  { key: "nacos.remote.peer.rpc.tls.certPrivateKeyPassword", why: PLAIN_KEY },
  {
    key: "nacos.remote.peer.rpc.tls.trustAll",
    why: "members' certificates are always checked, against trustCollectionCertFile",
  },
  { key: "nacos.remote.peer.rpc.tls.*", why: LEGACY_TLS },
  { key: "nacos.remote.server.grpc.cluster.*", why: PEER_GRPC },
  {
    key: "nacos.remote.server.rpc.tls.certPrivateKeyPassword",
    why: PLAIN_KEY,
  },
  {
    key: "nacos.remote.server.rpc.tls.trustAll",
    why: "with mutualAuthEnable client certificates are always checked, against trustCollectionCertFile",
  },
  { key: "nacos.remote.server.rpc.tls.*", why: LEGACY_TLS },
  { key: "nacos.server.grpc.port.offset", why: "SDKs read it, servers do not; see nacre.grpc.port" },
  { key: "nacos.console.*", why: CONSOLE },
  { key: "NACOS_CONSOLE_*", why: CONSOLE },
  { key: "nacos.deployment.type", why: CONSOLE },
  { key: "nacos.functionMode", why: "naming and configuration are always served together" },
  { key: "FUNCTION_MODE", why: "naming and configuration are always served together" },
  { key: "nacos.cmdb.*", why: "labels come from the file named by nacre.cmdb.labels.file" },
  { key: "nacos.istio.*", why: "there is no Istio bridge" },
  { key: "nacos.k8s.*", why: "there is no Kubernetes bridge" },
  { key: "nacos.plugin.*", why: "plug-ins of Nacos are Java code" },
  { key: "nacos.core.config.plugin.*", why: "plug-ins of Nacos are Java code" },
  { key: "nacos.core.monitor.*", why: "the lists of most changed entries are not part of this release" },
  { key: "nacos.core.snowflake.*", why: "Nacre makes its ids without a worker number" },
  { key: "nacos.core.sys.*", why: JVM },
  { key: "nacos.home", why: "see nacre.data.dir" },
  { key: "nacos.env.first", why: "flags come first, then the environment, then the file" },
  {
    key: "nacos.watch-file.*",
    why: "options are read once, at start; files that are followed, such as cluster.conf, need no setting",
  },
  { key: "nacos.logs.*", why: LOGS },
  { key: "nacos.logging.*", why: LOGS },
  { key: "logging.*", why: LOGS },
  { key: "spring.datasource.*", why: STORE },
  { key: "spring.sql.init.platform", why: STORE },
  { key: "db.*", why: STORE },
  { key: "SPRING_DATASOURCE_PLATFORM", why: STORE },
  { key: "MYSQL_*", why: STORE },
  { key: "DB_POOL_*", why: STORE },
  { key: "embeddedStorage", why: STORE },
  { key: "EMBEDDED_STORAGE", why: STORE },
  { key: "management.*", why: "of the actuator only health and prometheus exist" },
  { key: "server.tomcat.*", why: SPRING },
  { key: "server.error.*", why: SPRING },
  { key: "server.*", why: SPRING },
  { key: "spring.*", why: SPRING },
  { key: "security.*", why: SPRING },
  { key: "JVM_*", why: JVM },
  { key: "JAVA_OPT*", why: JVM },
  { key: "NACOS_DEBUG", why: JVM },
  { key: "TOMCAT_ACCESSLOG_ENABLED", why: SPRING },
];

/** The entry for a key, more particular entries first. Names compare as properties do, see `sameName`. */
export function knownKey(key: string): KnownKey | undefined {
  const wanted = canonical(key);
  return KNOWN_KEYS.find((known) =>
    known.key.endsWith("*") ? wanted.startsWith(canonical(known.key.slice(0, -1))) : wanted === canonical(known.key),
  );
}

/** The form in which two spellings of a property are one name: `context-path`, `contextPath` and `context_path`. */
export function canonical(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, "");
}

/** The environment variables that stand for a property: `a.b-c` is A_BC, as in Spring, or A_B_C. */
export function environmentNames(name: string): string[] {
  const upper = name.toUpperCase().replaceAll(".", "_");
  return [...new Set([upper.replaceAll("-", ""), upper.replaceAll("-", "_")])];
}
