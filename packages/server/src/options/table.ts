import type { Option, ValueOf } from "./option.ts";
import { clusterRows, peerTlsRows } from "./rows/cluster.ts";
import { configLimitRows, configRows } from "./rows/config.ts";
import { grpcRows, tlsRows } from "./rows/grpc.ts";
import { httpRows } from "./rows/http.ts";
import { limitRows, logRows } from "./rows/limits.ts";
import { namingRows, pushRows } from "./rows/naming.ts";
import { processRows } from "./rows/process.ts";

/** Every option of the server. A row added to one of these files is read, checked, shown in help and documented. */
export const OPTIONS = {
  ...processRows,
  ...clusterRows,
  ...httpRows,
  ...grpcRows,
  ...tlsRows,
  ...peerTlsRows,
  ...namingRows,
  ...pushRows,
  ...configRows,
  ...limitRows,
  ...configLimitRows,
  ...logRows,
} as const;

type Table = typeof OPTIONS;
export type OptionKey = keyof Table;

/** The checked options of a server; durations in milliseconds, sizes in bytes. */
export type Options = { readonly [K in OptionKey]: ValueOf<Table[K]> };

/** The rows with their common type, in the order of the table. */
export const ROWS = Object.entries(OPTIONS) as readonly (readonly [OptionKey, Option])[];
