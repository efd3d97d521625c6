/** Builds the client programs into a cache folder; what is built already from the same sources is left alone. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { buildOnce } from "./build-once.ts";
import { missingCommand, runCommand } from "./command.ts";

const INTEROP = join(import.meta.dirname, "..");
const CACHE = join(INTEROP, ".cache");

/** The start of a command line; the servers and scenario names follow. */
export type Program = readonly [command: string, ...args: string[]];

export interface Build {
  /** Why it cannot be built here, if so. */
  missing(): string | undefined;
  /** Builds it if needed and gives the command to run. */
  ready(): Promise<Program>;
}

/** The Java client of one version: Maven brings its jars, javac compiles the program against them. */
export function java(version: string, folders: readonly string[]): Build {
  const output = join(CACHE, "java", version);
  const jars = join(output, "jars");
  return {
    missing: () =>
      missingCommand([
        ["mvn", "-version"],
        ["javac", "-version"],
        ["java", "-version"],
      ]),
    async ready() {
      const sources = join(INTEROP, "java");
      await buildOnce(output, { root: INTEROP, files: ["java"], salt: version }, async () => {
        const goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${jars}`];
        await runCommand("mvn", ["-q", "-B", `-Dnacos.version=${version}`, ...goal], { cwd: sources });
        const files = await Promise.all(
          folders.map(async (folder) => (await readdir(join(sources, folder))).map((name) => join(folder, name))),
        );
        await runCommand("javac", ["-nowarn", "-cp", `${jars}/*`, "-d", output, ...files.flat()], { cwd: sources });
      });
      // Small and quick to start: nothing here runs long enough for the second compiler to pay.
      const flags = ["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
      // Its files and logs would otherwise go to the home folder of whoever runs this.
      const files = ["-Duser.home=.", "-DJM.LOG.PATH=log", "-DJM.SNAPSHOT.PATH=snapshot"];
      return ["java", ...flags, ...files, "-cp", `${output}:${jars}/*`, "Main", version];
    },
  };
}

export function go(): Build {
  const output = join(CACHE, "go");
  const program = join(output, "interop");
  return {
    missing: () => missingCommand([["go", "version"]]),
    async ready() {
      await buildOnce(output, { root: INTEROP, files: ["go"] }, () =>
        runCommand("go", ["build", "-mod=readonly", "-ldflags=-s -w", "-o", program, "."], {
          cwd: join(INTEROP, "go"),
        }),
      );
      return [program];
    },
  };
}

export function rust(): Build {
  const output = join(CACHE, "rust");
  return {
    missing: () => missingCommand([["cargo", "--version"]]),
    async ready() {
      await buildOnce(output, { root: INTEROP, files: ["rust"] }, () =>
        runCommand("cargo", ["build", "-q", "--locked"], {
          cwd: join(INTEROP, "rust"),
          env: { CARGO_TARGET_DIR: output, CARGO_PROFILE_DEV_DEBUG: "0" },
        }),
      );
      return [join(output, "debug", "nacre-interop")];
    },
  };
}

export function python(version: string, program: string): Build {
  const output = join(CACHE, "python", version);
  const interpreter = join(output, "bin", "python");
  const requirements = `requirements-${version}.txt`;
  return {
    missing: () => missingCommand([["python3", "-m", "venv", "--help"]]),
    async ready() {
      const cwd = join(INTEROP, "python");
      await buildOnce(output, { root: INTEROP, files: [join("python", requirements)], salt: version }, async () => {
        await runCommand("python3", ["-m", "venv", output], { cwd });
        await runCommand(interpreter, ["-m", "pip", "install", "-q", "--no-deps", "-r", requirements], { cwd });
      });
      return [interpreter, "-B", join(cwd, program)];
    },
  };
}

/** Nothing to build: the clients are dependencies of this workspace and the programs run as they are. */
export function node(program: string): Build {
  return {
    missing: () => undefined,
    ready: async () => [process.execPath, join(INTEROP, "node", program)],
  };
}
