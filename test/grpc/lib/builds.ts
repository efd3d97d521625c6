/** Builds the client programs into a cache folder; what is built already from the same sources is left alone. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { buildOnce } from "../../interop/lib/build-once.ts";
import type { Build } from "../../interop/lib/builds.ts";
import { missingCommand, runCommand } from "../../interop/lib/command.ts";

const ROOT = join(import.meta.dirname, "..");
const CACHE = join(ROOT, ".cache");

export function go(): Build {
  return goProgram("go", ".");
}

/** The conformance tester, at the version and checksums of its go.mod and go.sum. */
export function h2spec(): Build {
  return goProgram("h2spec", "github.com/summerwind/h2spec/cmd/h2spec");
}

function goProgram(folder: string, name: string): Build {
  const output = join(CACHE, folder);
  const program = join(output, "program");
  return {
    missing: () => missingCommand([["go", "version"]]),
    async ready() {
      const cwd = join(ROOT, folder);
      const args = ["build", "-mod=readonly", "-ldflags=-s -w", "-o", program, name];
      await buildOnce(output, { root: ROOT, files: [folder] }, () => runCommand("go", args, { cwd }));
      return [program];
    },
  };
}

/** Maven brings the jars, javac compiles the program against them. */
export function java(): Build {
  const output = join(CACHE, "java");
  const jars = join(output, "jars");
  const cwd = join(ROOT, "java");
  return {
    missing: () =>
      missingCommand([
        ["mvn", "-version"],
        ["javac", "-version"],
        ["java", "-version"],
      ]),
    async ready() {
      await buildOnce(output, { root: ROOT, files: ["java"] }, async () => {
        const goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${jars}`];
        // Those of an older version would stay on the class path.
        await rm(jars, { recursive: true, force: true });
        await runCommand("mvn", ["-q", "-B", ...goal], { cwd });
        const sources = (await readdir(cwd)).filter((name) => name.endsWith(".java"));
        await runCommand("javac", ["-encoding", "UTF-8", "-cp", `${jars}/*`, "-d", output, ...sources], { cwd });
      });
      // Small and quick to start: nothing here runs long enough for the second compiler to pay.
      const flags = ["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
      return ["java", ...flags, "-cp", `${output}:${jars}/*`, "Main"];
    },
  };
}

export function python(): Build {
  const output = join(CACHE, "python");
  const interpreter = join(output, "bin", "python");
  const cwd = join(ROOT, "python");
  return {
    missing: () => missingCommand([["python3", "-m", "venv", "--help"]]),
    async ready() {
      await buildOnce(output, { root: ROOT, files: ["python/requirements.txt"] }, async () => {
        await runCommand("python3", ["-m", "venv", output], { cwd });
        await runCommand(interpreter, ["-m", "pip", "install", "-q", "--no-deps", "-r", "requirements.txt"], { cwd });
      });
      return [interpreter, "-B", join(cwd, "client.py")];
    },
  };
}

export function rust(): Build {
  const output = join(CACHE, "rust");
  return {
    missing: () => missingCommand([["cargo", "--version"]]),
    async ready() {
      await buildOnce(output, { root: ROOT, files: ["rust"] }, () =>
        runCommand("cargo", ["build", "-q", "--locked"], {
          cwd: join(ROOT, "rust"),
          env: { CARGO_TARGET_DIR: output, CARGO_PROFILE_DEV_DEBUG: "0" },
        }),
      );
      return [join(output, "debug", "nacre-grpc-client")];
    },
  };
}

/** Nothing to build: the client is a dependency of this workspace and the program runs as it is. */
export function node(): Build {
  return {
    missing: () => undefined,
    ready: async () => [process.execPath, join(ROOT, "node", "client.ts")],
  };
}
