import { execFile } from "node:child_process";
import { mkdir, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { MemberProcess } from "./member-process.ts";

const run = promisify(execFile);
const BALLAST = "ballast";
/** Written in such parts, so that the last one that does not fit leaves little. */
const PART_BYTES = 64 * 1024;

/** A disk of a few MiB in memory in the place of a member's data folder, as only the owner of a machine can mount it. */
export class SmallDisk {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** For a member that does not run, with an empty folder. @returns why there is none, where this user cannot mount. */
  static async mount(member: MemberProcess, mebibytes: number): Promise<SmallDisk | string> {
    await mkdir(member.dataFolder, { recursive: true });
    try {
      await run("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", member.dataFolder]);
    } catch (thrown) {
      return `no disk of a few MiB can be mounted here: ${(thrown as Error).message.split("\n").at(1) ?? thrown}`;
    }
    return new SmallDisk(member.dataFolder);
  }

  /** Until nothing fits any more. */
  async fill(): Promise<void> {
    const ballast = Buffer.alloc(PART_BYTES, 1);
    for (let part = 0; ; part++) {
      const { bavail, bsize } = await statfs(this.#folder);
      const bytes = Math.min(PART_BYTES, bavail * bsize);
      if (bytes === 0) return;
      await writeFile(join(this.#folder, `${BALLAST}-${part}`), ballast.subarray(0, bytes)).catch(() => {});
      if (bytes < PART_BYTES && part > 10_000) return;
    }
  }

  async free(): Promise<void> {
    await run("find", [this.#folder, "-maxdepth", "1", "-name", `${BALLAST}-*`, "-delete"]);
  }

  /** When the member has ended; what was on the disk is lost. */
  async unmount(): Promise<void> {
    await run("umount", [this.#folder]);
    await rm(this.#folder, { recursive: true, force: true });
  }
}
