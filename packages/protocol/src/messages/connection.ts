import { flagMap, integer, optional, optionalText, text, textMap } from "../schema.ts";
import { request } from "./message.ts";

/** Requests of the connection life cycle (`module` internal) and of the connection loader. */
export const connectionMessages = {
  ServerCheckRequest: request({ module: "internal", source: "any", response: "ServerCheckResponse", fields: {} }),
  HealthCheckRequest: request({ module: "internal", source: "any", response: "HealthCheckResponse", fields: {} }),
  ServerLoaderInfoRequest: request({
    module: "internal",
    source: "member",
    response: "ServerLoaderInfoResponse",
    fields: {},
  }),
  ServerReloadRequest: request({
    module: "internal",
    source: "member",
    response: "ServerReloadResponse",
    fields: { reloadCount: integer(0), reloadServer: text() },
  }),
};

/** Arrives on the stream and has no answer of its own. */
export const connectionSetup = request({
  module: "internal",
  source: "any",
  response: "",
  fields: {
    clientVersion: text(),
    tenant: optionalText(),
    labels: textMap(),
    /** Present, even empty, announces ability negotiation: only then is `SetupAckRequest` sent. */
    abilityTable: optional(flagMap()),
  },
});

/** What an acknowledgement on the stream is read for: the push it settles and whether the SDK accepted it. */
export const acknowledgement = request({
  module: "internal",
  source: "any",
  response: "",
  fields: { requestId: optionalText(), resultCode: integer(200), errorCode: integer(0), message: optionalText() },
});
