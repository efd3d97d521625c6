export function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
