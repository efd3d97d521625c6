import { openTestLog } from "../durable.fixture.ts";
import { TestHttp } from "../naming/http.fixture.ts";
import { stateMachine } from "../state-machine.ts";
import type { HttpServerSetup } from "../transport/http/http-server.ts";
import { Checks } from "./checks/checks.ts";
import { anotherMachine, testedConfigs } from "./configs.fixture.ts";
import type { Configs, ConfigsSetup } from "./configs.ts";
import type { ConfigHttpDeps } from "./http-common/deps.ts";
import { configV1Routes } from "./http-v1/routes.ts";
import { configV2Routes } from "./http-v2/routes.ts";
import { configV3Routes } from "./http-v3/routes.ts";

/** What the routes of configuration are answered from: a real core, shell and store, in memory, on the test's clock. */
export interface TestConfigs extends ConfigHttpDeps {
  readonly configs: Configs;
  close(): Promise<void>;
}

export function testConfigs(test: TestHttp, some: Partial<ConfigsSetup> = {}): TestConfigs {
  const { clock, connections, log, naming } = test;
  const checks = new Checks();
  const checkContent: ConfigsSetup["checkContent"] = (type, text, schema) => checks.checkContent(type, text, schema);
  const configs = testedConfigs({ clock, log, connections }, { checkContent, ...some });
  const durable = openTestLog({
    machine: stateMachine(naming, configs),
    another: () => anotherMachine({ checkContent, ...some }),
    wallClock: () => clock.wall(),
  });
  configs.attach({ durable, store: durable.configs });
  return {
    configs,
    connections,
    peers: {
      ask: (...asked) => test.peers.ask(...asked),
      askAll: (...asked) => test.peers.askAll(...asked),
    },
    readiness: { state: () => test.ready },
    setLogLevel: (name, level) => test.logLevels.push(`${name}=${level}`),
    readYaml: (text) => checks.readYaml(text),
    wall: () => clock.wall(),
    contentBytesMax: configs.state.options.contentBytesMax,
    async close() {
      configs.stop();
      await checks.close();
      await durable.close();
    },
  };
}

/** Configuration over HTTP without sockets. */
export class ConfigHttp extends TestHttp {
  readonly #parts: TestConfigs;

  constructor(setup: Partial<HttpServerSetup> = {}, some: Partial<ConfigsSetup> = {}) {
    let parts: TestConfigs | undefined;
    super(setup, (test) => {
      parts = testConfigs(test, some);
      return [...configV1Routes(parts), ...configV2Routes(parts), ...configV3Routes(parts)];
    });
    this.#parts = parts as unknown as TestConfigs;
  }

  get configs(): Configs {
    return this.#parts.configs;
  }

  /** Publishes by v1 with further parameters. */
  async publish(dataId: string, content: string, more: Record<string, string> = {}): Promise<void> {
    const answer = await this.call("POST /v1/cs/configs", { dataId, group: "g", content, ...more });
    if (answer.text !== "true") throw new Error(`${answer.status} ${answer.text}`);
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#parts.close();
  }
}
