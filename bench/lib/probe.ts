/** Loaded into the measured server with `--import`: answers what only the process itself knows. */
import { answer } from "./remote.ts";
import { vitals } from "./vitals.ts";

answer(vitals);
