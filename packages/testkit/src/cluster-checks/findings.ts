import { type MergedFinding, mergeFindings } from "@nacre/core/diagnosis";
import type { ClusterCheck, ClusterWorld } from "../cluster-sim-world.ts";

const HEALED_MS = 15_000;
const LOOK_MS = 1000;

/** What one is told who asks all members. */
export function findingsOf(world: ClusterWorld): MergedFinding[] {
  return mergeFindings(
    world.members
      .filter(({ process, machine }) => process.isRunning && !world.foreign.has(machine))
      .map((member) => member.report()),
  );
}

/** Of clients that died, whatever members do; and of a data folder that is another one. True for longer than a fault. */
const LASTING = ["CLIENTS_SILENT", "CLIENTS_NOT_BACK", "OWNER_LOST", "MEMBER_REPLACED"];

/** DG-1: nothing is told that is not so: not while nothing is wrong, and not long after everything was mended. */
export function findings(): ClusterCheck {
  let lookedAt = 0;
  return {
    name: "DG-1",
    look(world) {
      if (world.now - lookedAt < LOOK_MS || world.now - world.soundSince < HEALED_MS || world.foreign.size > 0) return;
      lookedAt = world.now;
      const hasRestarted = new Set(world.members.filter(({ machine }) => machine.starts > 1).map(({ id }) => id));
      assertNone(
        world,
        ({ code, members }) =>
          !LASTING.includes(code) ||
          (code === "CLIENTS_NOT_BACK" && !members.some(({ id }) => hasRestarted.has(id ?? ""))),
      );
    },
    rest(world) {
      if (world.foreign.size === 0) assertNone(world, ({ code }) => code !== "MEMBER_REPLACED");
    },
  };
}

function assertNone(world: ClusterWorld, isWrong: (finding: MergedFinding) => boolean): void {
  const told = findingsOf(world).filter(
    (finding) => isWrong(finding) && !(world.hasReplaced && finding.code === "MEMBER_DOWN"),
  );
  if (told.length > 0) throw new Error(`DG-1: ${told.map(({ code, sentence }) => `${code}: ${sentence}`).join(" ")}`);
}
