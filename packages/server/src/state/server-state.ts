/** What the state map is made of. */
export interface ServerFacts {
  readonly version: string;
  /** The main HTTP port. */
  readonly port: number;
  readonly mode: "standalone" | "cluster";
}

/**
 * The flat map of texts that user interfaces start from. What this release does not have is named with the value that
 * makes them leave it out: no login page, no console of its own, naming alone.
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
