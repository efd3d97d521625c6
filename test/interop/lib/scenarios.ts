/** What the client programs do, and what the name of each promises. */
export const NAMING_SCENARIOS = {
  register: "register, seen over HTTP and by another client",
  deregister: "deregister",
  batch: "register many at once, replaced by a smaller batch",
  subscribe: "a subscription hears of an instance added, changed and removed",
  select: "healthy instances only, picked by weight",
  metadata: "metadata round trip: Chinese, emoji, quotes, 10 kB",
  "metadata-refused": "1.1 kB of metadata refused at the default limit, with the limit named",
  persistent: "an instance that outlives its publisher",
  groups: "one service name in two groups",
  namespaces: "one service name in two namespaces",
  clusters: "the instances of one cluster",
  services: "the list of services, by page",
  thousand: "1,000 instances of one service, listed and pushed",
  "fuzzy-watch": "a watch on a pattern of service names",
  restart: "instances and subscriptions come back after the server was killed and started again",
} as const;

export const CONFIG_SCENARIOS = {
  "config-publish": "publish and get, seen over HTTP and by another client",
  "config-cas": "a publish that names the md5 it replaces: taken when it is right, refused when it is wrong",
  "config-listen": "a listener hears of a configuration added, changed, removed and added again",
  "config-contents":
    "Chinese, emoji, CRLF, what looks empty and what looks binary: the same text and md5 in both directions",
  "config-large": "the largest content that the client takes, in both directions",
  "config-many": "3,000 listened configurations in one client, each changed once and heard of",
  "config-beta": "a beta version for the address of this client, and one for another address",
  "config-tag": "a tag version for a client with the tag, and none of it for one without",
  "config-tenants": "one name in the default namespace, written as blank and as public, and in another",
  "config-remove": "remove",
  "config-type": "the type stays when a content is published again without one",
  "config-history": "what the client wrote stands in the history with the address of this machine",
  "config-fuzzy-watch": "a watch on a pattern of names of configurations",
  "config-restart": "a change made right after the server was killed and started again is heard of, and so is the next",
} as const;

export const SCENARIOS = { ...NAMING_SCENARIOS, ...CONFIG_SCENARIOS } as const;

export type ScenarioName = keyof typeof SCENARIOS;

export type Half = "naming" | "configuration";

/** The scenarios of one half, which run in a program and against a server of their own. */
export function scenariosOf(half: Half): readonly ScenarioName[] {
  return Object.keys(half === "naming" ? NAMING_SCENARIOS : CONFIG_SCENARIOS) as ScenarioName[];
}
