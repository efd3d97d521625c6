/** What the client programs do, and what the name of each promises. */
export const SCENARIOS = {
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

export type ScenarioName = keyof typeof SCENARIOS;
