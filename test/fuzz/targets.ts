import assert from "node:assert/strict";
import { parseChecker, parseHeaders } from "@nacre/core/health";
import { changeOfSwitch, DEFAULT_SWITCHES, parseSelector, select, selectorBody } from "@nacre/core/naming";
import {
  acknowledgement,
  clustersBroken,
  connectionMessages,
  connectionSetup,
  decodePayload,
  encodePayload,
  encodeUtf8,
  metadataBroken,
  namingMessages,
  type Payload,
  parseJsonObject,
  portBroken,
  RegistryError,
  type RuleName,
  ruleBroken,
  serviceNameOf,
} from "@nacre/protocol";
import fc from "fast-check";
import { matches, parsePattern } from "../../packages/core/src/fuzzy/pattern.ts";
import { readLabels } from "../../packages/server/src/naming/cmdb-labels.ts";
import { readAck } from "../../packages/server/src/naming/udp.ts";
import { OptionError } from "../../packages/server/src/options/option.ts";
import { fillPlaceholders, parseProperties } from "../../packages/server/src/options/properties.ts";
import { readValue } from "../../packages/server/src/options/value.ts";
import { ROWS } from "../../packages/server/src/options.ts";
import {
  decodeRecord,
  decodeSegmentHeader,
  encodeBatch,
  encodeSegmentHeader,
  type LogRecord,
  scanSegment,
} from "../../packages/server/src/storage/records.ts";
import { jsonOf } from "../../packages/server/src/transport/http/call.ts";
import { parseMetadata } from "../../packages/server/src/transport/http/metadata.ts";
import { Params } from "../../packages/server/src/transport/http/params.ts";
import { pairsOf } from "../../packages/server/src/transport/http/params-text.ts";
import { VALID } from "../hostile/lib/requests.ts";
import { members } from "./cluster.ts";
import { grpcMachine } from "./grpc/target.ts";
import { anyJson, anyText, HOSTILE_NAMES, mutated, mutatedBytes, mutatedText } from "./inputs.ts";
import { type FuzzTarget, orRefused, target } from "./target.ts";

const readable = <T>(run: () => T): T | undefined => orRefused(RegistryError, run);
const wellFormed = fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => text.isWellFormed());

// --- gRPC

const payloads: fc.Arbitrary<Payload> = fc.record({
  type: wellFormed,
  clientIp: wellFormed,
  headers: fc.array(fc.tuple(wellFormed, wellFormed), { maxLength: 4 }).map((entries) => new Map(entries)),
  body: fc.uint8Array({ maxLength: 64 }),
});

const codec = [
  target("payload: what is written is read back", payloads, (payload) => {
    const { type, clientIp, headers, body } = decodePayload(encodePayload(payload));
    assert.deepEqual([type, clientIp, [...headers]], [payload.type, payload.clientIp, [...payload.headers]]);
    assert.ok(Buffer.from(body).equals(payload.body));
  }),
  target(
    "payload: any bytes",
    mutatedBytes(payloads.map(encodePayload)),
    (bytes) => {
      const payload = readable(() => decodePayload(bytes));
      if (payload === undefined) return;
      assert.ok(payload.type.isWellFormed() && payload.body.length <= bytes.length);
      const again = decodePayload(encodePayload(payload));
      assert.deepEqual(
        [again.type, again.clientIp, [...again.headers]],
        [payload.type, payload.clientIp, [...payload.headers]],
      );
    },
    3,
  ),
];

const FIELDS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  ...VALID,
  ServerReloadRequest: { reloadCount: 1, reloadServer: "a" },
  ConnectionSetupRequest: {
    clientVersion: "Nacos-Go-Client:v2.3.5",
    tenant: "",
    labels: { source: "sdk", module: "naming" },
    abilityTable: { fuzzyWatch: true },
  },
  NotifySubscriberResponse: { requestId: "1", resultCode: 200, errorCode: 0, message: "" },
};
const DECLARED = {
  ...namingMessages,
  ...connectionMessages,
  ConnectionSetupRequest: connectionSetup,
  NotifySubscriberResponse: acknowledgement,
};

