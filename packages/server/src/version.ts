import manifest from "../package.json" with { type: "json" };

/** The version of Nacre; all packages share one. */
export const VERSION: string = manifest.version;
