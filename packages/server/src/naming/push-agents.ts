/** Lowest version of each client family that understands UDP pushes; operators change them through the switches. */
export interface PushVersions {
  readonly java: string;
  readonly go: string;
  readonly python: string;
  readonly c: string;
  readonly csharp: string;
}

export const DEFAULT_PUSH_VERSIONS: PushVersions = {
  java: "0.1.0",
  go: "0.1.0",
  python: "0.4.3",
  c: "1.0.12",
  csharp: "0.9.0",
};

/** What each client calls itself. The DNS proxy shares the switch of the Python client; Node calls itself Java. */
const FAMILIES: readonly (readonly [agent: string, family: keyof PushVersions])[] = [
  ["nacos-java-client", "java"],
  ["nacos-sdk-java", "java"],
  ["nacos-go-client", "go"],
  ["nacos-dns", "python"],
  ["nacos-python-client", "python"],
  ["vipsrvhttp", "c"],
  ["nacos-c-client", "c"],
  ["vip-client4cpp", "c"],
  ["nacos-csharp-client", "csharp"],
];

/**
 * Whether an HTTP client can be told of changes over UDP, by its `User-Agent` (`<name>:v<version>`) or, when it sends
 * none, its `Client-Version` in the same form. Unknown clients and clients without a version cannot: they only poll.
 */
export function pushCapable(agent: string | undefined, versions: PushVersions = DEFAULT_PUSH_VERSIONS): boolean {
  const text = agent?.trim().toLowerCase() ?? "";
  const family = FAMILIES.find(([name]) => text.startsWith(name))?.[1];
  const version = /[:/]v?(\d+(?:\.\d+){0,3})/.exec(text)?.[1];
  return family !== undefined && version !== undefined && compareVersions(version, versions[family]) >= 0;
}

/** Compares dotted numbers part by part; missing parts are zero. Negative, zero or positive like a sort function. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split("."), b.split(".")];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = Number(left[at] ?? 0) - Number(right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
