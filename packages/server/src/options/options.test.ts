import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodePayload, encodeUtf8 } from "@nacre/protocol";
import fc from "fast-check";
import {
  defaultOptions,
  type Environment,
  GROUPS,
  OPTIONS,
  OptionError,
  optionsOf,
  type ReadOptions,
  ROWS,
  readOptions,
  shown,
  textOf,
} from "../options.ts";
import { canonical, environmentNames, knownKey } from "./known.ts";
import { readValue } from "./value.ts";

function read(argv: string[], env: Environment = {}, files: Record<string, string> = {}): ReadOptions {
  return readOptions(argv, env, (path) => files[path]);
}

function sentences(result: ReadOptions): string[] {
  return result.notices.map((notice) => notice.sentence);
}

const FILE = "conf/application.properties";

describe("the table of options", () => {
  test("names every option, alias and flag once", () => {
    const names = ROWS.flatMap(([, row]) => [row.name, ...(row.aliases ?? [])].map(canonical).concat(row.flag ?? []));
    assert.deepEqual(
      names.filter((name, at) => names.indexOf(name) !== at),
      [],
    );
  });

  test("gives every variable of the environment one meaning", () => {
    const variables = ROWS.flatMap(([, row]) => [
      ...new Set([...[row.name, ...(row.aliases ?? [])].flatMap(environmentNames), ...(row.env ?? [])]),
    ]);
    assert.deepEqual(
      variables.filter((name, at) => variables.indexOf(name) !== at),
      [],
    );
  });

  test("has defaults that its own rules allow, and a reason for each", () => {
    for (const [key, row] of ROWS) {
      assert.ok(row.why.length > 5 && row.what.length > 5 && row.group in GROUPS, key);
      // A blank text stands for the default, which for an empty list is the same.
      if (row.default !== undefined && textOf(row, row.default) !== "")
        assert.deepEqual(readValue(row, textOf(row, row.default), "default"), row.default, key);
    }
  });

  test("writes numbers such that they are read back", () => {
    for (const [key, row] of ROWS) {
      if (!("min" in row)) continue;
      fc.assert(
        fc.property(fc.integer({ min: row.min, max: row.max }), (value) => {
          assert.equal(readValue(row, textOf(row, value), "test"), value, key);
        }),
        { numRuns: 20 },
      );
    }
  });
});

