import type { Act } from "../lib/scenario.ts";
import { chaos } from "./chaos.ts";
import { checks } from "./checks.ts";
import { clients } from "./clients.ts";
import { cuts } from "./cuts.ts";
import { fleet } from "./fleet.ts";
import { group } from "./group.ts";
import { leftBehind } from "./left-behind.ts";
import { lists } from "./lists.ts";
import { voters } from "./voters.ts";

export const ACTS: readonly Act[] = [fleet, cuts, lists, clients, group, checks, voters, leftBehind, chaos];
