"""Scenarios with the synchronous client of nacos-sdk-python 2, which speaks the HTTP API v1 and polls."""

import asyncio
import os
import sys
import time

import nacos
from configs import NOTHING, ConfigScenarios, Heard
from kit import GROUP, METADATA, Api, ask, by_half, eventually, joined, run
from nacos.listener import SubscribeListener

BEAT_SECONDS = 2


def connect(server, namespace=""):
    return nacos.NacosClient(server, namespace=namespace, logDir="log")


class Watched:
    """What the events of a subscription add up to."""

    def __init__(self):
        self.by_id = {}

    def __call__(self, event, local):
        if event == "DELETED":
            self.by_id.pop(local.instance_id, None)
        else:
            self.by_id[local.instance_id] = local.instance

    def addresses(self):
        return joined((i["ip"], i["port"]) for i in list(self.by_id.values()))


class Scenarios:
    def __init__(self, server, strict_server):
        self.server = server
        self.strict_server = strict_server
        self.api = Api(server)
        self.client = connect(server)

    async def start(self):
        """There is nothing to wait for."""

    def publish(self, service, ip, client=None, beat=BEAT_SECONDS, **more):
        client = client or self.client
        assert client.add_naming_instance(service, ip, 8080, heartbeat_interval=beat, **more)

    def found(self, service, client=None, **more):
        info = (client or self.client).list_naming_instance(service, **more)
        return joined((i["ip"], i["port"]) for i in info["hosts"])

    def watch(self, service):
        watched = Watched()
        self.client.subscribe(SubscribeListener(watched, service), 0.5, service)
        return watched

    async def register(self):
        self.publish("register", "10.1.0.1")
        await eventually(10, "the instance over HTTP", "10.1.0.1:8080", lambda: self.api.addresses("register"))
        await eventually(10, "through the client", "10.1.0.1:8080", lambda: self.found("register"))

    async def deregister(self):
        # Without a beat: this client's first one may leave after the deregistration and register the instance again.
        self.publish("deregister", "10.1.0.2", beat=None)
        await eventually(10, "the instance", "10.1.0.2:8080", lambda: self.api.addresses("deregister"))
        assert self.client.remove_naming_instance("deregister", "10.1.0.2", 8080)
        await eventually(10, "no instance", "", lambda: self.api.addresses("deregister"))

    async def subscribe(self):
        # The first answer that is not empty is taken as the start and not reported.
        self.publish("subscribe", "10.3.0.9")
        watched = self.watch("subscribe")
        await eventually(5, "the first poll", True, lambda: bool(self.local("subscribe")))
        self.publish("subscribe", "10.3.0.1")
        await eventually(8, "an added instance", True, lambda: "10.3.0.1:8080" in watched.addresses())
        self.publish("subscribe", "10.3.0.1", weight=5, metadata={"zone": "b"})
        await eventually(
            8,
            "its new weight and metadata",
            [(5.0, {"zone": "b"})],
            lambda: [(i["weight"], i["metadata"]) for i in list(watched.by_id.values()) if i["ip"] == "10.3.0.1"],
        )
        assert self.client.remove_naming_instance("subscribe", "10.3.0.1", 8080)
        await eventually(8, "its removal", False, lambda: "10.3.0.1:8080" in watched.addresses())
        self.client.stop_subscribe()
        return "polled each 500 ms"

    def local(self, service):
        return self.client.subscribed_local_manager.get_local_instances(service)

    async def select(self):
        self.api.publish("select", "10.4.0.1", weight=1)
        self.api.publish("select", "10.4.0.2", weight=9)
        self.api.publish("select", "10.4.0.3", weight=5, healthy="false")
        both = "10.4.0.1:8080 10.4.0.2:8080"
        await eventually(5, "the healthy ones", both, lambda: self.found("select", healthy_only=True))
        await eventually(5, "all", both + " 10.4.0.3:8080", lambda: self.found("select"))
        weights = sorted(i["weight"] for i in self.client.list_naming_instance("select")["hosts"])
        assert weights == [1.0, 5.0, 9.0], weights
        return "this client has no weighted pick"

    async def metadata(self):
        self.publish("metadata", "10.5.0.1", metadata=METADATA)
        await eventually(10, "over HTTP", METADATA, lambda: self.api.hosts("metadata")[0]["metadata"])
        read = lambda: self.client.list_naming_instance("metadata")["hosts"][0]["metadata"]  # noqa: E731
        await eventually(10, "through the client", METADATA, read)

    async def metadata_refused(self):
        try:
            self.publish("refused-python", "10.5.0.2", connect(self.strict_server), metadata={"large": "x" * 1100})
        except Exception as refusal:  # noqa: BLE001
            assert "400" in str(refusal), f"not refused for its content: {refusal}"
            return f"{refusal} (this client drops the text)"
        raise AssertionError("1.1 kB of metadata was accepted")

    async def persistent(self):
        self.publish("persistent", "127.0.0.1", ephemeral=False)
        await eventually(10, "a persistent instance", False, lambda: self.api.hosts("persistent")[0]["ephemeral"])
        assert self.client.remove_naming_instance("persistent", "127.0.0.1", 8080, ephemeral=False)
        await eventually(10, "no instance", "", lambda: self.api.addresses("persistent"))

    async def groups(self):
        for group, ip in (("GROUP_A", "10.6.0.1"), ("GROUP_B", "10.6.0.2")):
            self.publish("groups", ip, group_name=group)
        for group, ip in (("GROUP_A", "10.6.0.1"), ("GROUP_B", "10.6.0.2")):
            await eventually(10, group, f"{ip}:8080", lambda: self.found("groups", group_name=group))
            await eventually(10, "over HTTP", f"{ip}:8080", lambda: self.api.addresses("groups", group=group))

    async def namespaces(self):
        blue = connect(self.server, "blue")
        self.publish("namespaces", "10.6.1.1", blue)
        self.publish("namespaces", "10.6.1.2")
        await eventually(10, "the named one", "10.6.1.1:8080", lambda: self.found("namespaces", blue))
        await eventually(10, "the default one", "10.6.1.2:8080", lambda: self.found("namespaces"))
        await eventually(10, "over HTTP", "10.6.1.1:8080", lambda: self.api.addresses("namespaces", "blue"))

    async def clusters(self):
        self.publish("clusters", "10.7.0.1", cluster_name="east")
        self.publish("clusters", "10.7.0.2", beat=None, cluster_name="west")
        await eventually(10, "both", "10.7.0.1:8080 10.7.0.2:8080", lambda: self.found("clusters"))
        await eventually(10, "one cluster", "10.7.0.2:8080", lambda: self.found("clusters", clusters="west"))
        assert self.client.remove_naming_instance("clusters", "10.7.0.2", 8080, cluster_name="west")
        await eventually(10, "none in it", "", lambda: self.found("clusters", clusters="west"))

    async def thousand(self):
        for i in range(1000):
            # Without a beat: a thread each would say nothing about the server.
            self.client.add_naming_instance("thousand", f"10.9.{i // 250}.{i % 250 + 1}", 8080)
        await eventually(20, "a thousand", 1000, lambda: len(self.client.list_naming_instance("thousand")["hosts"]))
        return "one by one"

    async def restart(self):
        self.publish("restart", "10.11.0.1")
        self.publish("restart", "10.11.0.2")
        await ask("restart")
        restarted_at = time.monotonic()
        both = "10.11.0.1:8080 10.11.0.2:8080"
        await eventually(60, "the instances are back", both, lambda: self.api.addresses("restart"))
        back_ms = int((time.monotonic() - restarted_at) * 1000)
        # A subscription of this client ends with the first poll that fails, so it is made after the restart.
        watched = self.watch("restart")
        self.api.publish("restart", "10.11.0.3")
        await eventually(15, "polls work again", True, lambda: "10.11.0.3:8080" in watched.addresses())
        return f"back after {back_ms} ms"


class ConfigAdapter:
    GONE = None
    LARGE_BYTES = 10 * 1024 * 1024
    MANY_CHANGED = 3000
    TIMEOUT_SECONDS = 10

    def __init__(self, server):
        self.server = server

    async def connect(self, namespace="", labels=None):
        return connect(self.server, namespace)

    async def put(self, client, data_id, content, type=None):
        return client.publish_config(data_id, GROUP, content, config_type=type, timeout=self.TIMEOUT_SECONDS)

    async def get(self, client, data_id):
        return client.get_config(data_id, GROUP, timeout=self.TIMEOUT_SECONDS)

    async def remove(self, client, data_id):
        return client.remove_config(data_id, GROUP)

    async def hear(self, client, data_id, new=False):
        heard = Heard()

        def watcher(args):
            heard.latest = args["content"]

        # With a content to start from the client does not read it first, which takes a connection each time.
        client.add_config_watcher(data_id, GROUP, watcher, content=NOTHING if new else None)
        return heard


server, strict_server = sys.argv[1], sys.argv[2]
asyncio.run(run(by_half(lambda: Scenarios(server, strict_server), lambda: ConfigScenarios(ConfigAdapter(server)))))
sys.stdout.flush()
# Timers of the client are not daemons.
os._exit(0)