describe("options", () => {
  test("take their defaults when nothing is given, and cannot be changed", () => {
    const { options, notices, origins, file } = read([]);
    assert.deepEqual([options, notices, origins, file], [defaultOptions, [], {}, undefined]);
    assert.ok(Object.isFrozen(options));
  });

  test("come from the flag before the environment before the file before the default", () => {
    const files = {
      [FILE]: "nacos.server.main.port=3000\nnacos.core.param.check.enabled=false\nnacos.server.ip=10.0.0.3",
    };
    const env = { NACOS_SERVER_MAIN_PORT: "2000", NACOS_SERVER_IP: "10.0.0.2" };
    const { options, origins } = read(["--port", "1000"], env, files);
    assert.deepEqual(
      [options.port, options.ip, options.paramCheck, options.logLevel],
      [1000, "10.0.0.2", false, "info"],
    );
    assert.deepEqual(origins, {
      port: "flag --port",
      ip: "environment variable NACOS_SERVER_IP",
      paramCheck: `${FILE}:2`,
    });
  });

  test("are flags with = or a blank, short or by property name; a boolean flag alone is true", () => {
    for (const argv of [["--port=7"], ["--port", "7"], ["--nacos.server.main.port=7"], ["--server.port", "7"]]) {
      assert.equal(read(argv).options.port, 7, argv.join(" "));
    }
    assert.equal(read(["--nacos.prometheus.metrics.enabled", "--port", "7"]).options.prometheusSd, true);
    assert.equal(read(["--nacos.naming.expireInstance", "false", "--port=7"]).options.expireInstance, false);
  });

  test("are found under the names that the images of Nacos use", () => {
    const env = {
      MODE: "standalone",
      NACOS_APPLICATION_PORT: "8000",
      SERVER_SERVLET_CONTEXTPATH: "/reg",
      NACRE_DATA: "/d",
    };
    const { options } = read([], env);
    assert.deepEqual(
      [options.mode, options.port, options.contextPath, options.dataDir],
      ["standalone", 8000, "/reg", "/d"],
    );
    assert.equal(
      read([], { NACOS_NAMING_CLEAN_EMPTY_SERVICE_EXPIRED_TIME: "90s" }).options.emptyServiceExpiredMs,
      90_000,
    );
    assert.equal(
      read([], { NACOS_NAMING_CLEAN_EMPTYSERVICE_EXPIREDTIME: "90s" }).options.emptyServiceExpiredMs,
      90_000,
    );
  });

  test("ignore the service variables of Kubernetes, and a MODE that is somebody else's, and say so", () => {
    const result = read([], {
      NACOS_SERVER_PORT: "tcp://10.1.2.3:8848",
      MODE: "production",
      NACRE_PORT_80_TCP: "tcp://x",
    });
    assert.deepEqual([result.options.port, result.options.mode], [8848, "standalone"]);
    assert.deepEqual(result.notices.map((notice) => notice.key).sort(), ["MODE", "NACOS_SERVER_PORT"]);
  });

  test("fill placeholders of the file from the environment", () => {
    const line = "server.port=@{APPLICATION_PORT:8848}\ndb.url=@{UNSET}".replaceAll("@", "$");
    assert.equal(read([], {}, { [FILE]: line }).options.port, 8848);
    assert.equal(read([], { APPLICATION_PORT: "9000" }, { [FILE]: line }).options.port, 9000);
  });

  test("prefer the newer name when a file gives two, and say which one lost", () => {
    const both = read([], {}, { [FILE]: "server.port=1\nnacos.server.main.port=2" });
    assert.equal(both.options.port, 2);
    assert.deepEqual(sentences(both), [
      `server.port (${FILE}:1) is not used, because nacos.server.main.port comes from ${FILE}:2.`,
    ]);
    const blank = read([], {}, { [FILE]: "server.port=1\nnacos.server.main.port=" });
    assert.deepEqual([blank.options.port, blank.notices], [1, []]);
  });

  test("read a file that is named instead of the usual one", () => {
    const files = { [FILE]: "server.port=1", "my.properties": "server.port=2" };
    assert.equal(read(["--config", "my.properties"], {}, files).options.port, 2);
    assert.equal(read([], { NACRE_CONFIG: "my.properties" }, files).file, "my.properties");
  });

  test("allow an empty context path and the slash that means the same", () => {
    for (const text of ["", "/"]) {
      assert.equal(read([], {}, { [FILE]: `nacos.server.contextPath=${text}` }).options.contextPath, "");
    }
  });
});

