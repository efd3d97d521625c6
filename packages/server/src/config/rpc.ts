import {
  betaTarget,
  type Changed,
  type ConfigFields,
  type Context,
  type GrayTarget,
  type TenantForm,
  tagTarget,
} from "@nacre/core/config";
import type { Connection } from "@nacre/core/connections";
import {
  type ConfigName,
  configMessages,
  configTypeOf,
  encodePayload,
  encodeUtf8,
  namespaceOf,
  payloadHead,
  RegistryError,
  refuseBroken,
  ruleBroken,
  TAG_GRAY_PREFIX,
  TAG_LABEL,
  type TextMap,
} from "@nacre/protocol";
import { type Answer, type Feature, feature, type Handlers } from "../connections/handlers.ts";
import { isLarge, jsonPieces } from "../large-text.ts";
import { turn } from "../storage/turn.ts";
import type { Configs } from "./configs.ts";
import { labelsOf } from "./labels.ts";
import type { Found, Missing } from "./reader.ts";

const MD5_LENGTH = 32;

interface WireName {
  readonly dataId: string;
  readonly group: string;
  readonly tenant: string | undefined;
}

/** Contexts that are registered in one turn of the event loop. */
const LISTEN_SLICE = 2_000;

/** Rust and Python cannot read an absent tenant. */
function wireOf({ name: { dataId, group, namespace }, form }: Changed) {
  return { dataId, group, tenant: form === "given" ? namespace : "" };
}

/** The configuration messages of the gRPC wire. */
export function configFeature(configs: Configs): Feature {
  const { checkParams } = configs.state.options;

  function nameOf({ dataId, group, tenant }: WireName): ConfigName {
    if (dataId.trim() === "") throw new RegistryError("parameterMissing", "Param 'dataId' is required.");
    if (group.trim() === "") throw new RegistryError("parameterMissing", "Param 'group' is required.");
    const name = { namespace: namespaceOf(tenant), group: group.trim(), dataId: dataId.trim() };
    if (checkParams)
      refuseBroken(
        ruleBroken("namespace", name.namespace),
        ruleBroken("group", name.group),
        ruleBroken("dataId", name.dataId),
      );
    return name;
  }

  function answerOf(reading: Found | Missing): Answer | Promise<Answer> {
    if (reading.version === undefined) throw new RegistryError("configNotFound", "config data not exist");
    const payload = configs.reader.encoded(reading, encodeFound);
    return payload instanceof Promise ? payload.then((made) => ({ payload: made })) : { payload };
  }

  /** A slice that is refused leaves those before it: the client asks again, and what it listens to already costs nothing. */
  async function registerSliced(clientId: string, count: number, register: (from: number) => readonly Changed[]) {
    const changedConfigs: object[] = [];
    for (let from = 0; from < count; from += LISTEN_SLICE) {
      if (from > 0) await turn();
      // Nobody would take back what is registered for a connection that has gone meanwhile.
      if (!configs.connected(clientId)) throw new RegistryError("disconnected", "the connection has gone");
      for (const changed of register(from)) changedConfigs.push(wireOf(changed));
    }
    return { changedConfigs };
  }

  return feature(configMessages, {
    ConfigQueryRequest: {
      handle({ tag, ...wire }, { connection, header }) {
        const reading = configs.find(nameOf(wire), {
          labels: labelsOf(connection, header(TAG_LABEL)),
          ...(tag === undefined ? {} : { tag }),
          // An explicit tag asks for something else than what the client listens to.
          ...(tag === undefined
            ? { clientId: connection.id, afterNotice: header("notify")?.toLowerCase() === "true" }
            : {}),
        });
        return reading instanceof Promise ? reading.then(answerOf) : answerOf(reading);
      },
    },
    ConfigPublishRequest: {
      async handle({ content, casMd5, additionMap, type, ...wire }, { connection }) {
        const name = nameOf(wire);
        if (content.trim() === "") throw new RegistryError("invalidParameter", "Param 'content' is required.");
        const gray = grayOf(additionMap);
        await configs.publish({
          name,
          content,
          encryptedDataKey: given(additionMap, "encryptedDataKey") ?? "",
          fields: fieldsOf(additionMap, type),
          ...(gray === undefined ? {} : { gray }),
          terms: casMd5.trim() === "" ? {} : { expectedMd5: casMd5.trim() },
          by: { user: given(additionMap, "src_user") ?? "", ip: ipOf(connection) },
        });
        return {};
      },
    },
    ConfigRemoveRequest: {
      async handle({ tag, ...wire }, { connection }) {
        const gray = tag.trim() === "" ? undefined : TAG_GRAY_PREFIX + tag.trim();
        await configs.remove(nameOf(wire), { user: "", ip: ipOf(connection) }, gray);
        return {};
      },
    },
    ConfigBatchListenRequest: {
      handle({ listen, configListenContexts }, { connection, header }) {
        const clientId = connection.id;
        if (!listen) {
          configs.submit({ type: "unlisten", clientId, names: configListenContexts.map(nameOf) });
          return { changedConfigs: [] };
        }
        const labels = labelsOf(connection, header(TAG_LABEL));
        const register = (from: number): readonly Changed[] => {
          const contexts = configListenContexts.slice(from, from + LISTEN_SLICE).map((wire): Context => {
            const name = nameOf(wire);
            return { name, form: formOf(wire.tenant), md5: heldMd5(wire.md5) };
          });
          return configs.listen({ clientId, labels, contexts });
        };
        if (configListenContexts.length <= LISTEN_SLICE) return { changedConfigs: register(0).map(wireOf) };
        return registerSliced(clientId, configListenContexts.length, register);
      },
    },
    ConfigFuzzyWatchRequest: {
      handle({ groupKeyPattern: pattern, receivedGroupKeys: received, watchType, initializing }, { connection }) {
        const clientId = connection.id;
        if (watchType === "CANCEL_WATCH") configs.submit({ type: "unwatch", clientId, pattern });
        else if (watchType === "WATCH") configs.submit({ type: "watch", clientId, pattern, received, initializing });
        else
          throw new RegistryError(
            "invalidParameter",
            `Param 'watchType' must be WATCH or CANCEL_WATCH, not ${watchType}`,
          );
        return {};
      },
    },
  } satisfies Handlers<typeof configMessages>);
}

