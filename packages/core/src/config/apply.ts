import type { Refusal } from "../lib/refusal.ts";
import { setCapacity, setCapacityRefused } from "./capacity.ts";
import { type ConfigCommand, PRUNE_ROWS_MAX } from "./commands.ts";
import { answer, write } from "./entry.ts";
import type { Event } from "./events.ts";
import { commit, commitRefused, dropStaged, stage, stageRefused } from "./import.ts";
import { editNamespace, namespaceRefused } from "./namespaces.ts";
import { publish, publishRefused, remove, removeRefused } from "./publish.ts";
import { boundReached, commandBroken } from "./rules.ts";
import type { ConfigState, Turn } from "./state.ts";

/**
 * Why a command would be refused as things stand: asked before it goes into the log, where it costs an fsync and the
 * space of its content. Names, sizes and the bounds of this member are looked at here only: an entry of the log is not
 * refused because somebody changed an option since.
 */
export function refuses(state: ConfigState, command: ConfigCommand): Refusal | undefined {
  return commandBroken(state.options, command) ?? applyRefused(state, command) ?? boundReached(state, command);
}

/** What `apply` itself refuses (G3). */
function applyRefused(state: ConfigState, command: ConfigCommand): Refusal | undefined {
  switch (command.type) {
    case "publishConfig":
      return publishRefused(state, command);
    case "removeConfigs":
      return removeRefused(state, command);
    case "stageConfigs":
      return stageRefused(state, command);
    case "commitConfigs":
      return commitRefused(state, command);
    case "createNamespace":
    case "updateNamespace":
    case "deleteNamespace":
      return namespaceRefused(state, command);
    case "setCapacity":
      return setCapacityRefused(command);
    case "dropStaged":
    case "pruneHistory":
      return undefined;
  }
}

/** Applies one entry of the log. Looks at durable state and at the entry only, so that every member writes the same. */
export function apply(turn: Turn, entry: Extract<Event, { type: "apply" }>): void {
  const { command } = entry;
  const refused = applyRefused(turn.state, command);
  if (refused !== undefined) {
    turn.effects.push(refused);
    return;
  }
  switch (command.type) {
    case "publishConfig":
      return publish(turn, entry, command);
    case "removeConfigs":
      return remove(turn, entry, command);
    case "stageConfigs":
      return stage(turn, command);
    case "commitConfigs":
      return commit(turn, entry, command);
    case "dropStaged":
      return dropStaged(turn, command.importId);
    case "pruneHistory":
      write(turn, { kind: "pruneHistory", before: command.before, max: PRUNE_ROWS_MAX });
      return answer(turn, { type: "done" });
    case "createNamespace":
    case "updateNamespace":
    case "deleteNamespace":
      return editNamespace(turn, command);
    case "setCapacity":
      return setCapacity(turn, entry, command);
  }
}