const messages = Object.entries(DECLARED).map(([type, { body }]) => {
  const valid = FIELDS[type] ?? { requestId: "1" };
  return target(`message ${type}`, fc.oneof({ weight: 4, arbitrary: mutated(valid) }, anyJson), (given) => {
    // As it arrives: what cannot be written as JSON cannot come.
    const bytes = encodeUtf8(JSON.stringify(given) ?? "");
    const read = readable(() => body.read(parseJsonObject(bytes, type), ""));
    if (read === undefined) return;
    assert.deepEqual(body.read(JSON.parse(JSON.stringify(read)), ""), read, "what was read reads as itself");
  });
});

const failures = Object.entries(DECLARED).flatMap(([type, { onFailure }]) =>
  onFailure === undefined
    ? []
    : [
        target(`failure of ${type}`, fc.oneof(mutated(FIELDS[type] ?? {}), anyJson), (given) => {
          assert.ok(JSON.stringify(onFailure(given)).startsWith("{"));
        }),
      ],
);

// --- JSON and HTTP

const json = [
  target(
    "JSON bodies: any bytes",
    mutatedBytes(anyJson.map((value) => encodeUtf8(JSON.stringify(value) ?? ""))),
    (bytes) => {
      const object = readable(() => parseJsonObject(bytes, "body"));
      assert.ok(object === undefined || (typeof object === "object" && !Array.isArray(object)));
      readable(() => jsonOf(bytes));
    },
  ),
];

const FORMS = [
  "serviceName=a&ip=10.1.1.1&port=8080&weight=1.0&enabled=true&metadata=%7B%22a%22%3A%22b%22%7D",
  'serviceName=g%40%40a&beat={"ip":"10.1.1.1","port":8080,"metadata":{"a":"b"}}&namespaceId=public',
  "a=1&a=2&&=&b&c=+%E9%85%8D",
];
const latin1 = (text: string): string => Buffer.from(text).toString("latin1");

const http = [
  target("parameters: pairs are read back", fc.array(fc.tuple(wellFormed, wellFormed), { maxLength: 8 }), (pairs) => {
    const kept = pairs.filter(([name, value]) => `${name}${value}` !== "");
    assert.deepEqual(pairsOf(new URLSearchParams(kept).toString()), kept);
  }),
  target(
    "parameters: any query and form, through every reader",
    fc.tuple(
      mutatedText(...FORMS).map(latin1),
      mutatedText(...FORMS).map(latin1),
      fc.constantFrom("v1", "v2", "v3", "plain"),
    ),
    ([query, form, family]) => {
      const params = readable(() => Params.read(query, form, family));
      if (params === undefined) return;
      for (const name of [...params.names.slice(0, 20), "port", "metadata", "__proto__", "constructor"]) {
        const value = params.optional(name);
        assert.ok(value === undefined || value.isWellFormed());
        readable(() => params.required(name));
        readable(() => params.bound(name));
        readable(() => params.flag(name, true));
        readable(() => params.boolean(name, true));
        const integer: number | undefined = readable(() => params.integer(name, 0));
        assert.ok(integer === undefined || Number.isSafeInteger(integer));
        const double: number | undefined = readable(() => params.double(name, 0));
        assert.ok(double === undefined || Number.isFinite(double));
        params.list(name);
      }
      readable(() => params.metadata());
    },
    3,
  ),
  target(
    "metadata text",
    mutatedText(
      '{"a":"b","c":1,"d":true}',
      "a=b, c = d",
      ...HOSTILE_NAMES.map((name) => `{"${name}":"x"}`),
      "__proto__=x",
    ),
    (text) => {
      const read = readable(() => parseMetadata("metadata", text));
      if (read === undefined) return;
      for (const [key, value] of Object.entries(read)) assert.ok(typeof value === "string" && Object.hasOwn(read, key));
      assert.equal(Object.getPrototypeOf(read), Object.prototype);
    },
  ),
];

// --- What operators and consumers write

const SELECTORS = [
  '{"type":"none"}',
  '{"type":"label","expression":"CONSUMER.label.zone = PROVIDER.label.zone & CONSUMER.label.a=PROVIDER.label.a"}',
  '{"type":"label","expression":null}',
  '{"type":{"a":1}}',
];
const HOSTS = ["10.1.1.1", "10.1.1.2"].map((ip) => ({ ip }));

