import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Program } from "../../interop/lib/builds.ts";
import { tail } from "../../interop/lib/command.ts";
import { SERVICE } from "../echo-service.ts";

/** Seconds that a case waits for what does not come: long enough for a busy machine. */
const CASE_MAX_S = 2;

export interface Case {
  /** `http2/6.5.2 Sends …` */
  readonly name: string;
  /** Why it did not pass, if so; one that was skipped did not. */
  readonly failure: string | undefined;
}

/** Runs all its cases, the strict ones too, against a port of 127.0.0.1. */
export async function runH2spec(program: Program, port: number, tls: boolean): Promise<Case[]> {
  const folder = await mkdtemp(join(tmpdir(), "nacre-h2spec-"));
  try {
    const report = join(folder, "report.xml");
    const [command, ...own] = program;
    const where = ["-h", "127.0.0.1", "-p", String(port), "-P", `/${SERVICE}/Echo`, ...(tls ? ["-t", "-k"] : [])];
    const args = [...own, ...where, "-S", "-o", String(CASE_MAX_S), "-j", report];
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    const printed = tail(child.stdout, child.stderr);
    // Its exit code is 1 when a case failed; what failed stands in the report.
    await once(child, "close");
    const text = await readFile(report, "utf8").catch(() => {
      throw new Error(`h2spec wrote no report:\n${printed()}`);
    });
    return casesOf(text);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The cases of a JUnit report as h2spec writes it: attributes are escaped, contents are not. */
export function casesOf(report: string): Case[] {
  const found = report.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*>(.*?)<\/testcase>/gs);
  return Array.from(found, ([, section = "", title = "", content = ""]) => ({
    name: `${section} ${title}`,
    failure: failureOf(content.trim()),
  }));
}

/** `<failure>`, `<error>` or `<skipped>`, with what it says. */
function failureOf(content: string): string | undefined {
  if (content === "") return undefined;
  return content
    .replace(/^<(\w+)>/, "$1 ")
    .replace(/<\/\w+>$/, "")
    .replaceAll(/\s+/g, " ")
    .trim();
}
