/** What the client programs do, in this order, and what the name of each promises. */
export const SCENARIOS = {
  unary: "one message in, one out; an empty one too",
  concurrent: "200 unary calls at once",
  "server-stream": "1,000 messages from the server, in order",
  "client-stream": "1,000 messages to the server",
  bidi: "500 messages to and fro, each after the answer to the one before",
  large: "4 MB in one message, both ways",
  deadline: "a call that is never answered ends at its deadline, and the server notices",
  cancel: "a stream is cancelled in its middle, and the server notices",
  metadata: "text and bytes, more than one value of a name, as initial and as trailing metadata",
  status: "a status with a message beyond ASCII, a percent sign and a line end",
  unimplemented: "a method and a service that nobody offers",
  "too-large": "a message over the server's limit: RESOURCE_EXHAUSTED, and the connection goes on",
  goaway: "the server says GOAWAY while a call runs: it goes on to its end, the next call takes another connection",
  keepalive: "pings of the client as fast as it allows, on a call that says nothing",
  tls: "the same over TLS, with an authority of its own",
  "gzip-refused": "a compressed message where compression is off: UNIMPLEMENTED",
  gzip: "a compressed message where it is on",
} as const;

export type ScenarioName = keyof typeof SCENARIOS;

export const SCENARIO_NAMES = Object.keys(SCENARIOS) as ScenarioName[];
