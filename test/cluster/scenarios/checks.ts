/** Health checks of persistent instances in a cluster: who checks, and what all members show. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { CheckedTarget } from "../lib/checked-target.ts";
import { getJson } from "../lib/cluster.ts";
import { deregister, must, register } from "../lib/durable-calls.ts";
import { grouped, leaderOf } from "../lib/group.ts";
import type { MemberProcess } from "../lib/member-process.ts";
import { type Act, bound, ms } from "../lib/scenario.ts";
import type { Stage } from "../lib/stage.ts";

const SERVICE = "checked";
const LOOK_MS = 50;
const TELL_MS = 600;
/** Of a new instance: 2 s and a share of 5 s later. */
const FIRST_CHECK_MAX_MS = 7000;
const BETWEEN_CHECKS_MAX_MS = 5000;
/** Three results in a row change a health; the first is due at once, and the intervals shrink with quick answers. */
const CHANGE_MAX_MS = 3 * BETWEEN_CHECKS_MAX_MS;
/** Until another one leads, which then checks what has come due. */
const TAKE_OVER_MAX_MS = 3000 + BETWEEN_CHECKS_MAX_MS;

/** What each member showed of each instance, from one change to the next. */
class Watch {
  readonly #stage: Stage;
  readonly #shown = new Map<string, boolean[]>();
  readonly #over = new AbortController();
  readonly #work: Promise<void>;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#work = this.#look();
  }

  /** By `member address`. A member that starts anew is asked again when it is ready. */
  shown(member: MemberProcess, address: string): readonly boolean[] {
    return this.#shown.get(`${member.name} ${address}`) ?? [];
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#work;
  }

  async #look(): Promise<void> {
    while (!this.#over.signal.aborted) {
      const { members } = this.#stage.cluster;
      await Promise.all(members.filter(({ isReady }) => isReady).map((member) => this.#ask(member)));
      await pause(LOOK_MS);
    }
  }

  async #ask(member: MemberProcess): Promise<void> {
    type Hosts = readonly { readonly ip: string; readonly port: number; readonly healthy: boolean }[];
    const path = `/v3/client/ns/instance/list?serviceName=${SERVICE}`;
    const answer = await getJson<{ data: Hosts }>(member, path).catch(() => undefined);
    for (const { ip, port, healthy } of answer?.data ?? []) {
      const key = `${member.name} ${ip}:${port}`;
      const before = this.#shown.get(key);
      if (before === undefined) this.#shown.set(key, [healthy]);
      else if (before.at(-1) !== healthy) before.push(healthy);
    }
  }
}

/** The cluster of the service is checked over HTTP at the ports of its instances. */
async function checkOverHttp(member: MemberProcess): Promise<void> {
  const query = new URLSearchParams({
    serviceName: SERVICE,
    clusterName: "DEFAULT",
    checkPort: "80",
    useInstancePort4Check: "true",
    healthChecker: JSON.stringify({ type: "HTTP", path: "/", headers: "", expectedResponseCode: 200 }),
  });
  const answer = await fetch(`${member.url}/v3/admin/ns/cluster?${query}`, { method: "PUT" });
  assert.equal(answer.status, 200, await answer.text());
}

export const checks: Act = {
  name: "health checks",
  scenarios: [
    {
      id: "S20c",
      fault: "the member that checks persistent instances is killed",
      required:
        "one member checks, and the next one within 8 s; all show the same; no result is lost; what is well is never shown as ill",
      reference: "each member checks a share of its own, which moves when a member is lost",
      async run(stage) {
        const { members } = stage.cluster;
        await grouped(members);
        const running = () => stage.cluster.running;
        const [steady, changing] = await Promise.all([CheckedTarget.open(running), CheckedTarget.open(running)]);
        const targets = [steady, changing];
        const watch = new Watch(stage);
        const allShow = (healthy: boolean, maxMs: number, since = performance.now()) =>
          stage.until(
            maxMs,
            () =>
              running().flatMap((member) =>
                watch.shown(member, changing.address).at(-1) === healthy
                  ? []
                  : [`${member.name} does not show it as ${healthy ? "healthy" : "unhealthy"}`],
              ),
            since,
          );
        const checkedBy = (member: MemberProcess, maxMs: number, since: number) =>
          stage.until(
            maxMs,
            () =>
              targets.flatMap((each) =>
                each.by(since).includes(member.name) ? [] : [`${member.name} does not check`],
              ),
            since,
          );
        try {
          for (const { address } of targets) must(await register(members[0] as MemberProcess, SERVICE, address, ""));
          await checkOverHttp(members[0] as MemberProcess);
          const first = await leaderOf(members);
          const from = performance.now();
          await checkedBy(first, bound(FIRST_CHECK_MAX_MS), from);
          changing.status = 503;
          const illMs = await allShow(false, bound(CHANGE_MAX_MS + TELL_MS));
          assert.deepEqual([...steady.by(from), ...changing.by(from)], [first.name, first.name]);

          const killedAt = performance.now();
          await first.kill();
          const second = await leaderOf(running());
          const tookOverMs = await checkedBy(second, bound(TAKE_OVER_MAX_MS), killedAt);
          // What the former one found stands until three checks of the next one say otherwise.
          changing.status = 200;
          const wellMs = await allShow(true, bound(CHANGE_MAX_MS + TELL_MS));
          assert.deepEqual([...steady.by(killedAt), ...changing.by(killedAt)], [second.name, second.name]);

          await first.start();
          await grouped(members);
          await allShow(true, bound(TELL_MS));
          changing.status = 503;
          await allShow(false, bound(CHANGE_MAX_MS + TELL_MS));
          for (const member of members)
            for (const [target, healths] of [
              [steady, [true]],
              [changing, [true, false, true, false]],
            ] as const)
              assert.deepEqual(watch.shown(member, target.address), healths, `${target.address} at ${member.name}`);
          return `unhealthy ${ms(illMs)} after the first bad answer could come, the next one checked ${ms(tookOverMs)} after the kill, healthy again after ${ms(wellMs)}; all three showed the same changes and no other`;
        } finally {
          await watch.stop();
          for (const target of targets) target.close();
          for (const { address } of targets) await deregister(running()[0] as MemberProcess, SERVICE, address);
        }
      },
    },
  ],
};
