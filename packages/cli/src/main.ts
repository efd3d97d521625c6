import { run } from "./index.ts";

// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => process.exit(code === "EPIPE" ? 0 : 1));
const code = await run(process.argv.slice(2), process.env);
// What was written to a pipe may still be on its way.
process.stdout.write("", () => process.exit(code));
