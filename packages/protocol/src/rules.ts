import { RegistryError } from "./failures.ts";

/** What names may look like, on every wire and before any business logic. A blank value passes every rule. */
interface Rule {
  readonly lengthMax: number;
  readonly pattern: RegExp;
  /** As the messages of the reference name the parameter. */
  readonly param: string;
}

const RULES = {
  namespace: { lengthMax: 64, pattern: /^[\w-]+$/, param: "namespaceId/tenant" },
  namespaceShowName: { lengthMax: 256, pattern: /^[^@#$%^&*]+$/, param: "namespaceShowName" },
  group: { lengthMax: 128, pattern: /^[a-zA-Z0-9\-_:.]*$/, param: "group" },
  dataId: { lengthMax: 256, pattern: /^[a-zA-Z0-9\-_:.]*$/, param: "dataId" },
  // Stricter than the reference, which forgets to look at the first character: no ideograph or white space anywhere.
  serviceName: { lengthMax: 512, pattern: /^(?!@)(?:(?!@@)[^\u4E00-\u9FA5\s\0])*$/, param: "serviceName" },
  cluster: { lengthMax: 64, pattern: /^[0-9a-zA-Z\-_]+$/, param: "cluster" },
  ip: { lengthMax: 128, pattern: /^[^\u4E00-\u9FA5\s\0]*$/, param: "ip" },
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof RULES;

/** The longest metadata of an instance by default: the lengths of all keys and values added up, in UTF-16 units. */
export const METADATA_LENGTH_MAX = 1024;

/** @returns what is wrong with the value, or undefined. */
export function ruleBroken(rule: RuleName, value: string | undefined): string | undefined {
  if (value === undefined || value.trim() === "") return undefined;
  const { lengthMax, pattern, param } = RULES[rule];
  if (value.length > lengthMax) return `Param '${param}' is illegal, the param length should not exceed ${lengthMax}.`;
  if (!pattern.test(value)) return `Param '${param}' is illegal, illegal characters should not appear in the param.`;
  return undefined;
}

/** Each of a comma list of clusters. */
export function clustersBroken(clusters: string | undefined): string | undefined {
  if (clusters === undefined || clusters === "") return undefined;
  for (const cluster of clusters.split(",")) {
    const broken = ruleBroken("cluster", cluster);
    if (broken !== undefined) return broken;
  }
  return undefined;
}

export function portBroken(port: number, param = "port"): string | undefined {
  return Number.isInteger(port) && port >= 0 && port <= 65535
    ? undefined
    : `Param '${param}' is illegal, the value should be between 0 and 65535.`;
}

export function metadataBroken(metadata: Readonly<Record<string, string>>, lengthMax: number): string | undefined {
  let length = 0;
  for (const [key, value] of Object.entries(metadata)) length += key.length + value.length;
  return length > lengthMax
    ? `Param 'metadata' is illegal, the param length should not exceed ${lengthMax}.`
    : undefined;
}

/** @throws RegistryError `invalidParameter` with the first of the given texts that is not undefined. */
export function refuseBroken(...broken: readonly (string | undefined)[]): void {
  for (const text of broken) if (text !== undefined) throw new RegistryError("invalidParameter", text);
}
