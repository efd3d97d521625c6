/** What the state map is made of. */
export interface ServerFacts {
  readonly version: string;
  readonly port: number;
  readonly mode: "standalone" | "cluster";
}

/**
 * The flat map of texts that user interfaces start from. Keys of things this release does not have say so with the
 * value that makes a user interface leave them out: no login page, no console of its own, naming alone.
 */
export function serverState({ version, port, mode }: ServerFacts): Readonly<Record<string, string | null>> {
  return {
    version,
    startup_mode: mode,
    // The 1.x and 2.0 name of the same.
    standalone_mode: mode,
    function_mode: "naming",
    server_port: String(port),
    auth_enabled: "false",
    auth_system_type: "",
    auth_admin_request: "false",
    login_page_enabled: "false",
    console_ui_enabled: "false",
    datasource_platform: "",
    plugin_datasource_log_enabled: "false",
    config_retention_days: "30",
  };
}

const LANGUAGES = ["zh-CN", "en-US"] as const;

export const isLanguage = (language: string): boolean => LANGUAGES.some((known) => known === language);
export const LANGUAGE_RULE = `Param 'language' must be one of ${LANGUAGES.join(", ")}`;
