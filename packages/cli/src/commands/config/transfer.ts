import { openAsBlob } from "node:fs";
import { Option } from "commander";
import type { Policy } from "../../client/model.ts";
import { unreadable } from "../../failure.ts";
import type { Register } from "../../index.ts";
import { namespaceOption, open, type RemoteOptions, remoteOptions, show } from "../remote.ts";

export const POLICIES: readonly Policy[] = ["abort", "skip", "overwrite"];

const ABORTED =
  "With --policy abort the first one that exists ends the import: choose --policy skip or --policy overwrite.";

interface ExportOptions extends RemoteOptions {
  readonly namespace: string;
  readonly group?: string;
  readonly dataId?: string;
  readonly app?: string;
}

/** `nacre config export`: the zip that consoles of Nacos read and write. */
export const exportCommand: Register = (parent, context) => {
  const command = parent
    .command("export")
    .description("Write a zip of the configurations of a namespace: nacre config export > configs.zip.")
    .option("--group <name>", "of this group")
    .option("--data-id <name>", "with this name")
    .option("--app <name>", "of this application");
  namespaceOption(remoteOptions(command, context)).action(async (options: ExportOptions) => {
    const { remote } = await open(options, context);
    const { namespace, group, dataId, app } = options;
    for await (const bytes of await remote.exported({ namespace, group, dataId, app }))
      await context.output.bytes(bytes);
  });
};

/** `nacre config import`. */
export const importCommand: Register = (parent, context) => {
  const command = parent
    .command("import <file>")
    .description("Publish what an exported zip holds.")
    .addOption(new Option("--policy <policy>", "what to do with those that exist").choices(POLICIES).default("abort"));
  namespaceOption(remoteOptions(command, context)).action(
    async (file: string, options: RemoteOptions & { namespace: string; policy: Policy }) => {
      const zip = await zipIn(file);
      const { remote } = await open(options, context);
      const result = await remote.imported(options.namespace, options.policy, zip);
      show(context, options, result, () =>
        [
          `Published ${result.succeeded}, left ${result.skipped.length} as they are, failed ${result.failed.length}.`,
          ...result.failed.map(({ group, dataId }) => `  failed: ${dataId} (group ${group})`),
          ...(options.policy === "abort" && result.failed.length > 0 ? [ABORTED] : []),
          "",
        ].join("\n"),
      );
      if (result.failed.length > 0) context.exit(1);
    },
  );
};

/** A file that is read when it is sent. */
async function zipIn(file: string): Promise<Blob> {
  try {
    return await openAsBlob(file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}
