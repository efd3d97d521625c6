import { diagnosisIn } from "../client/diagnosis.ts";
import { type Answer, fieldOf, reasonOf } from "../client/http.ts";
import { CliError } from "../failure.ts";
import type { Context, Register } from "../index.ts";
import { diagnosisText } from "../show/diagnosis.ts";
import { open, type RemoteOptions, remoteOptions, show } from "./remote.ts";

const PATH = "/v3/admin/core/cluster/diagnosis";

/** `nacre doctor`: what is wrong with a cluster, from one of its members. */
export const doctorCommand: Register = (program, context) => {
  const command = program
    .command("doctor")
    .description(
      "Ask a member what is wrong with its cluster, and what to do (Nacre). Ends with 0 when there is no error, 1 when there is one, 2 when nobody could be asked.",
    );
  remoteOptions(command, context).action(async (options: RemoteOptions) => {
    const data = await asked(options, context);
    const diagnosis = diagnosisIn(data);
    if (diagnosis === undefined)
      throw new CliError("unreachable", `${options.server} answers ${PATH} with something else: check the address.`);
    show(context, options, data, () => diagnosisText(diagnosis, isColored(context)));
    if (diagnosis.findings.some(({ severity }) => severity === "error")) context.exit(1);
  });
};

/** @throws CliError `unreachable`, whatever the reason: for a script a cluster that cannot be asked is one case. */
async function asked(options: RemoteOptions, context: Context): Promise<unknown> {
  try {
    const { http } = await open(options, context);
    const answer = await http.call("GET", PATH);
    const data = fieldOf(answer.json, "data");
    if (answer.status === 200 && data !== undefined) return data;
    throw isMissing(answer)
      ? new CliError(
          "unreachable",
          `${http.base} has no diagnosis (${answer.status} ${reasonOf(answer)}): only Nacre has it.`,
        )
      : http.refused(answer, "the diagnosis");
  } catch (thrown) {
    if (!(thrown instanceof CliError) || thrown.outcome === "usage") throw thrown;
    throw new CliError("unreachable", thrown.message, { cause: thrown });
  }
}

function isMissing({ status }: Answer): boolean {
  return status === 404 || status === 405 || status === 501;
}

function isColored({ env, surroundings }: Context): boolean {
  return surroundings.stdoutIsTerminal === true && !env.NO_COLOR;
}
