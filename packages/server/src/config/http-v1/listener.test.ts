import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { Connection } from "@nacre/core/connections";
import type { Answered } from "../../naming/http.fixture.ts";
import { HttpCall } from "../../transport/http/call.ts";
import { Params } from "../../transport/http/params.ts";
import { ConfigHttp } from "../http.fixture.ts";

let http: ConfigHttp;
beforeEach(() => {
  http = new ConfigHttp();
});
afterEach(() => http.close());

const W = "\u0002";
const L = "\u0001";
const md5 = (text: string) => createHash("md5").update(text).digest("hex");
const line = (...fields: string[]) => fields.join(W) + L;
const HOLD = { "long-pulling-timeout": "30000" };

function listen(lines: string, headers: Record<string, string> = HOLD): Promise<Answered> {
  return http.call("POST /v1/cs/configs/listener", { "Listening-Configs": lines }, headers);
}

/** Waits until so many polls are held: calls that were made arrive in turns of the event loop. */
async function held(count: number): Promise<void> {
  while (http.configs.state.polls.size !== count) await new Promise(setImmediate);
}

describe("a long poll", () => {
  test("is answered at once when something differs, with the tenant only if the request had one", async () => {
    await http.publish("app.yaml", "1");
    await http.publish("app.yaml", "1", { tenant: "dev" });
    const three = await listen(line("app.yaml", "g", "old"));
    assert.deepEqual([three.status, three.text], [200, "app.yaml%02g%01\n"]);
    assert.deepEqual(
      [three.headers["content-type"], three.headers["cache-control"], three.headers.pragma],
      ["text/plain;charset=UTF-8", "no-cache,no-store", "no-cache"],
    );
    const both = await listen(line("app.yaml", "g", "", "dev") + line("app.yaml", "g", md5("1")));
    assert.equal(both.text, "app.yaml%02g%02dev%01\n");
    assert.equal((await listen(line("app.yaml", "g", "", "public"))).text, "app.yaml%02g%02public%01\n");
    assert.equal((await listen(line("app.yaml", "g", "", ""))).text, "app.yaml%02g%01\n");
  });

  test("holds nothing of its request but the lines, however large its body", async () => {
    const route = http.server.routes.find(
      ({ method, path }) => method === "POST" && path === "/v1/cs/configs/listener",
    );
    const params = Params.of([["Listening-Configs", line("none", "g", "")]], "v1");
    const gone = new AbortController();
    const call = new HttpCall({
      method: "POST",
      path: "/v1/cs/configs/listener",
      uri: "/v1/cs/configs/listener",
      sourceIp: "10.0.0.1",
      agent: "",
      app: "",
      body: Buffer.alloc(1024),
      headers: HOLD,
      segments: {},
      files: new Map([["file", Buffer.alloc(1024)]]),
      cut: () => gone.signal,
    });
    const poll = route?.handle(params, call);
    await held(1);
    assert.deepEqual([params.names, call.body.length, call.file("file")], [[], 0, undefined]);
    gone.abort();
    assert.equal((await poll)?.body, "");
  });

  test("may be encoded twice", async () => {
    await http.publish("app.yaml", "1");
    assert.equal((await listen(encodeURIComponent(line("app.yaml", "g", "")))).text, "app.yaml%02g%01\n");
  });

  test("is held until something changes", async () => {
    await http.publish("app.yaml", "1");
    const poll = listen(line("app.yaml", "g", md5("1")) + line("none", "g", ""));
    await held(1);
    await http.publish("app.yaml", "2");
    assert.equal((await poll).text, "app.yaml%02g%01\n");
    const created = listen(line("none", "g", ""));
    await held(1);
    await http.publish("none", "x");
    assert.equal((await created).text, "none%02g%01\n");
    const removed = listen(line("none", "g", md5("x")));
    await held(1);
    await http.call("DELETE /v1/cs/configs?dataId=none&group=g");
    assert.equal((await removed).text, "none%02g%01\n");
  });

  for (const [timeout, heldMs] of [
    ["30000", 29_500],
    ["5000", 10_000],
    ["999999999", 300_000],
  ] as const)
    test(`with a timeout of ${timeout} is answered empty after ${heldMs} ms`, async () => {
      let answered = false;
      const poll = listen(line("none", "g", ""), { "long-pulling-timeout": timeout }).then((answer) => {
        answered = true;
        return answer;
      });
      await held(1);
      http.clock.advance(heldMs - 1);
      await new Promise(setImmediate);
      assert.equal(answered, false);
      http.clock.advance(1);
      const { status, text } = await poll;
      assert.deepEqual([status, text], [200, ""]);
    });

  test("has no timer of its own", async () => {
    const before = http.clock.waiting;
    const polls = Array.from({ length: 50 }, () => listen(line("none", "g", "")));
    await held(50);
    assert.ok(http.clock.waiting <= before + 1, `${http.clock.waiting} timers, ${before} before`);
    http.clock.advance(30_000);
    await Promise.all(polls);
  });

  test("that must not hang is answered at once", async () => {
    const answer = await listen(line("none", "g", ""), { ...HOLD, "long-pulling-timeout-no-hangup": "true" });
    assert.deepEqual([answer.status, answer.text], [200, ""]);
  });

  test("sees the gray version that its caller reads", async () => {
    await http.publish("app.yaml", "all");
    await http.publish("app.yaml", "some", { tag: "c1" });
    const canary = { ...HOLD, "vipserver-tag": "c1" };
    assert.equal((await listen(line("app.yaml", "g", md5("all")), canary)).text, "app.yaml%02g%01\n");
    const poll = listen(line("app.yaml", "g", md5("some")), canary);
    await held(1);
    await http.call("DELETE /v1/cs/configs?dataId=app.yaml&group=g&tag=c1");
    assert.equal((await poll).text, "app.yaml%02g%01\n");
  });

  test("over the bound of held polls is refused with 503", async () => {
    const small = new ConfigHttp({}, { options: { pollsMax: 1 } });
    try {
      const ask = () =>
        small.call("POST /v1/cs/configs/listener", { "Listening-Configs": line("none", "g", "") }, HOLD);
      const first = ask();
      while (small.configs.state.polls.size !== 1) await new Promise(setImmediate);
      const refused = await ask();
      assert.equal(refused.status, 503);
      assert.match(refused.text, /nacre\.config\.polls\.max = 1/);
      small.configs.stop();
      assert.equal((await first).text, "");
    } finally {
      await small.close();
    }
  });
});

