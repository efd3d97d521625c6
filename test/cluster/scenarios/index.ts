import type { Act } from "../lib/scenario.ts";
import { clients } from "./clients.ts";
import { cuts } from "./cuts.ts";
import { fleet } from "./fleet.ts";
import { lists } from "./lists.ts";

export const ACTS: readonly Act[] = [fleet, cuts, lists, clients];
