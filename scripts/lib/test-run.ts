import { availableParallelism } from "node:os";
import { relative } from "node:path";
import { run } from "node:test";
import { inspect } from "node:util";
import { lineOf, ROOT, type StepResult, say } from "./steps.ts";

/** Runs test files, each in a process of its own; shows what failed and counts the rest. */
export async function testStep(name: string, files: readonly string[], inCi: boolean): Promise<StepResult> {
  const startedAt = performance.now();
  const count = { passed: 0, failed: 0, skipped: 0 };
  const output = new Map<string, string>();
  const failedFiles = new Set<string>();
  const stream = run({ files: [...files], cwd: ROOT, concurrency: availableParallelism(), timeout: 300_000 });
  for await (const { type, data } of stream) {
    if (type === "test:stderr" || type === "test:stdout") {
      output.set(data.file, `${output.get(data.file) ?? ""}${data.message}`.slice(-20_000));
    } else if (type === "test:pass" && data.details.type !== "suite") {
      if (data.skip !== undefined || data.todo !== undefined) {
        count.skipped += 1;
        say(`  skipped: ${data.name} (${place(data)})${typeof data.skip === "string" ? `: ${data.skip}` : ""}`);
      } else count.passed += 1;
    } else if (type === "test:fail") {
      const error = data.details.error as Error & { failureType?: string };
      if (error.failureType === "subtestsFailed") continue;
      count.failed += 1;
      if (data.file !== undefined) failedFiles.add(data.file);
      say(`  FAIL ${data.name} (${place(data)})\n${indented(inspect(error.cause ?? error, { depth: 6 }))}`);
    }
  }
  for (const file of failedFiles) {
    const text = output.get(file);
    if (text !== undefined) say(`  output of ${relative(ROOT, file)}:\n${indented(text)}`);
  }
  // A skip is for a machine without a toolchain. CI has all of them, so there a skip hides something.
  const ok = count.failed === 0 && count.passed > 0 && !(inCi && count.skipped > 0);
  const note = `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped in ${files.length} files`;
  const result = { name, ok, tookMs: performance.now() - startedAt, note };
  say(lineOf(result));
  return result;
}

function place(data: { file?: string | undefined; line?: number | undefined }): string {
  return data.file === undefined ? "?" : `${relative(ROOT, data.file)}:${data.line ?? 0}`;
}

function indented(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, "    ");
}
