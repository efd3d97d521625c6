import { DEFAULT_NAMESPACE } from "../client/bodies.ts";
import { CliError } from "../failure.ts";
import type { Register } from "../index.ts";
import { table } from "../show/table.ts";
import { open, type RemoteOptions, remoteOptions, show } from "./remote.ts";

/** `nacre namespace`: what configurations and services are kept apart by. */
export const namespaceCommand: Register = (program, context) => {
  const parent = program.command("namespace").description("List, make, change and remove namespaces.");

  remoteOptions(parent.command("ls").description("List namespaces."), context).action(
    async (options: RemoteOptions) => {
      const { remote } = await open(options, context);
      const rows = await remote.namespaces();
      show(context, options, { total: rows.length, page: 1, pages: 1, items: rows }, () =>
        table(
          ["ID", "NAME", "CONFIGS", "DESCRIPTION"],
          rows.map(({ id, name, configCount, description }) => [id, name, configCount, description]),
        ),
      );
    },
  );

  for (const verb of ["create", "update"] as const) {
    const command = parent
      .command(`${verb} <id>`)
      .description(verb === "create" ? "Make a namespace." : "Change the name and the description of a namespace.")
      .option("--name <text>", "name that people see (default: the id, or the name it has)")
      .option("--desc <text>", "what it is for");
    remoteOptions(command, context).action(
      async (id: string, options: RemoteOptions & { name?: string; desc?: string }) => {
        if (id.trim() === "") throw new CliError("usage", "The id is blank: give the id of a namespace.");
        const { remote } = await open(options, context);
        const held = verb === "update" ? await existing(remote, id) : undefined;
        const namespace = {
          id,
          name: options.name ?? held?.name ?? id,
          description: options.desc ?? held?.description ?? "",
        };
        await (verb === "create" ? remote.createNamespace(namespace) : remote.updateNamespace(namespace));
        show(context, options, namespace, () => `${verb === "create" ? "Made" : "Changed"} the namespace ${id}.\n`);
      },
    );
  }

  const remove = parent
    .command("rm <id>")
    .description("Remove a namespace; Nacre refuses while it holds something.")
    .option("--force", "remove what it holds too (Nacre)");
  remoteOptions(remove, context).action(async (id: string, options: RemoteOptions & { force?: boolean }) => {
    if (id === DEFAULT_NAMESPACE)
      throw new CliError("usage", "The namespace public is always there: name another one.");
    const { remote } = await open(options, context);
    await existing(remote, id);
    await remote.removeNamespace(id, options.force === true);
    show(context, options, { id, removed: true }, () => `Removed the namespace ${id}.\n`);
  });
};

async function existing(remote: Awaited<ReturnType<typeof open>>["remote"], id: string) {
  const held = (await remote.namespaces()).find((namespace) => namespace.id === id);
  if (held === undefined)
    throw new CliError("notFound", `${remote.base} has no namespace ${id}: see nacre namespace ls.`);
  return held;
}
