import type { ConfigType, FailureName } from "@nacre/protocol";

/** What the worker is asked, one at a time. */
export type Task =
  | { readonly kind: "check"; readonly type: ConfigType; readonly text: string; readonly schema: string }
  /** Data of a YAML document, each scalar as its text. */
  | { readonly kind: "yamlTexts"; readonly text: string };

/** `json` carries data as text: reading it costs the main thread a third of what copying it would. */
export type Outcome =
  | { readonly kind: "checked"; readonly problem: string | undefined }
  | { readonly kind: "data"; readonly json: string }
  | { readonly kind: "failed"; readonly failure: FailureName; readonly message: string };
