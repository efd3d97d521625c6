import type { Act } from "../lib/scenario.ts";
import { fleet } from "./fleet.ts";

export const ACTS: readonly Act[] = [fleet];