/** The answer of a query. No `tag` in it: its type differs from SDK to SDK, and none needs it. */
function encodeFound({ version, gray, held }: Found): Uint8Array | Promise<Uint8Array> {
  const { md5, type, encryptedDataKey, modifiedAt: lastModified } = version;
  // Go, Python and C# look for `isBeta`, Java and Rust for `beta`.
  const beta = gray?.rule.type === "beta" ? { beta: true, isBeta: true } : { beta: false };
  const rest = { md5, contentType: type, encryptedDataKey, lastModified, ...beta };
  const fields = { resultCode: 200, errorCode: 0, success: true, content: held.text, ...rest };
  const response = configMessages.ConfigQueryRequest.response;
  if (isLarge(held.text)) return encodeLarge(response, fields);
  return encodePayload({ type: response, body: encodeUtf8(JSON.stringify(fields)) });
}

async function encodeLarge(response: string, fields: Readonly<Record<string, unknown>>): Promise<Uint8Array> {
  const pieces = await jsonPieces(fields);
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return Buffer.concat([payloadHead(response, bytes), ...pieces]);
}

/** It is kept for as long as the client listens. What no content can have is as good as any other such text. */
function heldMd5(md5: string | undefined): string | undefined {
  return md5 === undefined || md5.length <= MD5_LENGTH ? md5 : "longer than an md5";
}

function formOf(tenant: string | undefined): TenantForm {
  if (tenant === undefined) return "absent";
  return tenant.trim() === "" ? "blank" : "given";
}

function grayOf(addition: TextMap): GrayTarget | undefined {
  const ips = given(addition, "betaIps");
  const tag = given(addition, "tag");
  if (ips !== undefined) return betaTarget(ips);
  return tag === undefined ? undefined : tagTarget(tag);
}

/** Blank is absent here: Go writes every field it does not know as a blank one. */
function fieldsOf(addition: TextMap, topLevelType: string): ConfigFields {
  const type = configTypeOf(given(addition, "type") ?? topLevelType);
  const appName = given(addition, "appName");
  const labels = given(addition, "config_tags")
    ?.split(",")
    .map((label) => label.trim())
    .filter((label) => label !== "");
  const description = given(addition, "desc");
  const use = given(addition, "use");
  const effect = given(addition, "effect");
  const schema = given(addition, "schema");
  return {
    ...(type === undefined ? {} : { type }),
    ...(appName === undefined ? {} : { appName }),
    ...(labels === undefined ? {} : { tags: [...new Set(labels)] }),
    ...(description === undefined ? {} : { description }),
    ...(use === undefined ? {} : { use }),
    ...(effect === undefined ? {} : { effect }),
    ...(schema === undefined ? {} : { schema }),
  };
}

function given(addition: TextMap, key: string): string | undefined {
  const value = Object.hasOwn(addition, key) ? addition[key] : undefined;
  return value === undefined || value.trim() === "" ? undefined : value;
}

function ipOf(connection: Connection): string {
  return connection.clientIp || connection.remoteIp;
}
