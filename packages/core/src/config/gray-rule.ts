/** The rule of a gray version, as it is stored and shown: `{"type","version","expr","priority"}`. */
export interface GrayRule {
  /** `beta`, `tag`, `percentage` or `label`. */
  readonly type: string;
  readonly version: string;
  readonly expr: string;
  /** -2147483648..2147483647; the highest is tried first. */
  readonly priority: number;
}
