import type { ConfigType, FailureName } from "@nacre/protocol";

/** What the worker is asked, one at a time. */
export type Task =
  | { readonly kind: "check"; readonly type: ConfigType; readonly text: string; readonly schema: string }
  /** Data of a YAML document, each scalar as its text. */
  | { readonly kind: "yamlTexts"; readonly text: string };

/** `json` carries data, under the key `data`, as UTF-8: whoever reads it can pause, and copying it would cost three times as much. */
export type Outcome =
  | { readonly kind: "checked"; readonly problem: string | undefined }
  | { readonly kind: "data"; readonly json: Uint8Array<ArrayBuffer> }
  | { readonly kind: "failed"; readonly failure: FailureName; readonly message: string };
