/** Keyed rows of configuration in the store; a row's value is JSON. */
export const ROW = {
  /** By id. */
  namespace: "namespace",
  /** By `scopeKey`. */
  capacity: "capacity",
} as const;
