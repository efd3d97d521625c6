import { betaTarget, type ConfigFields, GRAY_RULE_VERSION, type GrayTarget, tagTarget } from "@nacre/core/config";
import {
  BETA_GRAY,
  type ConfigType,
  configTypeOf,
  DEFAULT_CONFIG_TYPE,
  RegistryError,
  TAG_GRAY_PREFIX,
} from "@nacre/protocol";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import type { ConfigService, Publish } from "../service.ts";
import { nameIn, operatorIn, type Spelling } from "./names.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** The publish that a request asks for. What is not sent keeps what is stored (G8). */
export function publishIn(params: Params, call: Call, spelling: Spelling): Publish {
  const name = nameIn(params, spelling);
  // As it stands: white space around a content belongs to it.
  const content = params.raw("content") ?? "";
  if (content.trim() === "") params.required("content");
  const gray = grayIn(params, call);
  const encryptedDataKey = params.optional("encryptedDataKey");
  const expectedMd5 = casMd5Of(call);
  return {
    name,
    content,
    fields: fieldsIn(params, spelling),
    terms: {
      ...(expectedMd5 !== undefined && { expectedMd5 }),
      ...(params.boolean("insertOnly", false) && { insertOnly: true }),
    },
    by: operatorIn(params, call, spelling.user),
    ...(encryptedDataKey !== undefined && { encryptedDataKey }),
    ...(gray !== undefined && { gray }),
    ...(params.boolean("validate", false) && { validate: true }),
  };
}

/** Header `casMd5`; blank is none. */
export function casMd5Of(call: Call): string | undefined {
  const md5 = call.header("casmd5")?.trim().toLowerCase();
  return md5 === "" ? undefined : md5;
}

export async function removeIn(
  configs: ConfigService,
  params: Params,
  call: Call,
  spelling: Spelling,
): Promise<boolean> {
  const name = nameIn(params, spelling);
  const tag = params.optional("tag")?.trim();
  const gray = tag === undefined ? undefined : TAG_GRAY_PREFIX + tag;
  return await configs.remove(name, operatorIn(params, call, spelling.user), gray, casMd5Of(call));
}

function fieldsIn(params: Params, { tags, blankIsAbsent }: Spelling): ConfigFields {
  const fields: Writable<ConfigFields> = {};
  const type = typeIn(params);
  if (type !== undefined) fields.type = type;
  for (const [field, name] of TEXT_FIELDS) {
    const value = params.raw(name);
    if (value !== undefined && (value.trim() !== "" || !blankIsAbsent.includes(name))) fields[field] = value.trim();
  }
  if (params.has(tags)) fields.tags = tagsIn(params, tags);
  return fields;
}

const TEXT_FIELDS = [
  ["appName", "appName"],
  ["description", "desc"],
  ["use", "use"],
  ["effect", "effect"],
  ["schema", "schema"],
] as const satisfies readonly (readonly [keyof ConfigFields, string])[];

/** A type that nobody knows is text, as it always was; none at all keeps what is stored. */
function typeIn(params: Params): ConfigType | undefined {
  const type = params.optional("type");
  return type === undefined ? undefined : (configTypeOf(type) ?? DEFAULT_CONFIG_TYPE);
}

export function tagsIn(params: Params, name: string): readonly string[] {
  return [...new Set(params.list(name))];
}

/** The gray version that is meant: by addresses, by a tag, or by a name and a rule of its own; undefined for the formal one. */
function grayIn(params: Params, call: Call): GrayTarget | undefined {
  const ips = call.header("betaips")?.trim() ?? "";
  if (ips !== "") return betaTarget(ips);
  const tag = params.optional("tag");
  if (tag !== undefined) return tagTarget(tag);
  const name = params.optional("grayName")?.trim();
  if (name === undefined) return undefined;
  const expr = params.required("grayRuleExp").trim();
  if (name === BETA_GRAY) return betaTarget(expr);
  const type = params.optional("grayType")?.trim() ?? (name.startsWith(TAG_GRAY_PREFIX) ? "tag" : undefined);
  if (type === undefined)
    throw new RegistryError(
      "grayNameUnknown",
      `gray name '${name.slice(0, 128)}' does not say how it chooses: add grayType (beta, tag, percentage or label)`,
    );
  const version = params.text("grayVersion", GRAY_RULE_VERSION).trim();
  return { name, rule: { type, version, expr, priority: params.integer("grayPriority", 0) } };
}
