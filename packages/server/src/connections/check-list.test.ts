import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ChannelCredentials, status } from "@grpc/grpc-js";
import { encodePayload, namingMessages, RegistryError } from "@nacre/protocol";
import { newAuthority } from "@nacre/testkit/certificates";
import { connectionsOnPort } from "@nacre/testkit/connections-on-port";
import { framed, RawClient } from "@nacre/testkit/grpc-client";
import { type Feature, feature } from "./handlers.ts";

const QUERY = { serviceName: "cart", groupName: "DEFAULT_GROUP", namespace: "public" };

/** A feature that answers one declared request. */
function answering(handle: () => Record<string, unknown>): Feature {
  const { ServiceQueryRequest } = namingMessages;
  return feature({ ServiceQueryRequest }, { ServiceQueryRequest: { handle } });
}

/** The points of the wire's check list that concern connections, in its order and under its numbers. */
describe("the server check list", { timeout: 20_000 }, () => {
  test("1: HTTP/2 in plaintext with prior knowledge, and TLS on the same port by its first byte", async (t) => {
    const authority = newAuthority();
    const server = await connectionsOnPort(t, {
      transport: { tls: { ...authority.issue("server"), mutual: false, plaintext: true } },
    });

    for (const credentials of [undefined, ChannelCredentials.createSsl(Buffer.from(authority.cert))]) {
      const client = server.client(credentials);
      await client.register();
      assert.equal((await client.call("ServerCheckRequest")).type, "ServerCheckResponse");
    }
    assert.deepEqual(
      [...server.connections.list()].map(({ tls }) => tls),
      [false, true],
    );
  });

  test("2: two methods, identity, 10 MiB inbound, frequent pings", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();
    const large = { padding: "x".repeat(10 * 1024 * 1024 - 100) };
    assert.equal((await client.call("HealthCheckRequest", large)).type, "HealthCheckResponse");

    const { session } = await RawClient.connect(server.port);
    t.after(() => session.destroy());
    for (let at = 0; at < 30; at++) await new Promise((resolve) => session.ping(resolve));
    assert.equal(session.closed, false);
  });

  test("3: a connection is its TCP peer; the setup registers it; the end of TCP or stream unregisters it", async (t) => {
    const server = await connectionsOnPort(t);
    const [one, three] = [server.client(), server.client()];
    await one.register();
    const two = await RawClient.connect(server.port);
    const setup = { type: "ConnectionSetupRequest", clientIp: "10.20.0.16", body: Buffer.from('{"labels":{}}') };
    two.open().write(framed(encodePayload(setup)));
    await server.hears("registered 10.20.0.16");
    assert.equal((await three.call("HealthCheckRequest")).body.errorCode, 301, "another peer is not registered");
    assert.equal(server.connections.count.all, 2);

    one.stream.end();
    await server.hears("unregistered: the client ended the stream");
    two.session.destroy();
    await server.hears("unregistered: the TCP connection ended");
    assert.equal(server.connections.count.all, 0);
  });

  test("4: the server check works before registration, 302 comes before 301, the gRPC status is OK always", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();

    assert.equal((await client.call("ServerCheckRequest")).type, "ServerCheckResponse");
    assert.equal((await client.call("NobodysRequest")).body.errorCode, 302);
    assert.equal((await client.call("HealthCheckRequest")).body.errorCode, 301);
    await client.register();
    assert.equal((await client.call("HealthCheckRequest", "not JSON")).body.errorCode, 502);
  });

  test("5: SetupAck exactly when an ability table was present, and nobody waits for its answer", async (t) => {
    const server = await connectionsOnPort(t);
    const java = server.client();
    await java.register({ abilityTable: { fuzzyWatch: true } });
    assert.equal((await java.next()).type, "SetupAckRequest");
    const node = server.client();
    await node.register({ abilityTable: {} });
    assert.equal((await node.next()).type, "SetupAckRequest");

    for (const setup of [{}, { abilityTable: null }, { clientAbilities: {} }, { abilities: null }]) {
      const other = server.client();
      await other.register(setup);
      // The next thing it hears is the probe, so no SetupAck came before.
      server.clock.advance(20_000);
      assert.equal((await other.next()).type, "ClientDetectionRequest");
      other.close();
      other.stream.cancel();
    }
  });

  test("6: setup, acknowledgements and requests on the stream are all activity, and requests get no answer", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();
    const [connection] = server.connections.list();
    const signs = ["ConnectionSetupRequest", "AnyResponse", "HealthCheckRequest", "ServerCheckRequest", "OddRequest"];
    for (const sign of signs) {
      server.clock.advance(15_000);
      client.send(sign, sign === "ConnectionSetupRequest" ? { labels: {} } : {});
      while (connection?.lastActiveAt !== server.clock.now()) await new Promise((resolve) => setImmediate(resolve));
    }

    assert.equal(client.stream.received.length, 0);
    assert.equal(server.connections.count.all, 1);
  });

  test("7: a probe after 20 s, 5 s to answer it, then the end", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();

    server.clock.advance(20_000);
    assert.equal((await client.next()).type, "ClientDetectionRequest");
    server.clock.advance(4_800);
    assert.equal(server.connections.count.all, 1);
    server.clock.advance(200);
    assert.equal(server.connections.count.all, 0);
    assert.equal(await client.stream.ended, status.UNAVAILABLE);
  });

  test("8: failures are typed and carry the fields that SDKs need", async (t) => {
    const server = await connectionsOnPort(t, {
      features: [
        answering(() => {
          throw new RegistryError("invalidParameter", "Param 'serviceName' is illegal, it is blank.");
        }),
      ],
    });
    const client = server.client();
    await client.register();

    const { type, body } = await client.call("ServiceQueryRequest", QUERY);
    assert.equal(type, "QueryServiceResponse");
    const { serviceInfo, ...envelope } = body;
    assert.deepEqual(envelope, {
      resultCode: 500,
      errorCode: 400,
      success: false,
      message: "Param 'serviceName' is illegal, it is blank.",
    });
    assert.deepEqual(serviceInfo, {
      name: "cart",
      groupName: "DEFAULT_GROUP",
      clusters: "",
      cacheMillis: 10000,
      hosts: [],
      lastRefTime: 0,
      checksum: "",
      allIps: false,
      reachProtectionThreshold: false,
      valid: true,
    });
  });

  test("12: an acknowledgement is matched by id, else by type; a missing result code is 200", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();
    const [connection] = server.connections.list();
    for (const requestId of ["1", "2", "3"])
      server.connections.push({
        to: [connection?.id ?? ""],
        requestId,
        type: "NotifySubscriberRequest",
        body: Buffer.from(`{"headers":{},"requestId":"${requestId}"}`),
        expects: "NotifySubscriberResponse",
        timeoutMs: 5000,
      });
    for (const requestId of ["1", "2", "3"]) assert.equal((await client.next()).body.requestId, requestId);

    client.send("NotifySubscriberResponse", { requestId: "2" });
    await server.hears("acked 2");
    client.send("NotifySubscriberResponse", { resultCode: 200, success: false });
    await server.hears("acked 1");
    client.send("NotifySubscriberResponse", { requestId: null, resultCode: 500, errorCode: 500, message: "no" });
    await server.hears("refused 3");
  });

  test("13: nulls are left out, integers are numbers, pushes carry headers", async (t) => {
    const server = await connectionsOnPort(t, {
      features: [answering(() => ({ absent: undefined, port: 8080 }))],
    });
    const client = server.client();
    await client.register({ abilityTable: {} });

    const setupAck = await client.next();
    assert.deepEqual(setupAck.body.headers, {});
    assert.doesNotMatch(setupAck.text, /null|requestId/);
    const answer = await client.call("ServiceQueryRequest", QUERY);
    assert.equal(answer.text, '{"resultCode":200,"errorCode":0,"success":true,"port":8080}');
  });

  test("14: a reset is a push, 3 s, and the end, whether it is answered or not", async (t) => {
    const server = await connectionsOnPort(t);
    const client = server.client();
    await client.register();
    const [connection] = server.connections.list();

    assert.equal(server.connections.reset(connection?.id ?? "", { ip: "10.20.0.3", port: 8848 }), true);
    assert.equal((await client.next()).type, "ConnectResetRequest");
    server.clock.advance(2_800);
    assert.equal(server.connections.count.all, 1);
    server.clock.advance(200);
    assert.equal(server.connections.count.all, 0);
    assert.equal(await client.stream.ended, status.UNAVAILABLE);
  });

  test("15: requests of members are refused on the port of the SDKs", async (t) => {
    const sdkPort = await connectionsOnPort(t);
    const sdk = sdkPort.client();
    await sdk.register();
    const refused = await sdk.call("ServerReloadRequest", { reloadCount: 0 });
    assert.deepEqual(
      [refused.type, refused.body.errorCode, refused.body.message],
      ["ErrorResponse", 502, " invoke ServerReloadRequest from sdk is forbidden"],
    );

    const memberPort = await connectionsOnPort(t, { side: "member" });
    const member = memberPort.client();
    await member.register({ labels: { source: "cluster" } });
    const answered = await member.call("ServerLoaderInfoRequest");
    assert.deepEqual(answered.body, {
      resultCode: 200,
      errorCode: 0,
      success: true,
      address: "10.20.0.2:8848",
      loaderMetrics: { conCount: "1", sdkConCount: "0", load: "0", cpu: "0" },
    });
  });
});
