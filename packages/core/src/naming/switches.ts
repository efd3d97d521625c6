import type { HealthParams } from "../health/params.ts";

/** How the interval of one kind of health check adapts, as operators write it. */
export interface CheckParams {
  readonly max: number;
  readonly min: number;
  readonly factor: number;
}

/** Runtime switches of naming: durable, changed by operators, the same on every member. */
export interface Switches {
  readonly defaultPushCacheMillis: number;
  readonly clientBeatInterval: number;
  readonly defaultCacheMillis: number;
  readonly distroThreshold: number;
  readonly healthCheckEnabled: boolean;
  readonly autoChangeHealthCheckEnabled: boolean;
  readonly distroEnabled: boolean;
  readonly enableStandalone: boolean;
  readonly pushEnabled: boolean;
  readonly checkTimes: number;
  readonly httpHealthParams: CheckParams;
  readonly tcpHealthParams: CheckParams;
  readonly mysqlHealthParams: CheckParams;
  readonly serverStatusSynchronizationPeriodMillis: number;
  readonly serviceStatusSynchronizationPeriodMillis: number;
  readonly disableAddIP: boolean;
  readonly sendBeatOnly: boolean;
  readonly lightBeatEnabled: boolean;
  readonly limitedUrlMap: Readonly<Record<string, number>>;
  readonly distroServerExpiredMillis: number;
  readonly pushVersionOfGo: string;
  readonly pushVersionOfJava: string;
  readonly pushVersionOfPython: string;
  readonly pushVersionOfC: string;
  readonly pushVersionOfCSharp: string;
  readonly overriddenServerStatus: string | null;
  readonly defaultInstanceEphemeral: boolean;
  readonly masters: readonly string[] | null;
}

export const DEFAULT_SWITCHES: Switches = {
  defaultPushCacheMillis: 10_000,
  clientBeatInterval: 5_000,
  defaultCacheMillis: 3_000,
  distroThreshold: 0.7,
  healthCheckEnabled: true,
  autoChangeHealthCheckEnabled: true,
  distroEnabled: true,
  enableStandalone: true,
  pushEnabled: true,
  checkTimes: 3,
  httpHealthParams: { max: 5000, min: 500, factor: 0.85 },
  tcpHealthParams: { max: 5000, min: 1000, factor: 0.75 },
  mysqlHealthParams: { max: 3000, min: 2000, factor: 0.65 },
  serverStatusSynchronizationPeriodMillis: 2_000,
  serviceStatusSynchronizationPeriodMillis: 5_000,
  disableAddIP: false,
  sendBeatOnly: false,
  lightBeatEnabled: true,
  limitedUrlMap: {},
  distroServerExpiredMillis: 10_000,
  pushVersionOfGo: "0.1.0",
  pushVersionOfJava: "0.1.0",
  pushVersionOfPython: "0.4.3",
  pushVersionOfC: "1.0.12",
  pushVersionOfCSharp: "0.9.0",
  overriddenServerStatus: null,
  defaultInstanceEphemeral: true,
  masters: null,
};

const STATUSES = ["STARTING", "UP", "DOWN", "PAUSED", "READ_ONLY", "WRITE_ONLY"];
const LANGUAGES: Readonly<Record<string, keyof Switches>> = {
  java: "pushVersionOfJava",
  python: "pushVersionOfPython",
  c: "pushVersionOfC",
  go: "pushVersionOfGo",
  csharp: "pushVersionOfCSharp",
};

/** What a value of an entry turns into: the fields that change, or what is wrong with it as a sentence. */
type Parsed = { readonly change: Partial<Switches> } | { readonly wrong: string };

const flag =
  (field: keyof Switches) =>
  (value: string): Parsed =>
    value === "true" || value === "false"
      ? { change: { [field]: value === "true" } }
      : { wrong: "must be true or false" };

const integer =
  (field: keyof Switches, least: number) =>
  (value: string): Parsed =>
    /^\d{1,12}$/.test(value) && Number(value) >= least
      ? { change: { [field]: Number(value) } }
      : { wrong: `must be an integer of at least ${least}` };

const healthParams =
  (field: keyof Switches) =>
  (value: string): Parsed => {
    const wrong = "must be JSON with min (>= 500), max (>= 3000, >= min) and factor (0 to 1)";
    try {
      const { max, min, factor } = JSON.parse(value) as Record<string, unknown>;
      const right =
        typeof max === "number" &&
        typeof min === "number" &&
        typeof factor === "number" &&
        min >= 500 &&
        max >= 3000 &&
        max >= min &&
        factor >= 0 &&
        factor <= 1;
      return right ? { change: { [field]: { max, min, factor } } } : { wrong };
    } catch {
      return { wrong };
    }
  };

