import { existsSync } from "node:fs";
import { RegistryError } from "@nacre/protocol";
import { OPTIONS } from "../../options.ts";
import { AddressServerSource } from "./address-server-source.ts";
import { askAddressServer } from "./ask.ts";
import { keptList } from "./kept-list.ts";
import { ListFile } from "./list-file.ts";
import type { Lookup, LookupHandlers, LookupSetup, LookupType, Source, SourceHandlers } from "./types.ts";

/** Follows the list of members from wherever it comes. Returns at once; the list is told when it is read. */
export function openLookup(setup: LookupSetup, handlers: LookupHandlers): Lookup {
  const { clock, log, file, memberList, addressServer } = setup;
  const kept = keptList(setup.directory, log);
  let told: { text: string | undefined; source: string } | undefined;
  const listeners: SourceHandlers = {
    read: tell,
    gaveUp: (from) => {
      if (told === undefined) tell(undefined, from);
    },
  };
  let type = chosen(setup);
  let source = open();
  /** Sources that are being closed. */
  let closing: Promise<unknown> = Promise.resolve();

  /** A reading that says what the last one said is nothing new. */
  function tell(text: string | undefined, from: string): void {
    if (told !== undefined && told.text === text && told.source === from) return;
    if (from === file && memberList.length > 0 && told?.source !== from)
      log.info({ file }, `${OPTIONS.memberList.name} is not used, because the file of members exists`);
    told = { text, source: from };
    handlers.listRead(text, from);
  }

  function open(): Source {
    return type === "address-server" && addressServer !== undefined
      ? new AddressServerSource(
          { clock, server: addressServer, kept, ask: (server, signal) => askAddressServer(clock, server, signal) },
          listeners,
        )
      : new ListFile({ clock, path: file, memberList }, listeners);
  }

  return {
    facts: () => source.facts(),
    switchTo(word) {
      const wanted = readType(word);
      if (wanted === "address-server" && addressServer === undefined)
        throw new RegistryError(
          "illegalState",
          `no address server is known to this member; start it with ${OPTIONS.addressServerDomain.name}`,
        );
      if (wanted === type) return;
      log.info({ from: type, to: wanted }, "the list of members comes from elsewhere, until the next start");
      type = wanted;
      closing = Promise.all([closing, source.close()]);
      source = open();
    },
    async close() {
      await Promise.all([closing, source.close()]);
    },
  };
}

/** A server that nobody named is not asked, so without any list it is the file that is waited for. */
function chosen({ type, file, memberList, addressServer }: LookupSetup): LookupType {
  if (type !== "auto") return type;
  return existsSync(file) || memberList.length > 0 || addressServer === undefined ? "file" : "address-server";
}

function readType(word: string): LookupType {
  if (word === "file" || word === "address-server") return word;
  throw new RegistryError(
    "invalidParameter",
    `Param 'type' must be file or address-server, not '${word.slice(0, 64)}'.`,
  );
}
