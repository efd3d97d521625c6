import { InvalidArgumentError } from "commander";
import type { InstanceRow, Remote, ServiceName } from "../client/model.ts";
import { CliError } from "../failure.ts";
import type { Context, Register } from "../index.ts";
import { addressText } from "../show/address.ts";
import { open, type ScopedOptions, scopedOptions, show } from "./remote.ts";

interface Address {
  readonly ip: string;
  readonly port: number;
}

interface RegisterOptions extends ScopedOptions {
  readonly cluster?: string;
  readonly weight?: number;
  readonly metadata?: string;
  readonly persistent?: boolean;
}

const PORT_MAX = 65_535;
const WEIGHT_MAX = 10_000;

/** `nacre instance`: registers by hand, and takes instances out of traffic and back. */
export const instanceCommand: Register = (program, context) => {
  const parent = program.command("instance").description("Register instances, and switch them off and on.");
  const named = (verb: string, what: string) =>
    scopedOptions(
      parent
        .command(verb)
        .description(what)
        .argument("<service>", "name of the service")
        .argument("<address>", "ip:port, or [ip]:port for version 6", addressOf)
        .option("--cluster <name>", "cluster (default: DEFAULT, or the one it is in)"),
      context,
    );

  named("register", "Register an instance. An ephemeral one stays only as long as something sends its heartbeats.")
    .option("--weight <number>", `share of the traffic, 0 to ${WEIGHT_MAX}`, weightOf)
    .option("--metadata <text>", "k=v,k=v or a JSON object of texts")
    .option("--persistent", "kept without heartbeats, and checked by the server")
    .action(async (service: string, address: Address, options: RegisterOptions) => {
      const { remote } = await open(options, context);
      const { weight, metadata, cluster } = options;
      const ephemeral = options.persistent !== true;
      await remote.register({ ...serviceIn(service, options), ...address, cluster, weight, metadata, ephemeral });
      told(context, options, service, address, "registered", "Registered");
    });

  named("deregister", "Take an instance back.")
    .option("--persistent", "it was registered as persistent (default: as the server lists it)")
    .action(async (service: string, address: Address, options: RegisterOptions) => {
      const { remote } = await open(options, context);
      const name = serviceIn(service, options);
      const held = await instanceAt(remote, name, address, options.cluster);
      const ephemeral = options.persistent === true ? false : held.ephemeral;
      await remote.deregister({ ...name, ...address, cluster: held.cluster, ephemeral });
      told(context, options, service, address, "deregistered", "Took back");
    });

  for (const [verb, enabled] of [["offline", false] as const, ["online", true] as const]) {
    const what = enabled
      ? "Let an instance receive traffic again."
      : "Keep an instance from traffic until it is put online.";
    named(verb, what).action(async (service: string, address: Address, options: RegisterOptions) => {
      const { remote } = await open(options, context);
      const name = serviceIn(service, options);
      const held = await instanceAt(remote, name, address, options.cluster);
      // Nacos sets what is absent to its default, so a weight and metadata that were set by hand go along.
      const weight = held.weight === 1 ? undefined : held.weight;
      const metadata = remote.dialect === "v1" ? JSON.stringify(held.metadata) : undefined;
      await remote.update({
        ...name,
        ...address,
        ...{ cluster: held.cluster, ephemeral: held.ephemeral },
        enabled,
        weight,
        metadata,
      });
      told(context, options, service, address, verb, enabled ? "Online:" : "Offline:");
    });
  }
};

function serviceIn(service: string, { namespace, group }: ScopedOptions): ServiceName {
  return { namespace, group, service };
}

async function instanceAt(
  remote: Remote,
  name: ServiceName,
  { ip, port }: Address,
  cluster: string | undefined,
): Promise<InstanceRow> {
  const found = (await remote.instances(name)).filter(
    (one) => one.ip === ip && one.port === port && (cluster === undefined || one.cluster === cluster),
  );
  const [first, second] = found;
  if (first === undefined) {
    throw new CliError(
      "notFound",
      `${remote.base} has no instance ${addressText(ip, port)} of ${name.service} in group ${name.group}: see nacre service instances ${name.service}.`,
    );
  }
  if (second === undefined) return first;
  throw new CliError(
    "usage",
    `${addressText(ip, port)} is in ${found.length} clusters of ${name.service}: name one with --cluster.`,
  );
}

function told(
  context: Context,
  options: ScopedOptions,
  service: string,
  { ip, port }: Address,
  state: string,
  verb: string,
): void {
  const { namespace, group } = options;
  show(
    context,
    options,
    { namespace, group, service, ip, port, state },
    () => `${verb} ${addressText(ip, port)} of ${service}.\n`,
  );
}

function addressOf(text: string): Address {
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const ip = six ?? four;
  if (ip === undefined || Number(port) > PORT_MAX) {
    throw new InvalidArgumentError(`"${text}" is no address: write ip:port, or [ip]:port for version 6.`);
  }
  return { ip, port: Number(port) };
}

function weightOf(text: string): number {
  const weight = Number(text);
  if (text.trim() !== "" && weight >= 0 && weight <= WEIGHT_MAX) return weight;
  throw new InvalidArgumentError(`It must be a number from 0 to ${WEIGHT_MAX}.`);
}
