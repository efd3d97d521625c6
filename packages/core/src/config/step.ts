import type { Millis } from "../lib/units.ts";
import { apply } from "./apply.ts";
import type { Effect, Event } from "./events.ts";
import { retryFuzzy, unwatch, unwatchAll, watch, watchSettled } from "./fuzzy.ts";
import { disconnect, listen, served, unlisten } from "./listen.ts";
import { flush, flushNext, notifyDue, remindDue, settled } from "./notify.ts";
import { endPoll, park, pollGone } from "./polls.ts";
import type { ConfigState, Task, Turn } from "./state.ts";

export { load, loadConfig, loadStaged } from "./load.ts";

/** The only way configuration changes. A case left out of this switch does not compile. */
export function step(state: ConfigState, event: Event, now: Millis): Effect[] {
  const turn: Turn = { state, now, effects: [] };
  handle(turn, event);
  // Behind everything else: what an entry changes in many places is one answer to a poll that waits for all of them.
  flush(turn);
  return turn.effects;
}

/** When `step` next has something to do with a tick; undefined when nothing waits. */
export function nextWakeAt(state: ConfigState): Millis | undefined {
  return state.tasks.nextAt();
}

function handle(turn: Turn, event: Event): void {
  const { state } = turn;
  switch (event.type) {
    case "apply":
      return apply(turn, event);
    case "listen":
      return listen(turn, event);
    case "unlisten":
      return unlisten(turn, event.clientId, event.names);
    case "served":
      return served(turn, event);
    case "disconnected":
      unwatchAll(turn, event.clientId);
      return disconnect(turn, event.clientId);
    case "poll":
      return park(turn, event);
    case "pollGone":
      return pollGone(turn, event.id);
    case "watch":
      return watch(turn, event);
    case "unwatch":
      return unwatch(turn, event.clientId, event.pattern);
    case "pushSettled":
      if (!watchSettled(turn, event)) settled(turn, event);
      return;
    case "tick":
      for (let due = state.tasks.due(turn.now); due !== undefined; due = state.tasks.due(turn.now))
        for (const task of due) perform(turn, task);
  }
}

function perform(turn: Turn, task: Task): void {
  switch (task.type) {
    case "flush":
      return flushNext(turn);
    case "remind":
      return remindDue(turn, task.item);
    case "notifyRetry":
      return notifyDue(turn, task.listener);
    case "fuzzyRetry":
      return retryFuzzy(turn, task.message);
    case "pollEnd":
      return endPoll(turn, task.poll);
  }
}
