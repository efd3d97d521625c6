import type { FindingCode } from "../finding.ts";
import type { Row } from "../view.ts";
import { AP_ROWS } from "./ap.ts";
import { CLIENT_ROWS } from "./clients.ts";
import { LEADERSHIP_ROWS } from "./leadership.ts";
import { LIST_ROWS } from "./list.ts";
import { MACHINE_ROWS } from "./machine.ts";
import { REACH_ROWS } from "./reach.ts";
import { REFUSED_ROWS } from "./refused.ts";
import { REPLICA_ROWS } from "./replicas.ts";
import { VOTER_ROWS } from "./voters.ts";

/** Everything that can be found. Documents, metrics, readiness and `nacre doctor` are made from this table. */
export const CATALOGUE: { readonly [C in FindingCode]: Row } = {
  ...LIST_ROWS,
  ...REACH_ROWS,
  ...REFUSED_ROWS,
  ...AP_ROWS,
  ...LEADERSHIP_ROWS,
  ...VOTER_ROWS,
  ...REPLICA_ROWS,
  ...CLIENT_ROWS,
  ...MACHINE_ROWS,
};
