import { RegistryError, type TextMap } from "@nacre/protocol";

/** Characters of one text field of a checker: path, headers, user, password, command. */
export const CHECKER_TEXT_MAX = 1024;

export type HttpChecker = {
  readonly type: "HTTP";
  /** With its query; always begins with a slash. */
  readonly path: string;
  /** `name:value|name:value` */
  readonly headers: string;
  readonly expectedResponseCode: number;
};
export type MysqlChecker = {
  readonly type: "MYSQL";
  readonly user: string;
  readonly pwd: string;
  readonly cmd: string;
};
/** How instances of a cluster are checked. `pwd` is a secret: never log a checker as a whole. */
export type Checker = { readonly type: "TCP" } | { readonly type: "NONE" } | HttpChecker | MysqlChecker;

/** The kinds that put something on the wire. */
export type CheckType = "TCP" | "HTTP" | "MYSQL";
export const CHECK_TYPES = ["TCP", "HTTP", "MYSQL"] as const satisfies readonly CheckType[];

/** Every kind with its defaults, as the API lists them. */
export const CHECKERS = {
  NONE: { type: "NONE" },
  TCP: { type: "TCP" },
  HTTP: { type: "HTTP", path: "/", headers: "", expectedResponseCode: 200 },
  MYSQL: { type: "MYSQL", user: "", pwd: "", cmd: "" },
} as const satisfies Record<Checker["type"], Checker>;

/**
 * Reads a checker from JSON text or from the object inside it. Absent fields take their defaults.
 *
 * @throws RegistryError `invalidParameter` naming the field and its rule; the text of the checker is never repeated.
 */
export function parseChecker(given: unknown): Checker {
  const body = typeof given === "string" ? parseJson(given) : given;
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw refused(`must be a JSON object such as {"type":"TCP"}`);
  const fields = body as Record<string, unknown>;
  switch (fields.type) {
    case "TCP":
    case "NONE":
      return { type: fields.type };
    case "HTTP": {
      const path = text(fields, "path");
      const headers = text(fields, "headers");
      parseHeaders(headers);
      return {
        type: "HTTP",
        path: path.startsWith("/") ? path : `/${path}`,
        headers,
        expectedResponseCode: status(fields.expectedResponseCode),
      };
    }
    case "MYSQL":
      return { type: "MYSQL", user: text(fields, "user"), pwd: text(fields, "pwd"), cmd: text(fields, "cmd") };
    default:
      throw refused(`type must be one of ${Object.keys(CHECKERS).join(", ")}`);
  }
}

/**
 * The pairs of `name:value|name:value`. A value may hold colons, and blanks around both are dropped.
 *
 * @throws RegistryError `invalidParameter` when a pair has no name or a character that no header may carry.
 */
export function parseHeaders(headers: string): readonly (readonly [name: string, value: string])[] {
  return headers
    .split("|")
    .map((pair) => pair.trim())
    .filter((pair) => pair !== "")
    .map((pair, at) => {
      const colon = pair.indexOf(":");
      const name = pair.slice(0, Math.max(colon, 0)).trim();
      const value = pair.slice(colon + 1).trim();
      if (!/^[!#$%&'*+.^_`|~0-9a-zA-Z-]+$/.test(name) || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
        throw refused(`headers must be written name:value|name:value; pair ${at + 1} is not`);
      return [name, value] as const;
    });
}

/**
 * Whether metadata takes an instance out of checking. The wire's key says the opposite of what it does: with
 * `enableHealthCheck=true` in the metadata of the instance or of its service, the check is skipped.
 */
export function checkSkipped(instanceMetadata: TextMap, serviceMetadata: TextMap): boolean {
  return [instanceMetadata, serviceMetadata].some(
    (metadata) => Object.hasOwn(metadata, "enableHealthCheck") && metadata.enableHealthCheck?.toLowerCase() === "true",
  );
}

function parseJson(given: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    // Without its cause: the parser's message quotes the text, which may hold a password.
    throw refused("is not JSON");
  }
}

function text(fields: Record<string, unknown>, name: string): string {
  const value = fields[name] ?? "";
  if (typeof value !== "string") throw refused(`${name} must be text`);
  if (value.length > CHECKER_TEXT_MAX) throw refused(`${name} must not exceed ${CHECKER_TEXT_MAX} characters`);
  return value;
}

function status(value: unknown): number {
  if (value === undefined || value === null) return 200;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 100 || value > 599)
    throw refused("expectedResponseCode must be an HTTP status from 100 to 599");
  return value;
}

function refused(rule: string): RegistryError {
  return new RegistryError("invalidParameter", `healthChecker ${rule}`);
}