describe("options of a cluster", () => {
  test("name its members by flag, by property or as the images of Nacos do, with commas or blanks", () => {
    const members = ["a:8848", "b:8848", "[fd00::3]:8848"];
    const cases: [string[], Environment, string][] = [
      [["--members", "a:8848,b:8848,[fd00::3]:8848"], {}, ""],
      [[], { NACOS_SERVERS: "a:8848 b:8848 [fd00::3]:8848" }, ""],
      [[], { MEMBER_LIST: "a:8848, b:8848, [fd00::3]:8848" }, ""],
      [[], { NACRE_MEMBERS: "a:8848,b:8848,[fd00::3]:8848" }, ""],
      [[], {}, "nacos.member.list=a:8848,b:8848,[fd00::3]:8848"],
      [[], {}, "nacos.member.list[0]=a:8848\nnacos.member.list[1]=b:8848\nnacos.member.list[2]=[fd00::3]:8848"],
    ];
    for (const [argv, env, file] of cases) {
      const { options, notices } = read([...argv, "--mode=cluster"], env, { [FILE]: file });
      assert.deepEqual([options.memberList, notices], [members, []], JSON.stringify([argv, env, file]));
    }
  });

  test("name a member at least, if they name anything: else a member would be ready alone", () => {
    assert.throws(() => read(["--mode=cluster", "--members=nonsense:port,10.0.0.1:99999"]), {
      name: "OptionError",
      message: `nacos.member.list names no member: "nonsense:port": port 'port' is not a number from 1 to 65535.`,
    });
    assert.deepEqual(read(["--mode=cluster", "--members=a:8848,b:x"]).options.memberList, ["a:8848", "b:x"]);
  });

  test("have no effect on a standalone server, which is told", () => {
    assert.deepEqual(sentences(read(["--members=a,b"])), [
      "nacos.member.list (flag --members) has no effect on a standalone server; start it with --mode cluster.",
    ]);
    assert.equal(read(["--nacos.core.member.lookup.type=address-server"]).options.mode, "standalone");
  });

  test("look for the file of members beside the properties, unless it is named", () => {
    const files = { "/etc/registry/my.properties": "" };
    assert.equal(read([]).options.clusterFile, "conf/cluster.conf");
    assert.equal(read([], {}, { [FILE]: "" }).options.clusterFile, "conf/cluster.conf");
    const beside = read(["--config", "/etc/registry/my.properties"], {}, files);
    assert.equal(beside.options.clusterFile, "/etc/registry/cluster.conf");
    assert.deepEqual(beside.origins, {});
    const named = read(["--config", "/etc/registry/my.properties", "--nacre.cluster.file", "members"], {}, files);
    assert.equal(named.options.clusterFile, "members");
  });

  test("take the address server from the variables that Nacos reads, before the file", () => {
    const env = { address_server_domain: "lists.internal", address_server_port: "80", address_server_url: "/members" };
    const { options, notices } = read([], env, { [FILE]: "address.server.domain=other" });
    const { addressServerDomain, addressServerPort, addressServerPath } = options;
    assert.deepEqual(
      [addressServerDomain, addressServerPort, addressServerPath, notices],
      ["lists.internal", 80, "/members", []],
    );
  });

  test("understand how the images of Nacos ask for a host name", () => {
    const asked = ["hostname", "ip"].map((mode) => read([], { PREFER_HOST_MODE: mode }).options.preferHostname);
    assert.deepEqual(asked, [true, false]);
  });

  test("keep the secret that members share out of sentences", () => {
    assert.equal(shown(OPTIONS.identityValue, "hush"), "******");
    assert.equal(shown(OPTIONS.identityKey, "name"), "name");
  });
});

describe("a bad value", () => {
  const cases: [string[], Environment, string, RegExp][] = [
    [
      ["--port=70000"],
      {},
      "",
      /^nacos\.server\.main\.port is "70000" \(flag --port\) but must be a port number from 0 to 65535\.$/,
    ],
    [
      [],
      { NACOS_NAMING_EXPIREINSTANCE: "maybe" },
      "",
      /\(environment variable NACOS_NAMING_EXPIREINSTANCE\) but must be true or false\.$/,
    ],
    [
      [],
      {},
      "\nnacos.naming.push.pushTaskTimeout=1h",
      /\(conf\/application\.properties:2\) but must be a time from 100ms to 1m/,
    ],
    [["--nacre.log.level=loud"], {}, "", /must be one of trace, debug,/],
    [["--nacos.server.contextPath=nacos"], {}, "", /must be empty, or a path like \/nacos/],
    [["--port=64535", "--nacre.grpc.port=0"], {}, "", /at most 64534\.$/],
    [["--nacre.cluster.port.offset=1000"], {}, "", /that is the gRPC port of SDKs/],
    [
      ["--mode=cluster", "--nacos.core.member.lookup.type=address-server"],
      {},
      "",
      /but which one is not said; set address\.server\.domain\.$/,
    ],
    [["--mode=cluster", "--nacos.remote.peer.rpc.tls.enableTls"], {}, "", /between members also needs .*certChainFile/],
    [["--port=65000"], {}, "", /at most 64534/],
    [["--nacos.remote.server.rpc.tls.enableTls"], {}, "", /also needs .*certChainFile and .*certPrivateKey\.$/],
    [["--prot=1"], {}, "", /^--prot is no option, did you mean --port\?/],
    [["--port"], {}, "", /^--port needs a value/],
    [["8848"], {}, "", /^"8848" is no option/],
    [["--config=none"], {}, "", /^The properties file none .* does not exist/],
  ];
  for (const [argv, env, file, sentence] of cases) {
    test(`is answered with its option, its source and the rule: ${argv[0] ?? Object.keys(env)[0] ?? file.trim()}`, () => {
      assert.throws(
        () => read(argv, env, { [FILE]: file }),
        (thrown: Error) => {
          assert.ok(thrown instanceof OptionError);
          assert.match(thrown.message, sentence);
          return true;
        },
      );
    });
  }

  test("of a program that embeds the server is answered the same way", () => {
    assert.throws(() => optionsOf({ pushTimeoutMs: 1 }), {
      message: /^nacos\.naming\.push\.pushTaskTimeout is "1ms" \(given to startServer\)/,
    });
    assert.throws(() => optionsOf({ prot: 1 } as never), OptionError);
    assert.deepEqual(optionsOf({ port: 0, ip: undefined as never }), { ...defaultOptions, port: 0 });
  });
});

