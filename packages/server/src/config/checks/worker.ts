import { parentPort } from "node:worker_threads";
import { RegistryError } from "@nacre/protocol";
import { check } from "./check.ts";
import type { Outcome, Task } from "./tasks.ts";

const encoder = new TextEncoder();

/** The entry of the thread that parses what others wrote. Whoever started it counts its time and its memory. */

parentPort?.on("message", (task: Task) => {
  void perform(task).then((outcome) =>
    parentPort?.postMessage(outcome, outcome.kind === "data" ? [outcome.json.buffer] : []),
  );
});

async function perform(task: Task): Promise<Outcome> {
  try {
    if (task.kind === "check") {
      return { kind: "checked", problem: await check(task.type, task.text, task.schema) };
    }
    const { yamlTexts } = await import("./yaml.ts");
    return { kind: "data", json: encoder.encode(JSON.stringify({ data: yamlTexts(task.text) ?? null })) };
  } catch (thrown) {
    const error = RegistryError.from(thrown);
    const why =
      error.failure === "serverError" ? `the check failed: ${String(error.cause ?? error.message)}` : error.message;
    return { kind: "failed", failure: error.failure, message: why };
  }
}
