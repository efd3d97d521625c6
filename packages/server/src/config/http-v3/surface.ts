/** The admin API and the console API have the same endpoints under other paths, with a few differences. */
export interface Surface {
  readonly base: string;
  readonly isConsole: boolean;
}

export const ADMIN: Surface = { base: "/v3/admin/cs", isConsole: false };
export const CONSOLE: Surface = { base: "/v3/console/cs", isConsole: true };