const domain = [
  target("selector text", mutatedText(...SELECTORS), checkSelector),
  target("selector object", fc.oneof(mutated({ type: "label", expression: "" }), anyJson), checkSelector),
  target(
    "fuzzy pattern",
    fc.tuple(mutatedText("public>>DEFAULT_GROUP>>orders*", ">>*>>*", "a>>*b*>>.*", "public>>a*b>>*"), anyText, anyText),
    ([text, group, name]) => {
      const pattern = readable(() => parsePattern(text));
      if (pattern === undefined) return;
      assert.equal(pattern.text, text);
      matches(pattern, { namespace: pattern.namespace, group, name });
      const every = parsePattern("public>>*>>*");
      assert.ok(matches(every, { namespace: "public", group, name }));
    },
  ),
  target(
    "health checker",
    fc.oneof(
      mutatedText('{"type":"TCP"}', '{"type":"HTTP","path":"/a","headers":"a:b|c:d","expectedResponseCode":200}'),
      mutated({ type: "HTTP", path: "/", headers: "a:b", expectedResponseCode: 200 }),
      mutated({ type: "MYSQL", user: "a", pwd: "secret", cmd: "select 1" }),
      anyJson,
    ),
    (given) => {
      const read = readable(() => parseChecker(given));
      if (read === undefined) return;
      assert.deepEqual(parseChecker(JSON.stringify(read)), read);
      if (read.type === "HTTP") parseHeaders(read.headers);
    },
  ),
  target(
    "switches",
    fc.tuple(
      fc.oneof(fc.constantFrom(...ENTRIES(), ...HOSTILE_NAMES), anyText),
      mutatedText(
        "true",
        "10000",
        "0.7",
        '{"min":500,"max":5000,"factor":0.8}',
        "/v1/ns:503,/a:404",
        "java:1.0.0",
        "UP",
      ),
    ),
    ([entry, value]) => {
      const changed = changeOfSwitch(entry, value);
      if (typeof changed === "string") return;
      assert.ok(
        Object.keys(changed).length === 1 && Object.keys(changed).every((key) => Object.hasOwn(DEFAULT_SWITCHES, key)),
      );
      assert.deepEqual(JSON.parse(JSON.stringify(changed)), changed, "it can be stored");
    },
  ),
  target("rules", fc.tuple(fc.constantFrom(...RULES()), anyText, fc.double()), ([rule, text, number]) => {
    for (const broken of [
      ruleBroken(rule, text),
      clustersBroken(text),
      portBroken(number),
      metadataBroken({ [text]: text }, 8),
    ])
      assert.ok(broken === undefined || broken.startsWith("Param '"));
    const { namespace, group, name } = serviceNameOf(text, text, text);
    assert.deepEqual([typeof namespace, typeof group, typeof name], ["string", "string", "string"]);
  }),
  target(
    "labels of addresses",
    mutatedText(
      "10.1.1.1 = zone:a, room:7\n# x\n::1=a:b",
      '{"10.1.1.1":{"zone":"a"},"__proto__":{"polluted":"x"}}',
      "{",
    ),
    (text) => {
      const { labels, problems } = readLabels(text);
      for (const own of labels.values()) for (const value of Object.values(own)) assert.equal(typeof value, "string");
      for (const { line, message } of problems) assert.ok(line >= 0 && message !== "");
    },
  ),
];

function checkSelector(given: unknown): void {
  const read = readable(() => parseSelector(given));
  if (read === undefined) return;
  assert.deepEqual(parseSelector(JSON.stringify(selectorBody(read))), read);
  const labels = Object.fromEntries([["zone", "a"]]);
  assert.ok(select(HOSTS, read, "10.1.1.1", () => labels).length > 0, "a selector never starves");
}

function ENTRIES(): string[] {
  const known = changeOfSwitch("", "");
  assert.ok(typeof known === "string");
  return known.slice(known.indexOf("known are ") + "known are ".length).split(", ");
}

function RULES(): RuleName[] {
  return ["namespace", "namespaceShowName", "group", "dataId", "serviceName", "cluster", "ip"];
}

// --- Files and datagrams

