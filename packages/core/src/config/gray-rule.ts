import { BETA_GRAY, type ConfigKey, IP_LABEL, TAG_GRAY_PREFIX, TAG_LABEL } from "@nacre/protocol";
import { hashNumber, hashText } from "../lib/hash.ts";
import { type Refusal, refusal } from "../lib/refusal.ts";
import type { GrayTarget } from "./commands.ts";
import type { GrayMatcher, GrayVersion, Labels } from "./model.ts";

/** The rule of a gray version, as it is stored and shown: `{"type","version","expr","priority"}`. */
export interface GrayRule {
  /** `beta`, `tag`, `percentage` or `label`. */
  readonly type: string;
  readonly version: string;
  readonly expr: string;
  /** -2147483648..2147483647; the highest is tried first. */
  readonly priority: number;
}

export const GRAY_RULE_VERSION = "1.0.0";
const BETA_PRIORITY = 2_147_483_647;
const TAG_PRIORITY = 2_147_483_646;
const PRIORITY_MIN = -2_147_483_648;
const TAG_LENGTH_MAX = 16;
const NAME_LENGTH_MAX = 128;
/** Bounds what a rule costs in memory and in matching. */
const EXPR_LENGTH_MAX = 4096;
/** Of a percentage: two decimals. */
const SLOTS = 10_000;

/** The built-in rule for a list of addresses, tried before all others. */
export function betaRule(ips: string): GrayRule {
  return { type: "beta", version: GRAY_RULE_VERSION, expr: ips, priority: BETA_PRIORITY };
}

/** The built-in rule for one tag, tried next. */
export function tagRule(tag: string): GrayRule {
  return { type: "tag", version: GRAY_RULE_VERSION, expr: tag, priority: TAG_PRIORITY };
}

/** What a publish with `betaIps` writes. */
export function betaTarget(ips: string): GrayTarget {
  return { name: BETA_GRAY, rule: betaRule(ips) };
}

/** What a publish with `tag` writes. */
export function tagTarget(tag: string): GrayTarget {
  return { name: TAG_GRAY_PREFIX + tag.trim(), rule: tagRule(tag.trim()) };
}

/** Whether a client with these labels is meant. Nothing is parsed here: that was done when the rule was written. */
export function grayMatches(gray: GrayVersion, labels: Labels): boolean {
  const { matcher } = gray;
  switch (matcher.type) {
    case "beta":
      return matcher.ips.has(labelOf(labels, IP_LABEL));
    case "tag":
      return labelOf(labels, TAG_LABEL) === matcher.tag;
    case "percentage": {
      const ip = labelOf(labels, IP_LABEL);
      return ip !== "" && slotOf(ip, matcher.seed) < matcher.slots;
    }
    case "label":
      return matcher.terms.every(({ label, values }) => values.includes(labelOf(labels, label)));
    case "never":
      return false;
  }
}

function labelOf(labels: Labels, label: string): string {
  return labels[label] ?? "";
}

/**
 * A client's place among `SLOTS`. It depends on the address and the configuration alone, so that a growing percentage
 * only adds clients, and not always the same ones are first.
 */
function slotOf(ip: string, seed: number): number {
  return hashNumber(hashText(ip, seed), seed) % SLOTS;
}

/**
 * Reads the expression of a rule.
 *
 * | type | expression | matches |
 * |---|---|---|
 * | `beta` | `ip,ip,...` | a client whose `ClientIp` is one of them, exactly |
 * | `tag` | one tag of at most 16 letters, digits, `_ - . :` | a client whose `Vipserver-Tag` equals it |
 * | `percentage` | 0 to 100, up to two decimals | a stable share of the client addresses |
 * | `label` | `term,term,...`, where a term is `label=value` or `label=value\|value\|...` | a client of whose labels every term holds: the label has one of the values |
 *
 * White space around each part is left out. Labels and values hold neither `,` nor `=` nor `|`, and are not blank.
 *
 * @returns the expression ready for matching, or why it is refused: `grayRuleUnknown` for a type or version that is not
 *   in the table, `grayRuleIllegal` for an expression or a priority.
 */
