import { RegistryError } from "@nacre/protocol";
import { type Answer, restResult, result } from "../../transport/http/answers.ts";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v1, v2, v3 } from "../../transport/http/rows.ts";
import { isLinearizable } from "./consistency.ts";
import type { LazyRaftOps } from "./lazy-raft-ops.ts";
import type { ReferenceCommand } from "./reference-commands.ts";

const PATH = "/v3/admin/core/raft";
const REFERENCE = "POST /v3/admin/core/ops/raft";

/** The group of voters, for operators: in words of its own, and in those of the reference. */
export function raftRoutes(raft: Pick<LazyRaftOps, "ops">): readonly Route[] {
  const member = (params: Params): string | undefined => params.optional(["member", "id", "address"])?.trim();
  const required = (params: Params): string => {
    const who = member(params);
    if (who === undefined)
      throw new RegistryError("parameterMissing", "Param 'member' must name a member by id or address.");
    return who;
  };
  const carryOut = async (call: Call): Promise<string> => {
    const { referenceCommand } = await import("./reference-commands.ts");
    return referenceCommand(await raft.ops(), commandIn(call));
  };
  const rest = async (_params: Params, call: Call): Promise<Answer> => {
    try {
      return restResult(await carryOut(call));
    } catch (thrown) {
      // The reference's own failures are such answers, and scripts read the sentence.
      if (thrown instanceof RegistryError) return restResult(null, thrown.message, 500);
      throw thrown;
    }
  };
  return [
    v3("GET", `${PATH}/status`, async (params) => {
      const isAll = params.boolean("all", true);
      return result(await (await raft.ops()).status(isAll));
    }),
    v3("POST", `${PATH}/transfer`, async (params) => result(await (await raft.ops()).transfer(member(params)))),
    v3("POST", `${PATH}/snapshot`, async (params) => result(await (await raft.ops()).snapshot(member(params)))),
    v3("POST", `${PATH}/add`, async (params) => {
      const who = required(params);
      return result(await (await raft.ops()).add(who));
    }),
    v3("POST", `${PATH}/remove`, async (params) => {
      const who = required(params);
      return result(await (await raft.ops()).remove(who));
    }),
    v3("GET", "/v3/admin/core/backup", async (params) => {
      const isNewest = isLinearizable(params) ?? true;
      const { head, bytes } = await (await raft.ops()).backup(isNewest);
      const name = `nacre-${head.clusterId.replaceAll(/[^\w.-]/g, "_").slice(0, 40)}-${head.index}.backup`;
      return {
        status: 200,
        type: "application/octet-stream",
        body: bytes,
        headers: { "Content-Disposition": `attachment; filename="${name}"`, "Cache-Control": "no-store" },
      };
    }),
    v1("POST", "/v1/core/ops/raft", "admin", REFERENCE, rest),
    v2("POST", "/v2/core/ops/raft", "admin", REFERENCE, rest),
    v3("POST", "/v3/admin/core/ops/raft", async (_params, call) => result(await carryOut(call))),
  ];
}

function commandIn(call: Call): ReferenceCommand {
  const body = call.json();
  const { groupId, command, value } = (typeof body === "object" && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  const text = (name: string, given: unknown): string => {
    if (given === undefined || given === null) return "";
    if (typeof given === "string") return given.trim();
    // What is left out means whoever is best, or all: nobody is to come to that by a mistake.
    throw new RegistryError("invalidParameter", `Param '${name}' of the body must be a text.`);
  };
  const words = { groupId: text("groupId", groupId), command: text("command", command), value: text("value", value) };
  if (words.command === "") throw new RegistryError("parameterMissing", "The body must be JSON with a 'command'.");
  return words;
}
