import type { Checker } from "../distro-model.ts";
import { convergence } from "./ap1-convergence.ts";
import { heal } from "./ap2-heal.ts";
import { resurrection } from "./ap3-resurrection.ts";
import { falseRemoval } from "./ap4-false-removal.ts";
import { ownClients } from "./ap5-own-clients.ts";
import { monotonic } from "./ap6-monotonic.ts";
import { repeats } from "./ap7-repeats.ts";
import { deadClient } from "./ap8-dead-client.ts";
import { deadOwner } from "./ap9-dead-owner.ts";
import { oneOwner } from "./ap10-one-owner.ts";
import { notLoaded } from "./ap11-not-loaded.ts";
import { loadEnds } from "./ap12-load-ends.ts";
import { noShrinking } from "./ap14-no-shrinking.ts";
import { quietTraffic } from "./ap16-quiet-traffic.ts";
import { parts } from "./parts.ts";

/** Every checker of the available side; each run needs its own. */
export const CHECKERS = {
  "AP-1": convergence,
  "AP-2": heal,
  "AP-3": resurrection,
  "AP-4": () => falseRemoval(),
  "AP-5": ownClients,
  "AP-6": monotonic,
  "AP-7": repeats,
  "AP-8": () => deadClient(),
  "AP-9": deadOwner,
  "AP-10": oneOwner,
  "AP-11": notLoaded,
  "AP-12": () => loadEnds(8),
  "AP-14": noShrinking,
  "AP-16": quietTraffic,
  parts,
} as const satisfies Record<string, () => Checker>;

export function allCheckers(): Checker[] {
  return Object.values(CHECKERS).map((make) => make());
}
