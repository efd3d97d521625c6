import { RegistryError } from "@nacre/protocol";

/** Characters of a label expression. */
export const EXPRESSION_LENGTH_MAX = 1024;

export const SELECTOR_TYPES = ["none", "label"] as const;

export type Selector =
  | { readonly type: "none" }
  | {
      readonly type: "label";
      /** As the operator wrote it, for people who read it again. */
      readonly expression: string;
      /** The labels in which consumer and provider must agree; none at all lets every instance through. */
      readonly labels: readonly string[];
    };

/** Labels of an address, from a file or another source; undefined for an address it does not know. */
export type LabelsOf = (ip: string) => Readonly<Record<string, string>> | undefined;

/**
 * Reads a selector from JSON text or from the object inside it; absent and blank stand for `none`.
 *
 * @throws RegistryError `selectorError` for text that is no JSON object, an unknown type or a bad expression.
 */
export function parseSelector(given: unknown): Selector {
  if (given === undefined || given === null || (typeof given === "string" && given.trim() === ""))
    return { type: "none" };
  const body = typeof given === "string" ? parseJson(given) : given;
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw refused(`must be a JSON object such as {"type":"none"}`);
  const { type, expression = "" } = body as { type?: unknown; expression?: unknown };
  if (type === "none") return { type };
  if (type !== "label") throw refused(`type ${show(type)} is unknown; the types are ${SELECTOR_TYPES.join(" and ")}`);
  if (expression !== null && typeof expression !== "string") throw refused("expression must be text");
  return { type, expression: expression ?? "", labels: parseExpression(expression ?? "") };
}

/** The selector as API answers show it. */
export function selectorBody(selector: Selector): Record<string, string> {
  return selector.type === "none"
    ? { type: "none", contextType: "NONE" }
    : { type: "label", contextType: "CMDB", expression: selector.expression };
}

/**
 * The label names of `CONSUMER.label.<x> = PROVIDER.label.<x> & ...`, each once. White space means nothing.
 *
 * @throws RegistryError `selectorError` naming the condition that cannot be read.
 */
export function parseExpression(expression: string): readonly string[] {
  if (expression.length > EXPRESSION_LENGTH_MAX)
    throw refused(`expression has ${expression.length} characters; the most allowed is ${EXPRESSION_LENGTH_MAX}`);
  const compact = expression.replace(/\s+/gu, "");
  if (compact === "") return [];
  const labels = compact.split("&").map((condition) => {
    const found = /^CONSUMER\.label\.([^=]+)=PROVIDER\.label\.([^=]+)$/u.exec(condition);
    if (found === null)
      throw refused(`condition ${show(condition)} must be written CONSUMER.label.x = PROVIDER.label.x`);
    const [, consumer, provider] = found;
    if (consumer === undefined || consumer !== provider)
      throw refused(`condition ${show(condition)} must name the same label on both sides`);
    return consumer;
  });
  return [...new Set(labels)];
}

/**
 * The instances that a consumer at `consumerIp` should see. A selector prefers, it never starves: when nothing
 * matches (also because the consumer has no such label, or the labels cannot be read) the whole list is returned.
 */
export function select<I extends { readonly ip: string }>(
  instances: readonly I[],
  selector: Selector,
  consumerIp: string,
  labelsOf: LabelsOf,
): readonly I[] {
  if (selector.type === "none" || selector.labels.length === 0) return instances;
  try {
    const consumer = labelsOf(consumerIp);
    const wanted = selector.labels.map((label) => [label, labelValue(consumer, label)] as const);
    if (wanted.some(([, value]) => value === "")) return instances;
    const selected = instances.filter((instance) => {
      const provider = labelsOf(instance.ip);
      return wanted.every(([label, value]) => labelValue(provider, label) === value);
    });
    return selected.length === 0 ? instances : selected;
  } catch {
    return instances;
  }
}

/** The label's value, blank when there is none; names such as `constructor` are labels like any other. */
function labelValue(labels: Readonly<Record<string, string>> | undefined, label: string): string {
  return labels !== undefined && Object.hasOwn(labels, label) ? (labels[label] ?? "").trim() : "";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RegistryError("selectorError", "the selector is not JSON", { cause });
  }
}

function refused(rule: string): RegistryError {
  return new RegistryError("selectorError", `the selector ${rule}`);
}

function show(value: unknown): string {
  // Only texts are repeated: to write a value of two million brackets takes a second, and says nothing.
  return typeof value === "string" ? JSON.stringify(value.slice(0, 120)) : typeof value;
}
