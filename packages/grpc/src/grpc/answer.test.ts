import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ErrorCode } from "../http2/protocol.ts";
import { bareLink, Heard } from "./link.fixture.ts";

const HEAD = { ":status": "200", "content-type": "application/grpc" };

/** What a call is told when its server answers with these blocks, the last one with the end of the stream. */
function told(...blocks: Readonly<Record<string, string>>[]): string[] {
  const link = bareLink();
  const heard = new Heard();
  link.client.call("/test/Any", heard).halfClose();
  link.run();
  for (const [index, fields] of blocks.entries()) link.peer.answer(fields, index === blocks.length - 1);
  link.run();
  assert.equal(link.client.connection.failure, undefined);
  return heard.news;
}

describe("an answer that is not gRPC's", () => {
  // Source: grpc/doc/http-grpc-status-mapping.md
  const STATUSES: [http: number, status: string][] = [
    [400, "INTERNAL"],
    [401, "UNAUTHENTICATED"],
    [403, "PERMISSION_DENIED"],
    [404, "UNIMPLEMENTED"],
    [429, "UNAVAILABLE"],
    [431, "INTERNAL"],
    [502, "UNAVAILABLE"],
    [503, "UNAVAILABLE"],
    [504, "UNAVAILABLE"],
    [500, "UNKNOWN"],
    [204, "UNKNOWN"],
    [302, "UNKNOWN"],
  ];
  for (const [http, status] of STATUSES) {
    test(`HTTP status ${http} is ${status}`, () => {
      const text = `the peer answered with HTTP status ${http}, not with gRPC`;
      assert.deepEqual(told({ ":status": String(http), "content-type": "text/html" }), [`${status}: ${text}`]);
    });
  }

  test("another content type is UNKNOWN", () => {
    assert.deepEqual(told({ ":status": "200", "content-type": "text/html" }), [
      "UNKNOWN: the peer answered with the content type text/html, not with gRPC",
    ]);
    assert.deepEqual(told({ ":status": "200" }), [
      "UNKNOWN: the peer answered with the content type (none), not with gRPC",
    ]);
  });

  test("with a grpc-status is believed", () => {
    assert.deepEqual(told({ ":status": "503", "grpc-status": "7", "grpc-message": "no" }), ["PERMISSION_DENIED: no"]);
  });

  test("ends the call before its body has come", () => {
    const link = bareLink();
    const heard = new Heard();
    link.client.call("/test/Any", heard);
    link.run();
    link.peer.answer({ ":status": "503" });
    link.run();
    assert.equal(heard.news.length, 1);
    assert.deepEqual(link.peer.ended, [`1 by client ${ErrorCode.CANCEL}`]);
  });
});

describe("the status of an answer", () => {
  test("comes with trailers, or in the only block", () => {
    assert.deepEqual(told(HEAD, { "grpc-status": "0" }), ["metadata", "OK"]);
    assert.deepEqual(told({ ...HEAD, "grpc-status": "5", "grpc-message": "a%20b %C3%BC %zz" }), [
      "NOT_FOUND: a b ü %zz",
    ]);
  });

  test("is UNKNOWN when it is missing, or none of gRPC's", () => {
    assert.deepEqual(told(HEAD, { "x-any": "1" }), ["metadata", "UNKNOWN: the answer ended without a grpc-status"]);
    assert.deepEqual(told(HEAD), ["metadata", "UNKNOWN: the answer ended without a grpc-status"]);
    assert.deepEqual(told(HEAD, { "grpc-status": "17" }), [
      "metadata",
      "UNKNOWN: the peer answered with the unknown status 17",
    ]);
    assert.deepEqual(told(HEAD, { "grpc-status": "ok", "grpc-message": "fine" }), ["metadata", "UNKNOWN: fine"]);
  });

  test("waits behind informational answers", () => {
    assert.deepEqual(told({ ":status": "103" }, HEAD, { "grpc-status": "0" }), ["metadata", "OK"]);
  });

  test("is RESOURCE_EXHAUSTED when metadata is larger than the limit", () => {
    const large = { "x-large": "x".repeat(20_000) };
    const text = "the metadata of the answer is larger than the 16384 bytes that are taken";
    assert.deepEqual(told({ ...HEAD, ...large }, { "grpc-status": "0" }), [`RESOURCE_EXHAUSTED: ${text}`]);
    assert.deepEqual(told(HEAD, { ...large, "grpc-status": "0" }), ["metadata", `RESOURCE_EXHAUSTED: ${text}`]);
    assert.deepEqual(told({ ":status": "2".repeat(20_000) }, HEAD), [`RESOURCE_EXHAUSTED: ${text}`]);
  });
});

describe("a reset", () => {
  // Source: grpc/doc/PROTOCOL-HTTP2.md, Errors
  const STATUSES: Record<keyof typeof ErrorCode, string> = {
    NO_ERROR: "INTERNAL",
    PROTOCOL_ERROR: "INTERNAL",
    INTERNAL_ERROR: "INTERNAL",
    FLOW_CONTROL_ERROR: "INTERNAL",
    SETTINGS_TIMEOUT: "INTERNAL",
    STREAM_CLOSED: "UNKNOWN",
    FRAME_SIZE_ERROR: "INTERNAL",
    REFUSED_STREAM: "UNAVAILABLE",
    CANCEL: "CANCELLED",
    COMPRESSION_ERROR: "INTERNAL",
    CONNECT_ERROR: "INTERNAL",
    ENHANCE_YOUR_CALM: "RESOURCE_EXHAUSTED",
    INADEQUATE_SECURITY: "PERMISSION_DENIED",
    HTTP_1_1_REQUIRED: "UNKNOWN",
  };
  for (const [name, status] of Object.entries(STATUSES)) {
    test(`with ${name} is ${status}`, () => {
      const link = bareLink();
      const heard = new Heard();
      link.client.call("/test/Any", heard);
      link.run();
      link.peer.connection.reset(link.peer.stream, ErrorCode[name as keyof typeof ErrorCode]);
      link.run();
      assert.equal(heard.news.length, 1);
      assert.match(heard.news[0] ?? "", new RegExp(`^${status}: the peer re(set|fused) the call`));
    });
  }

  test("of every call there ever was is no abuse by a server", () => {
    const link = bareLink({ limits: { resets: { burst: 3, perSecond: 0 } } });
    for (let call = 0; call < 10; call++) {
      link.client.call("/test/Any", new Heard());
      link.run();
      link.peer.connection.reset(link.peer.stream, ErrorCode.REFUSED_STREAM);
      link.run();
    }
    assert.equal(link.client.connection.failure, undefined);
  });
});

describe("content before the head of its answer", () => {
  test("is a fault of the server: INTERNAL", () => {
    const link = bareLink();
    const heard = new Heard();
    link.client.call("/test/Any", heard);
    link.run();
    link.peer.content(Buffer.from("early"));
    link.run();
    assert.deepEqual(heard.news, ["INTERNAL: the peer's answer breaks a rule of HTTP/2 (PROTOCOL_ERROR)"]);
  });
});