const PROPERTIES = [
  "server.port=8848\n# c\na\\ b : c\\\n  d\nu=\\u0041\n",
  "a=#{A:#{B:c}}#{C}".replaceAll("#", "$"),
  "a=#{a}#{a}#{b}".replaceAll("#", "$"),
  "\\",
  "\ufeffa=b",
];

const files = [
  target("properties file", mutatedText(...PROPERTIES), (text) => {
    const read = orRefused(OptionError, () => parseProperties(text, "file"));
    const values = new Map(read?.map(({ key, value }) => [key, value]));
    for (const { value, line } of read ?? []) {
      assert.ok(line >= 1);
      orRefused(OptionError, () => fillPlaceholders(value, (name) => values.get(name), "file:1"));
    }
  }),
  target("option values", fc.tuple(fc.constantFrom(...ROWS.map(([, row]) => row)), anyText), ([row, text]) => {
    const value = orRefused(OptionError, () => readValue(row, text, "fuzz"));
    if (typeof value === "number" && "min" in row) assert.ok(value >= row.min && value <= row.max);
  }),
  target("records of the log", mutatedBytes(segments()), (bytes) => {
    const buffer = Buffer.from(bytes);
    decodeSegmentHeader(buffer);
    decodeRecord(buffer, 0);
    const seen: LogRecord[] = [];
    const { goodBytes, lastIndex } = scanSegment(buffer, 7, (record) => seen.push(record));
    assert.ok(goodBytes <= buffer.length && lastIndex === 6 + seen.length);
    for (const [at, { index, payload, end }] of seen.entries()) {
      assert.ok(index === 7 + at && end <= goodBytes);
      assert.match(payload.toString(), /^\{"n":\d+\}$/, "a record that was never written was read");
    }
  }),
  target("acknowledgements over UDP", mutatedBytes(acks()), (bytes) => {
    const read = readAck(Buffer.from(bytes));
    assert.ok(read === undefined || typeof read === "string");
  }),
];

function segments(): fc.Arbitrary<Uint8Array> {
  return fc.array(fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), { maxLength: 3 }).map((batches) => {
    let next = 7;
    const parts = batches.map((numbers) => {
      const kind = "command" as const;
      const records = numbers.map((n) => ({ term: 1, kind, at: 1, payload: Buffer.from(JSON.stringify({ n })) }));
      const { bytes } = encodeBatch(next, records);
      next += records.length;
      return bytes;
    });
    return Buffer.concat([encodeSegmentHeader(7), ...parts]);
  });
}

function acks(): fc.Arbitrary<Uint8Array> {
  const valid = fc.nat().map((n) => ({ type: "push-ack", lastRefTime: String(n), data: "" }));
  return fc.oneof(valid, anyJson).map((value) => encodeUtf8(JSON.stringify(value) ?? ""));
}

/** Every decoder and parser that strangers' bytes reach, and those of files that people write. */
export const TARGETS: readonly FuzzTarget[] = [
  ...codec,
  ...messages,
  ...failures,
  ...json,
  ...http,
  ...domain,
  ...files,
  ...members,
  ...grpcMachine,
];

/** What a run of the default length is; targets with counts of their own follow a shorter or longer one. */
export const CASES_DEFAULT = 150_000;

/** What `only` may be a part of. */
export function targetNames(): string[] {
  return TARGETS.map(({ name }) => name);
}

/**
 * Runs about so many cases, shared by weight, and those of targets with counts of their own besides.
 *
 * @throws Error of the first that fails.
 */
export function runTargets(
  cases: number,
  seed: number,
  only: string,
  onDone: (name: string, count: number, tookMs: number) => void,
): void {
  const weights = TARGETS.reduce((sum, { weight }) => sum + weight, 0);
  for (const { name, weight, counts, cases: run } of TARGETS) {
    if (!name.includes(only)) continue;
    const share = counts === undefined ? weight / weights : counts.long / CASES_DEFAULT;
    const count = Math.ceil(cases * share);
    const startedAt = performance.now();
    try {
      run(count, seed);
    } catch (cause) {
      throw new Error(`${name}: ${(cause as Error).message}`, { cause });
    }
    onDone(name, count, performance.now() - startedAt);
  }
}