describe("a key that is no option", () => {
  test("gives one line: the reason for a known one, the nearest name for an unknown one", () => {
    const file =
      "nacos.config.search.max_thread=2\nnacos.naming.expireInstanc=true\ndb.num=1\ndb.num=2\nnacos.core.auth.server.identity.key=\nzzz=1";
    assert.deepEqual(sentences(read([], {}, { [FILE]: file })), [
      `nacos.config.search.max_thread (${FILE}:1) has no effect: searches share one thread, and 32 may wait.`,
      `nacos.naming.expireInstanc (${FILE}:2) is unknown and has no effect; did you mean nacos.naming.expireInstance?`,
      `db.num (${FILE}:4) has no effect: Nacre keeps its data in its own folder (nacre.data.dir) and needs no database.`,
      `zzz (${FILE}:6) is unknown and has no effect.`,
    ]);
  });

  test("is a slip of the pen where an option is named nearly so, whatever else begins alike", () => {
    assert.deepEqual(sentences(read(["--nacos.config.retention.dayz=3"])), [
      "nacos.config.retention.dayz (flag --nacos.config.retention.dayz) is unknown and has no effect; did you mean nacos.config.retention.days?",
    ]);
  });

  test("is a warning when whoever set it relies on it", () => {
    const levels = (value: string): string[] =>
      read([`--nacos.core.auth.enabled=${value}`]).notices.map((notice) => notice.level);
    assert.deepEqual([levels("true"), levels("false")], [["warn"], ["info"]]);
  });

  test("is reported from the environment when it is Nacos's or ours, and otherwise left alone", () => {
    const env = {
      PATH: "/bin",
      HOME: "/",
      NACOS_AUTH_ENABLE: "true",
      MYSQL_SERVICE_HOST: "db",
      NACRE_LOG_LEVLE: "debug",
    };
    assert.deepEqual(sentences(read([], env)), [
      "The environment variable NACOS_AUTH_ENABLE has no effect: logins come in a later release, and until then every request is allowed.",
      "The environment variable MYSQL_SERVICE_HOST has no effect: Nacre keeps its data in its own folder (nacre.data.dir) and needs no database.",
      "The environment variable NACRE_LOG_LEVLE is unknown and has no effect; NACRE_LOG_LEVEL is one.",
    ]);
  });

  test("is not a variable of the commands that ask a server", () => {
    const env = { NACRE_SERVER: "127.0.0.1:8858", NACRE_USERNAME: "ada", NACRE_PASSWORD: "hush" };
    assert.deepEqual(sentences(read([], env)), []);
  });

  test("never has its value repeated: it may be a secret", () => {
    const result = read([], { NACOS_AUTH_TOKEN: "hush" }, { [FILE]: "db.password.0=hush\nmy.own=hush" });
    assert.equal(result.notices.length, 3);
    assert.ok(!JSON.stringify(result.notices).includes("hush"));
  });

  test("is never one of ours", () => {
    for (const [, row] of ROWS) {
      const stranger = knownKey(row.name);
      // `nacos.core.ability.*` and the like stand for the rest of a family; the options are looked up before them.
      assert.ok(stranger === undefined || stranger.key.endsWith("*"), row.name);
      if (row.default !== undefined)
        assert.deepEqual(sentences(read([`--${row.name}=${textOf(row, row.default)}`])), []);
    }
  });
});

test("a message with the largest content and long fields around it is one that is taken", () => {
  const { contentBytesMax, grpcMessageBytesMax } = defaultOptions;
  const around = { dataId: "d".repeat(256), group: "g".repeat(128), additionMap: { desc: "d".repeat(512) } };
  const body = encodeUtf8(JSON.stringify({ ...around, content: "x".repeat(contentBytesMax) }));
  const message = encodePayload({ type: "ConfigPublishRequest", clientIp: "10.0.0.9", body });
  assert.ok(message.length <= grpcMessageBytesMax, `${message.length} bytes`);
});
