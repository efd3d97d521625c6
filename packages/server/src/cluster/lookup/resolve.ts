export interface Resolved {
  readonly ips: readonly string[];
  readonly error?: string;
}

/** The addresses of a host, as the system finds them. Answers within 3 s and never throws. */
export type Resolve = (host: string) => Promise<Resolved>;
