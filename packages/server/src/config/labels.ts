import type { Labels } from "@nacre/core/config";
import type { Connection } from "@nacre/core/connections";
import { IP_LABEL, TAG_LABEL } from "@nacre/protocol";

const APP_LABEL_PREFIX = "app_";
/** Labels of one connection that gray rules may look at; a setup holds more only to cost memory. */
const APP_LABELS_MAX = 64;

/**
 * What gray rules see of a connection: its application labels without their prefix, and what this server knows of it,
 * which no label of the client's may stand in for.
 *
 * @param tag  header `Vipserver-Tag` of the call, which goes before the label of that name.
 */
export function labelsOf(connection: Connection, tag?: string): Labels {
  const entries: [string, string][] = [];
  for (const [label, value] of Object.entries(connection.labels)) {
    if (entries.length === APP_LABELS_MAX) break;
    if (label.startsWith(APP_LABEL_PREFIX)) entries.push([label.slice(APP_LABEL_PREFIX.length), value]);
  }
  if (tag !== undefined && tag !== "") entries.push([TAG_LABEL, tag]);
  entries.push(
    ["AppName", connection.appName],
    ["ClientVersion", connection.clientVersion],
    [IP_LABEL, connection.clientIp || connection.remoteIp],
  );
  return Object.fromEntries(entries);
}
