/** Columns that a terminal shows for one character: 0, 1 or 2. East Asian wide forms and emoji take two. */
const WIDE =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]|[\u{20000}-\u{3fffd}])$/u;
const NONE = /^[\p{Mn}\p{Me}\p{Cf}]$/u;

export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += NONE.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

/** One line per row below a heading, columns aligned. What a cell holds cannot steer the terminal. */
export function table(headings: readonly string[], rows: readonly (readonly (string | number | boolean)[])[]): string {
  const lines = [headings, ...rows].map((row) => row.map((cell) => String(cell).replaceAll(/\p{Cc}/gu, " ")));
  const widths = headings.map((_, at) => lines.reduce((most, line) => Math.max(most, widthOf(line[at] ?? "")), 0));
  return lines
    .map((line) => line.map((cell, at) => cell + " ".repeat((widths[at] ?? 0) - widthOf(cell))).join("  "))
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

/** Local time to the second; blank for an unknown one. */
export function timeText(at: number | undefined): string {
  if (at === undefined) return "";
  const two = (value: number): string => String(value).padStart(2, "0");
  const date = new Date(at);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