describe("a poll without a timeout is answered at once", () => {
  test("in headers to clients before 2.0.4, and to those who do not say", async () => {
    await http.publish("app.yaml", "1", { tenant: "dev" });
    for (const version of [{}, { "client-version": "2.0.3" }, { "client-version": "Nacos-Java-Client:v1.9.9" }]) {
      const answer = await listen(line("app.yaml", "g", "", "dev"), version as Record<string, string>);
      assert.deepEqual(
        [answer.text, answer.headers["probe-modify-response"], answer.headers["probe-modify-response-new"]],
        ["", "app.yaml:g;", "app.yaml%02g%02dev%01"],
      );
    }
  });

  test("in the body to later ones", async () => {
    await http.publish("app.yaml", "1");
    for (const version of ["2.0.4", "2.1.0", "3.0.0"]) {
      const answer = await listen(line("app.yaml", "g", ""), { "client-version": version });
      assert.deepEqual(
        [answer.text, answer.headers["probe-modify-response"]],
        ["app.yaml%02g%01\n", undefined],
        version,
      );
    }
  });

  test("with as much in the headers as clients read there", async () => {
    for (let at = 0; at < 5; at++) await http.publish(`${"n".repeat(200)}${at}`, "x");
    const lines = Array.from({ length: 5 }, (_, at) => line(`${"n".repeat(200)}${at}`, "g", "")).join("");
    assert.equal(String((await listen(lines, {})).headers["probe-modify-response"]).split(";").length, 6);
    const many = Array.from({ length: 500 }, (_, at) => line(`${"n".repeat(200)}${at % 5}`, "g", "")).join("");
    const header = String((await listen(many, {})).headers["probe-modify-response-new"]);
    assert.ok(header.length > 6_000 && header.length <= 7_000, `${header.length}`);
    assert.ok(header.endsWith("%01"));
  });
});

test("what is no list of configurations is refused", async () => {
  for (const [lines, text] of [
    ["", "caused: invalid probeModify;"],
    [" ", "caused: invalid probeModify;"],
    [`a${W}g${L}`, /^caused: invalid protocol, line 1 .*;$/],
    [line("a", "g", "m", "t", "x"), /5 fields/],
    [line("a", "g", "").repeat(10_001), /10000 lines at most/],
  ] as const) {
    const answer = await listen(lines);
    assert.equal(answer.status, 400);
    if (typeof text === "string") assert.equal(answer.text, text);
    else assert.match(answer.text, text);
  }
  const bad = await listen(line("a", "g", ""), { "long-pulling-timeout": "soon" });
  assert.deepEqual([bad.status, bad.text.includes("Long-Pulling-Timeout")], [400, true]);
});

