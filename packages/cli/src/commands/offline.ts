import { CliError } from "../failure.ts";

/** Runs what works on files of a stopped member, and says in one sentence what kept it from doing so. */
export async function offline<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof CliError) throw thrown;
    const { name, failure, message } = thrown as Error & { readonly failure?: string };
    // What has a sentence for people; anything else is a bug and shows as one.
    if (name !== "RegistryError" && name !== "StartError") throw thrown;
    const sentence = `${message.replace(/\.$/, "")}.`;
    throw new CliError(failure === "notFound" ? "notFound" : "failed", sentence, { cause: thrown });
  }
}
