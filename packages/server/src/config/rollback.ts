import { type ConfigState, findItem, type Operator } from "@nacre/core/config";
import { RegistryError } from "@nacre/protocol";
import type { ConfigStore } from "../storage/config-store.ts";
import type { ProposeConfig } from "./propose.ts";
import { contentInTurns } from "./sealing.ts";

/**
 * Makes the state before a history row true again, with compare-and-set (G9): publishes what was there, or removes what
 * an insert made. A content goes back as it was stored, encrypted or not.
 *
 * @param expectedMd5  of the version that is replaced; the one that is there by now when undefined.
 */
export async function rollback(
  parts: { readonly state: ConfigState; readonly store: ConfigStore; readonly propose: ProposeConfig },
  nid: number,
  by: Operator,
  expectedMd5: string | undefined,
): Promise<"published" | "removed"> {
  const row = await parts.store.historyRow(nid);
  if (row === undefined) throw new RegistryError("notFound", `there is no history entry ${nid}`);
  const { name, gray, rule, fields } = row;
  const item = findItem(parts.state, name);
  const current = gray === undefined ? item?.formal : item?.grays.find((held) => held.name === gray);
  const expected = expectedMd5 ?? current?.md5 ?? "";
  if (row.op === "I") {
    await parts.propose(
      { type: "removeConfigs", names: [name], ...(gray === undefined ? {} : { gray }), expectedMd5: expected, by },
      "removed",
    );
    return "removed";
  }
  if (gray !== undefined && rule === undefined)
    throw new RegistryError("dataAccess", `history entry ${nid} is of gray version ${gray} and holds no rule`);
  await parts.propose(
    {
      type: "publishConfig",
      name,
      ...(gray === undefined || rule === undefined ? {} : { gray: { name: gray, rule } }),
      content: await contentInTurns(row.content, row.encryptedDataKey),
      fields,
      terms: { expectedMd5: expected },
      by,
    },
    "published",
  );
  return "published";
}