/** Entry name as operators write it, to what its value turns into. */
const ENTRIES: Readonly<Record<string, (value: string) => Parsed>> = {
  masters: (value) => ({ change: { masters: value.split(",").filter((part) => part !== "") } }),
  pushCacheMillis: integer("defaultPushCacheMillis", 10_000),
  clientBeatInterval: integer("clientBeatInterval", 100),
  defaultCacheMillis: integer("defaultCacheMillis", 1_000),
  distroThreshold: (value) =>
    Number(value) > 0 && Number.isFinite(Number(value))
      ? { change: { distroThreshold: Number(value) } }
      : { wrong: "must be a number above 0" },
  check: flag("healthCheckEnabled"),
  autoChangeHealthCheckEnabled: flag("autoChangeHealthCheckEnabled"),
  distro: flag("distroEnabled"),
  enableStandalone: flag("enableStandalone"),
  pushEnabled: flag("pushEnabled"),
  healthCheckTimes: integer("checkTimes", 1),
  httpHealthParams: healthParams("httpHealthParams"),
  tcpHealthParams: healthParams("tcpHealthParams"),
  mysqlHealthParams: healthParams("mysqlHealthParams"),
  serverStatusSynchronizationPeriodMillis: integer("serverStatusSynchronizationPeriodMillis", 1_000),
  serviceStatusSynchronizationPeriodMillis: integer("serviceStatusSynchronizationPeriodMillis", 5_000),
  disableAddIP: flag("disableAddIP"),
  sendBeatOnly: flag("sendBeatOnly"),
  lightBeatEnabled: flag("lightBeatEnabled"),
  distroServerExpiredMillis: integer("distroServerExpiredMillis", 1),
  defaultInstanceEphemeral: flag("defaultInstanceEphemeral"),
  overriddenServerStatus: (value) =>
    value === "" || STATUSES.includes(value)
      ? { change: { overriddenServerStatus: value === "" ? null : value } }
      : { wrong: `must be empty or one of ${STATUSES.join(", ")}` },
  limitedUrlMap: (value) => {
    const map: [string, number][] = [];
    for (const part of value.split(",").filter((text) => text !== "")) {
      const at = part.lastIndexOf(":");
      const status = Number(part.slice(at + 1));
      if (at < 1 || !Number.isInteger(status) || status < 100 || status > 599)
        return { wrong: "must be prefix:status pairs with a status of 100 to 599, separated by commas" };
      map.push([part.slice(0, at), status]);
    }
    return { change: { limitedUrlMap: Object.fromEntries(map) } };
  },
  pushVersion: (value) => {
    const [language, version] = value.split(":");
    const field = Object.hasOwn(LANGUAGES, language ?? "") ? LANGUAGES[language as string] : undefined;
    return field !== undefined && /^\d+\.\d+\.\d+$/.test(version ?? "")
      ? { change: { [field]: version } }
      : { wrong: "must be language:x.y.z with one of java, python, c, go, csharp" };
  },
};

/** @returns the fields that an entry sets, or what is wrong as a sentence that names the entry and its rule. */
export function changeOfSwitch(entry: string, value: string): Partial<Switches> | string {
  const parse = Object.hasOwn(ENTRIES, entry) ? ENTRIES[entry] : undefined;
  if (parse === undefined) return `unknown switch '${entry}'; known are ${Object.keys(ENTRIES).join(", ")}`;
  const parsed = parse(value);
  return "wrong" in parsed ? `switch '${entry}' ${parsed.wrong}, not '${value}'` : parsed.change;
}

/** The key of the row in which stores of before hold all switches; since, each that was set has a row of its own. */
const ALL = "switches";

/** Switches as rows of the store hold them. */
export interface StoredSwitches {
  readonly switches: Switches;
  /** They have one row for all: it goes with the next change. */
  readonly switchesInOneRow: boolean;
}

export const NO_STORED_SWITCHES: StoredSwitches = { switches: DEFAULT_SWITCHES, switchesInOneRow: false };

/** One more row. A switch that no row knows has its default, and one that only a later version knows is passed over. */
export function readSwitchRow(stored: StoredSwitches, key: string, value: unknown): StoredSwitches {
  if (key === ALL)
    return { switches: { ...DEFAULT_SWITCHES, ...(value as Partial<Switches>) }, switchesInOneRow: true };
  if (!Object.hasOwn(DEFAULT_SWITCHES, key)) return stored;
  const { switches, switchesInOneRow } = stored;
  return { switches: { ...switches, [key]: value }, switchesInOneRow };
}

/**
 * The rows that a change writes: only those of what it sets, so that members whose versions know other switches write the
 * same.
 */
export function switchRows(
  { switches, switchesInOneRow }: StoredSwitches,
  change: Partial<Switches>,
): { readonly key: string; readonly value: unknown }[] {
  const rows = Object.entries(switchesInOneRow ? { ...switches, ...change } : change).map(([key, value]) => ({
    key,
    value,
  }));
  return switchesInOneRow ? [...rows, { key: ALL, value: undefined }] : rows;
}

/** The switches that health checking obeys, in its own terms. */
export function healthParamsOf(switches: Switches): HealthParams {
  const interval = ({ min, max, factor }: CheckParams) => ({ minMs: min, maxMs: max, factor });
  return {
    enabled: switches.healthCheckEnabled,
    checkTimes: switches.checkTimes,
    intervals: {
      TCP: interval(switches.tcpHealthParams),
      HTTP: interval(switches.httpHealthParams),
      MYSQL: interval(switches.mysqlHealthParams),
    },
  };
}
