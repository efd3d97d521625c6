import { Option } from "commander";
import type { ConfigDetail, ConfigName, Remote } from "../../client/model.ts";
import { shown } from "../../client/v3.ts";
import { CliError } from "../../failure.ts";
import type { Register } from "../../index.ts";
import { timeText } from "../../show/table.ts";
import {
  namespaceOption,
  open,
  type PageOptions,
  pageOptions,
  type RemoteOptions,
  remoteOptions,
  type ScopedOptions,
  scopedOptions,
  showPage,
} from "../remote.ts";

/** `nacre config get`: the bytes of the content and nothing else, so that it can be written to a file. */
export const getCommand: Register = (parent, context) => {
  const command = parent.command("get <dataId>").description("Write the content of a configuration, byte for byte.");
  scopedOptions(command, context).action(async (dataId: string, options: ScopedOptions) => {
    const { remote } = await open(options, context);
    const detail = await existing(remote, nameIn(dataId, options));
    if (options.json === true) context.output.out(`${JSON.stringify(detail, null, 2)}\n`);
    else await context.output.bytes(new TextEncoder().encode(detail.content));
  });
};

interface ListOptions extends RemoteOptions, PageOptions {
  readonly namespace: string;
  readonly group?: string;
  readonly dataId?: string;
  readonly search?: string;
  readonly tag?: string;
  readonly type?: string;
  readonly app?: string;
}

/** `nacre config ls`. */
export const listCommand: Register = (parent, context) => {
  const command = parent
    .command("ls")
    .description("List configurations. * stands for any characters.")
    .option("--group <name>", "of this group")
    .addOption(new Option("--data-id <name>", "with this name"))
    .option("--search <text>", "whose content contains this")
    .option("--tag <a,b>", "with all of these tags")
    .option("--type <type>", "of this type, such as yaml")
    .option("--app <name>", "of this application");
  pageOptions(namespaceOption(remoteOptions(command, context))).action(async (options: ListOptions) => {
    const { remote } = await open(options, context);
    const { namespace, group, dataId, search: content, tag: tags, type, app, page, pageSize } = options;
    const found = await remote.configs(
      { namespace, group, dataId, content, tags, type, app },
      { page, size: pageSize },
    );
    showPage(context, options, found, ["DATA ID", "GROUP", "TYPE", "APP", "MD5", "CHANGED"], (row) => [
      row.dataId,
      row.group,
      row.type,
      row.app,
      row.md5,
      timeText(row.modifiedAt),
    ]);
  });
};

/** @throws CliError `usage` for a blank data id: over HTTP a blank parameter is none, and the answer names no argument. */
export function nameIn(dataId: string, { namespace, group }: ScopedOptions): ConfigName {
  if (dataId.trim() === "") throw new CliError("usage", "The data id is blank: give the name of a configuration.");
  return { namespace, group, dataId };
}

export async function existing(remote: Remote, name: ConfigName): Promise<ConfigDetail> {
  const detail = await remote.config(name);
  if (detail !== undefined) return detail;
  throw new CliError("notFound", `${remote.base} has no configuration ${shown(name)}: see nacre config ls.`);
}
