/**
 * The dialects of the HTTP interface. A dialect decides how parameters are read and what failures look like:
 * `v1` trims values, takes blank for absent and answers failures as text; `v2` and `v3` answer a `Result`; `plain` is
 * everything that is no API of its own, such as metrics and probes, and answers failures as text.
 */
export type Family = "v1" | "v2" | "v3" | "plain";