export function compileRule(rule: GrayRule, key: ConfigKey): GrayMatcher | Refusal {
  if (rule.version !== GRAY_RULE_VERSION)
    return refusal(
      "grayRuleUnknown",
      `gray rule version '${rule.version}' is not known, use version '${GRAY_RULE_VERSION}'`,
    );
  if (!Number.isInteger(rule.priority) || rule.priority < PRIORITY_MIN || rule.priority > BETA_PRIORITY)
    return illegal(rule, `the priority must be a whole number from ${PRIORITY_MIN} to ${BETA_PRIORITY}`);
  if (rule.expr.length > EXPR_LENGTH_MAX)
    return illegal(rule, `the expression must not be longer than ${EXPR_LENGTH_MAX} characters`);
  switch (rule.type) {
    case "beta":
      return compileBeta(rule);
    case "tag":
      return compileTag(rule);
    case "percentage":
      return compilePercentage(rule, key);
    case "label":
      return compileLabel(rule);
    default:
      return refusal(
        "grayRuleUnknown",
        `gray rule type '${rule.type}' is not known, use 'beta', 'tag', 'percentage' or 'label'`,
      );
  }
}

/** A rule out of the store. One that this version can not read stays stored and matches nobody. */
export function storedMatcher(rule: GrayRule, key: ConfigKey): GrayMatcher {
  const compiled = compileRule(rule, key);
  return compiled.type === "refuse" ? { type: "never" } : compiled;
}

/**
 * `beta` and `tag_<tag>` belong to their rules, so that a removal by tag or of the beta version removes what it means;
 * every other name is free.
 */
export function grayNameRefused({ name, rule }: GrayTarget): Refusal | undefined {
  if (name.length > NAME_LENGTH_MAX || !/^[\w\-.:]+$/.test(name))
    // The name of a tag's version is made here: its caller only knows the tag.
    return rule.type === "tag" && name === TAG_GRAY_PREFIX + rule.expr
      ? refusal("invalidParameter", "Param 'tag' is illegal, it should be letters, digits, '_', '-', '.' or ':'.")
      : refusal("grayNameUnknown", `gray name must be 1 to ${NAME_LENGTH_MAX} letters, digits, '_', '-', '.' or ':'`);
  if (name === BETA_GRAY && rule.type !== "beta")
    return refusal("grayNameUnknown", `gray name '${name}' takes a rule of type 'beta', not '${rule.type}'`);
  if (name.startsWith(TAG_GRAY_PREFIX) && (rule.type !== "tag" || TAG_GRAY_PREFIX + rule.expr.trim() !== name))
    return refusal(
      "grayNameUnknown",
      `gray name '${name}' takes a rule of type 'tag' with the expression '${name.slice(TAG_GRAY_PREFIX.length)}'`,
    );
  return undefined;
}

function compileBeta(rule: GrayRule): GrayMatcher | Refusal {
  const ips = new Set(rule.expr.split(",").map((ip) => ip.trim()));
  ips.delete("");
  return ips.size === 0 ? illegal(rule, "it needs at least one address: 10.0.0.1,10.0.0.2") : { type: "beta", ips };
}

function compileTag(rule: GrayRule): GrayMatcher | Refusal {
  const tag = rule.expr.trim();
  return tag.length <= TAG_LENGTH_MAX && /^[\w\-.:]+$/.test(tag)
    ? { type: "tag", tag }
    : illegal(rule, `a tag is 1 to ${TAG_LENGTH_MAX} letters, digits, '_', '-', '.' or ':'`);
}

function compilePercentage(rule: GrayRule, key: ConfigKey): GrayMatcher | Refusal {
  const text = rule.expr.trim();
  const percent = /^\d{1,3}(\.\d{1,2})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(percent <= 100)) return illegal(rule, "it must be a number from 0 to 100 with at most two decimals");
  return { type: "percentage", slots: Math.round((percent * SLOTS) / 100), seed: hashText(key) };
}

function compileLabel(rule: GrayRule): GrayMatcher | Refusal {
  const terms: { label: string; values: string[] }[] = [];
  for (const term of rule.expr.split(",")) {
    const [label = "", given, ...rest] = term.split("=").map((part) => part.trim());
    const values = given?.split("|").map((value) => value.trim()) ?? [];
    if (label === "" || label.includes("|") || rest.length > 0 || values.length === 0 || values.includes(""))
      return illegal(rule, `'${term.trim()}' is not of the form label=value or label=value|value`);
    terms.push({ label, values });
  }
  return { type: "label", terms };
}

function illegal({ type, expr }: GrayRule, why: string): Refusal {
  return refusal("grayRuleIllegal", `gray rule of type '${type}' with expression '${expr.slice(0, 100)}': ${why}`);
}
