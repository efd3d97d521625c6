import type { Command } from "commander";
import { listIn, textIn, timeIn } from "../client/bodies.ts";
import { fieldOf } from "../client/http.ts";
import type { InstanceRow, Remote, ServiceName } from "../client/model.ts";
import { dataOf } from "../client/v3.ts";
import { CliError } from "../failure.ts";
import type { Register } from "../index.ts";
import { addressText } from "../show/address.ts";
import { table, timeText } from "../show/table.ts";
import {
  integer,
  namespaceOption,
  open,
  type PageOptions,
  pageOptions,
  remoteOptions,
  type ScopedOptions,
  scopedOptions,
  show,
  showPage,
} from "./remote.ts";

const PORT_MAX = 65_535;

/** `nacre service`: what is registered, and why something no longer is. */
export const serviceCommand: Register = (program, context) => {
  const parent = program.command("service").description("Look at services and their instances.");
  const named = (verb: string, what: string): Command =>
    scopedOptions(parent.command(`${verb} <service>`).description(what), context);

  const list = parent
    .command("ls")
    .description("List services.")
    .option("--name <text>", "names that contain this")
    .option("--group <text>", "groups that contain this");
  pageOptions(namespaceOption(remoteOptions(list, context))).action(
    async (options: ScopedOptions & PageOptions & { name?: string; group?: string }) => {
      const { remote } = await open(options, context);
      const query = { namespace: options.namespace, group: options.group, service: options.name };
      const page = await remote.services(query, { page: options.page, size: options.pageSize });
      showPage(
        context,
        options,
        page,
        ["SERVICE", "GROUP", "CLUSTERS", "INSTANCES", "HEALTHY"],
        ({ name, group, clusters, instances, healthy }) => [name, group, clusters, instances, healthy],
      );
    },
  );

  named("show", "Show a service as its server describes it.").action(
    async (service: string, options: ScopedOptions) => {
      const { remote } = await open(options, context);
      const body = await remote.service({ namespace: options.namespace, group: options.group, service });
      show(context, options, body, () =>
        table(
          ["FIELD", "VALUE"],
          Object.entries(body as object).map(([field, value]) => [
            field,
            typeof value === "object" ? JSON.stringify(value) : String(value),
          ]),
        ),
      );
    },
  );

  named("instances", "List the instances of a service, those that are offline too.").action(
    async (service: string, options: ScopedOptions) => {
      const { remote } = await open(options, context);
      const rows = await remote.instances({ namespace: options.namespace, group: options.group, service });
      show(context, options, { total: rows.length, page: 1, pages: 1, items: rows }, () =>
        table(
          ["ADDRESS", "CLUSTER", "WEIGHT", "HEALTHY", "ENABLED", "EPHEMERAL", "METADATA"],
          rows.map(({ ip, port, cluster, weight, healthy, shown, enabled, ephemeral, metadata }) => [
            addressText(ip, port),
            cluster,
            weight,
            shown === undefined ? healthy : `${healthy}, ${shown}`,
            enabled,
            ephemeral,
            Object.entries(metadata)
              .map(([key, value]) => `${key}=${value}`)
              .join(" "),
          ]),
        ),
      );
    },
  );

  const why = named("why", "Say why instances of a service went away or changed (Nacre).")
    .option("--ip <address>", "of this address alone")
    .option("--port <number>", "of this port alone", integer(0, PORT_MAX));
  pageOptions(why).action(
    async (service: string, options: ScopedOptions & PageOptions & { ip?: string; port?: number }) => {
      const { http, remote } = await open(options, context);
      const { namespace, group, ip, port, page, pageSize } = options;
      const answer = await http.call("GET", "/v3/admin/ns/journal", {
        query: { namespaceId: namespace, groupName: group, serviceName: service, ip, port, pageNo: page, pageSize },
      });
      if (answer.status === 404 && fieldOf(answer.json, "code") === undefined) {
        throw new CliError("failed", `${http.base} keeps no journal of causes: only Nacre answers why.`);
      }
      const data = dataOf(http, answer, `the journal of ${service}`);
      const items = listIn(data, "pageItems");
      const total = Number(textIn(data, "totalCount"));
      if (total === 0)
        context.output.err(
          `The journal of ${http.base} has nothing about ${service}; it starts anew with the server.\n`,
        );
      showPage(context, options, { total, page, pages: 0, items }, ["TIME", "WHAT HAPPENED"], (record) => [
        timeText(timeIn(record, "at")),
        textIn(record, "sentence"),
      ]);
      if (options.json === true) return;
      // What is only shown in another way has not changed, so no journal says it.
      for (const row of await markedOf(remote, { namespace, group, service }))
        if ((ip === undefined || row.ip === ip) && (port === undefined || row.port === port))
          context.output.out(
            `Now: ${addressText(row.ip, row.port)} is shown as ${row.shown}: its member ${row.owner} does not vouch for it.\n`,
          );
    },
  );
};

async function markedOf(remote: Remote, name: ServiceName): Promise<readonly InstanceRow[]> {
  try {
    return (await remote.instances(name)).filter(({ shown }) => shown !== undefined);
  } catch (thrown) {
    // A service that is gone has no instances to be marked.
    if (thrown instanceof CliError && thrown.outcome === "notFound") return [];
    throw thrown;
  }
}