test("who listens is shown by configuration and by address", async () => {
  await http.publish("app.yaml", "1");
  await http.publish("app.yaml", "1", { tenant: "dev" });
  const lines = line("app.yaml", "g", md5("1")) + line("app.yaml", "g", md5("1"), "dev");
  const poll = listen(lines, { ...HOLD, "x-forwarded-for": "10.1.1.9" });
  await held(1);
  const of = async (path: string) => (await http.call(`GET ${path}`)).json;
  assert.deepEqual(await of("/v1/cs/configs/listener?dataId=app.yaml&group=g"), {
    collectStatus: 200,
    lisentersGroupkeyStatus: { "10.1.1.9": md5("1") },
  });
  assert.deepEqual((await of("/v1/cs/listener?ip=10.1.1.9")).lisentersGroupkeyStatus, {
    "app.yaml+g+public": md5("1"),
  });
  assert.deepEqual((await of("/v1/cs/listener?ip=10.1.1.9&tenant=dev")).lisentersGroupkeyStatus, {
    "app.yaml+g+dev": md5("1"),
  });
  assert.equal(Object.keys((await of("/v1/cs/listener?ip=10.1.1.9&all=true")).lisentersGroupkeyStatus).length, 2);
  assert.deepEqual((await of("/v1/cs/listener?ip=10.1.1.8&all=true")).lisentersGroupkeyStatus, {});
  assert.deepEqual((await of("/v3/admin/cs/config/listener?dataId=app.yaml&groupName=g")).data, {
    queryType: "config",
    listenersStatus: { "10.1.1.9": md5("1") },
  });
  for (const path of ["/v3/admin/cs/listener", "/v3/console/cs/config/listener/ip"])
    assert.deepEqual((await of(`${path}?ip=10.1.1.9&namespaceId=dev`)).data, {
      queryType: "ip",
      listenersStatus: { "app.yaml+g+dev": md5("1") },
    });
  assert.deepEqual(await of("/v1/cs/metrics/cluster?ip=10.1.1.9&dataId=app.yaml&group=g&tenant=dev"), {
    "app.yaml+g+dev": md5("1"),
  });
  http.configs.stop();
  await poll;
});

test("listeners over gRPC are shown under the address that their client has", async () => {
  await http.publish("app.yaml", "1");
  const connection = { clientIp: "10.1.1.7", remoteIp: "192.168.0.1" } as Connection;
  http.connections.get = (id) => (id === "c1" ? connection : undefined);
  for (const [clientId, sum] of [
    ["c1", "old"],
    ["gone", "x"],
  ] as const)
    http.configs.listen({
      clientId,
      labels: {},
      contexts: [{ name: { dataId: "app.yaml", group: "g", namespace: "public" }, form: "absent", md5: sum }],
    });
  const found = (await http.call("GET /v3/console/cs/config/listener?dataId=app.yaml&groupName=g")).json.data;
  assert.deepEqual(found, { queryType: "config", listenersStatus: { "10.1.1.7": "old" } });
});

describe("on sockets", () => {
  const body = new URLSearchParams({ "Listening-Configs": line("none", "g", "") }).toString();
  const request =
    "POST /nacos/v1/cs/configs/listener HTTP/1.1\r\nHost: x\r\nLong-Pulling-Timeout: 30000\r\n" +
    `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

  async function parked(count: number) {
    const port = await http.server.listen({ port: 0, host: "127.0.0.1" });
    const sockets = Array.from({ length: count }, () => connect(port, "127.0.0.1"));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    for (const socket of sockets) socket.write(request);
    await held(count);
    return sockets;
  }

  test("a poll is let go of when its client goes away", async () => {
    const [first, second] = await parked(2);
    first?.destroy();
    await held(1);
    second?.destroy();
    await held(0);
    assert.equal(http.configs.state.items.size, 0, "nothing is kept for a configuration that nobody asks for");
  });

  test("a stop answers all polls at once, and does not wait for their time", async () => {
    const sockets = await parked(20);
    const answers = sockets.map(
      (socket) =>
        new Promise<string>((resolve) => {
          let text = "";
          socket
            .setEncoding("utf8")
            .on("data", (chunk: string) => (text += chunk))
            .once("close", () => resolve(text));
        }),
    );
    await http.server.close(60_000);
    for (const answer of await Promise.all(answers)) {
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
      assert.match(answer, /content-length: 0\r\n/i);
    }
  });
});
