import { bool, list, object, optionalText, text, textMap } from "../schema.ts";
import { request } from "./message.ts";
import { RECEIVED_KEYS_MAX } from "./naming.ts";

/** Configurations that one listen request may name; SDKs send 3,000 at most. */
export const LISTEN_CONTEXTS_MAX = 50_000;

/** `tenant` may be absent: who listens is told of changes in the form in which it asked. */
const config = { dataId: text(), group: text(), tenant: optionalText() };

export const configMessages = {
  ConfigQueryRequest: request({
    module: "config",
    source: "sdk",
    response: "ConfigQueryResponse",
    onFailure: () => ({ lastModified: 0, beta: false }),
    fields: { ...config, tag: optionalText() },
  }),
  ConfigPublishRequest: request({
    module: "config",
    source: "sdk",
    response: "ConfigPublishResponse",
    // The newer Node SDK writes `type` beside the content, all others into the map.
    fields: { ...config, content: text(), casMd5: text(), additionMap: textMap(), type: text() },
  }),
  ConfigRemoveRequest: request({
    module: "config",
    source: "sdk",
    response: "ConfigRemoveResponse",
    onFailure: () => ({ errorCode: 0 }),
    fields: { ...config, tag: text() },
  }),
  ConfigBatchListenRequest: request({
    module: "config",
    source: "sdk",
    response: "ConfigChangeBatchListenResponse",
    onFailure: () => ({ changedConfigs: [] }),
    fields: {
      listen: bool(true),
      configListenContexts: list(object({ ...config, md5: optionalText() }), LISTEN_CONTEXTS_MAX),
    },
  }),
  ConfigFuzzyWatchRequest: request({
    module: "config",
    source: "sdk",
    response: "ConfigFuzzyWatchResponse",
    fields: {
      groupKeyPattern: text(),
      receivedGroupKeys: list(text(), RECEIVED_KEYS_MAX),
      watchType: text(),
      initializing: bool(false),
    },
  }),
};

/** Pushes of configuration, and the response type that an SDK acknowledges each with. */
export const configPushes = {
  // Go and Python answer with `NotifySubscriberResponse`: the request id in it is what counts.
  ConfigChangeNotifyRequest: "ConfigChangeNotifyResponse",
  ConfigFuzzyWatchSyncRequest: "ConfigFuzzyWatchSyncResponse",
  ConfigFuzzyWatchChangeNotifyRequest: "ConfigFuzzyWatchChangeNotifyResponse",
} as const;
