import type { Convergence, Differing } from "../commands/converge.ts";
import { table, timeText } from "./table.ts";

/** The members, then every difference with who shows what, since when and why; or that there is none. */
export function convergeText({ by, equal, incomplete, tookMs, settled, members, differences }: Convergence): string {
  const about = table(
    ["MEMBER", "SERVICES", "CLIENTS", ""],
    members.map(({ address, error, services, clients }) => [
      address === by ? `${address} (asked)` : address,
      error === "" ? services : "",
      error === "" ? clients : "",
      error === "" ? "" : `no answer: ${error}`,
    ]),
  );
  const silent = members.filter(({ error }) => error !== "").length;
  const last = [
    differences.length > 0
      ? `${differences.length} differences.`
      : equal
        ? "All members are equal."
        : "No difference was found.",
    ...(silent > 0 ? [`${silent} of ${members.length} members could not be compared.`] : []),
    ...(incomplete === "" ? [] : [`Not all was compared: ${incomplete}.`]),
    ...(settled === 0 ? [] : [`${settled} services changed while they were compared, and are equal now.`]),
    `It took ${tookMs} ms.`,
  ];
  return [about, ...differences.map(differenceText), plain(`${last.join(" ")}\n`)].join("\n");
}

function differenceText({ what, field, values, since, why }: Differing): string {
  const head = field === "" ? what : `${what}: ${field}`;
  const shown = table(
    ["", ""],
    values.map(({ member, value }) => [`  ${member}`, value]),
  );
  const moment = since === undefined ? "" : `since ${timeText(since)}: `;
  return `${plain(head)}\n${shown.slice(shown.indexOf("\n") + 1)}  ${plain(`${moment}${why}`)}\n`;
}

/** What servers tell cannot steer the terminal. */
function plain(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]/gu, " ");
}
