"""Scenarios with the asynchronous client of nacos-sdk-python 3, which speaks gRPC."""

import asyncio
import logging
import os
import sys
import time

from configs import ConfigScenarios, Heard
from kit import GROUP, METADATA, Api, ask, by_half, eventually, joined, run
from v2.nacos import (
    BatchRegisterInstanceParam,
    ClientConfigBuilder,
    ConfigParam,
    DeregisterInstanceParam,
    ListInstanceParam,
    ListServiceParam,
    NacosConfigService,
    NacosNamingService,
    RegisterInstanceParam,
    SubscribeServiceParam,
)


def settings(server, namespace):
    settings.count += 1
    # Clients with one cache folder would read each other's snapshots.
    folder = f"client-{settings.count}"
    os.makedirs(folder)
    return (
        ClientConfigBuilder()
        .server_address(server)
        .namespace_id(namespace)
        .cache_dir(folder)
        .log_dir(folder)
        .log_level(logging.WARNING)
        .load_cache_at_start(False)
    )


settings.count = 0


async def connect(server, namespace=""):
    config = settings(server, namespace).build()
    config.set_update_cache_when_empty(True)
    return await NacosNamingService.create_naming_service(config)



def instance(service, ip, **more):
    return RegisterInstanceParam(service_name=service, ip=ip, port=8080, **more)


def addresses(instances):
    return joined((i.ip, i.port) for i in instances)


async def listed(client, service, group=GROUP, clusters=(), healthy=None):
    return await client.list_instances(
        ListInstanceParam(
            service_name=service, group_name=group, clusters=list(clusters), subscribe=False, healthy_only=healthy
        )
    )


async def found(*args, **more):
    return addresses(await listed(*args, **more))


class Pushed:
    """Keeps what a subscription was told last."""

    def __init__(self):
        self.latest = []

    async def __call__(self, instances):
        self.latest = list(instances)

    def addresses(self):
        return addresses(self.latest)


class Scenarios:
    def __init__(self, server, strict_server):
        self.server = server
        self.strict_server = strict_server
        self.api = Api(server)

    async def start(self):
        self.publisher = await connect(self.server)
        self.reader = await connect(self.server)

    async def watch(self, service):
        pushed = Pushed()
        await self.reader.subscribe(SubscribeServiceParam(service_name=service, subscribe_callback=pushed))
        return pushed

    async def batch_publish(self, service, ips):
        instances = [instance(service, ip) for ip in ips]
        await self.publisher.batch_register_instances(
            BatchRegisterInstanceParam(service_name=service, instances=instances)
        )

    async def withdraw(self, service, ip, **more):
        await self.publisher.deregister_instance(
            DeregisterInstanceParam(service_name=service, ip=ip, port=8080, **more)
        )

    async def register(self):
        await self.publisher.register_instance(instance("register", "10.1.0.1"))
        await eventually(10, "the instance over HTTP", "10.1.0.1:8080", lambda: self.api.addresses("register"))
        await eventually(10, "through the client", "10.1.0.1:8080", lambda: found(self.reader, "register"))

    async def deregister(self):
        await self.publisher.register_instance(instance("deregister", "10.1.0.2"))
        await eventually(10, "the instance", "10.1.0.2:8080", lambda: self.api.addresses("deregister"))
        await self.withdraw("deregister", "10.1.0.2")
        await eventually(10, "no instance", "", lambda: self.api.addresses("deregister"))

    async def batch(self):
        await self.batch_publish("batch", ["10.2.0.1", "10.2.0.2", "10.2.0.3"])
        three = "10.2.0.1:8080 10.2.0.2:8080 10.2.0.3:8080"
        await eventually(10, "three instances", three, lambda: self.api.addresses("batch"))
        await self.batch_publish("batch", ["10.2.0.1", "10.2.0.4"])
        await eventually(10, "the smaller batch", "10.2.0.1:8080 10.2.0.4:8080", lambda: self.api.addresses("batch"))
        await self.publisher.batch_deregister_instances(
            BatchRegisterInstanceParam(service_name="batch", instances=[instance("batch", "10.2.0.1")])
        )
        await eventually(10, "one withdrawn", "10.2.0.4:8080", lambda: self.api.addresses("batch"))

    async def subscribe(self):
        self.api.publish("subscribe", "10.3.0.9")
        pushed = await self.watch("subscribe")
        await eventually(15, "what is there already", "10.3.0.9:8080", pushed.addresses)
        await self.publisher.register_instance(instance("subscribe", "10.3.0.1"))
        await eventually(8, "an added instance", "10.3.0.1:8080 10.3.0.9:8080", pushed.addresses)
        await self.publisher.register_instance(instance("subscribe", "10.3.0.1", weight=5, metadata={"zone": "b"}))
        await eventually(
            8,
            "its new weight and metadata",
            [(5.0, {"zone": "b"})],
            lambda: [(i.weight, i.metadata) for i in pushed.latest if i.ip == "10.3.0.1"],
        )
        await self.withdraw("subscribe", "10.3.0.1")
        await eventually(8, "its removal", "10.3.0.9:8080", pushed.addresses)

    async def select(self):
        self.api.publish("select", "10.4.0.1", weight=1)
        self.api.publish("select", "10.4.0.2", weight=9)
        self.api.publish("select", "10.4.0.3", weight=5, healthy="false")
        self.api.publish("select", "10.4.0.4", weight=0)
        both = "10.4.0.1:8080 10.4.0.2:8080"
        await eventually(5, "the healthy ones with a weight", both, lambda: found(self.reader, "select", healthy=True))
        await eventually(5, "the unhealthy", "10.4.0.3:8080", lambda: found(self.reader, "select", healthy=False))
        weights = sorted(i.weight for i in await listed(self.reader, "select", healthy=True))
        assert weights == [1.0, 9.0], weights
        return "this client has no weighted pick"

    async def metadata(self):
        await self.publisher.register_instance(instance("metadata", "10.5.0.1", metadata=METADATA))
        await eventually(10, "over HTTP", METADATA, lambda: self.api.hosts("metadata")[0]["metadata"])

        async def through_the_client():
            return (await listed(self.reader, "metadata"))[0].metadata

        await eventually(10, "through the client", METADATA, through_the_client)

    async def metadata_refused(self):
        client = await connect(self.strict_server)
        try:
            await client.register_instance(instance("refused-python", "10.5.0.2", metadata={"large": "x" * 1100}))
        except Exception as refusal:  # noqa: BLE001
            assert "1024" in str(refusal), f"the refusal does not name the limit: {refusal}"
            return str(refusal)
        finally:
            await client.shutdown()
        raise AssertionError("1.1 kB of metadata was accepted")

    async def persistent(self):
        short_lived = await connect(self.server)
        await short_lived.register_instance(instance("persistent", "127.0.0.1", ephemeral=False))
        await eventually(10, "a persistent instance", False, lambda: self.api.hosts("persistent")[0]["ephemeral"])
        await short_lived.shutdown()
        await eventually(10, "it outlives its publisher", "127.0.0.1:8080", lambda: found(self.reader, "persistent"))
        await self.withdraw("persistent", "127.0.0.1", ephemeral=False)
        await eventually(10, "no instance", "", lambda: self.api.addresses("persistent"))

    async def groups(self):
        for group, ip in (("GROUP_A", "10.6.0.1"), ("GROUP_B", "10.6.0.2")):
            await self.publisher.register_instance(instance("groups", ip, group_name=group))
        for group, ip in (("GROUP_A", "10.6.0.1"), ("GROUP_B", "10.6.0.2")):
            await eventually(10, group, f"{ip}:8080", lambda: found(self.reader, "groups", group))
            await eventually(10, "over HTTP", f"{ip}:8080", lambda: self.api.addresses("groups", group=group))

    async def namespaces(self):
        blue = await connect(self.server, "blue")
        await blue.register_instance(instance("namespaces", "10.6.1.1"))
        await self.publisher.register_instance(instance("namespaces", "10.6.1.2"))
        await eventually(10, "the named one", "10.6.1.1:8080", lambda: found(blue, "namespaces"))
        await eventually(10, "the default one", "10.6.1.2:8080", lambda: found(self.reader, "namespaces"))
        await eventually(10, "over HTTP", "10.6.1.1:8080", lambda: self.api.addresses("namespaces", "blue"))
        await blue.shutdown()

    async def clusters(self):
        self.api.publish("clusters", "10.7.0.1", clusterName="east")
        self.api.publish("clusters", "10.7.0.2", clusterName="west")
        both = "10.7.0.1:8080 10.7.0.2:8080"
        await eventually(10, "both", both, lambda: found(self.reader, "clusters"))
        west = lambda: found(self.reader, "clusters", clusters=["west"])  # noqa: E731
        await eventually(10, "one cluster", "10.7.0.2:8080", west)
        await self.publisher.register_instance(instance("clusters", "10.7.0.3", cluster_name="west"))
        await eventually(10, "the cluster of an instance", "10.7.0.2:8080 10.7.0.3:8080", west)

    async def services(self):
        for name in ("listed-a", "listed-b", "listed-c"):
            self.api.publish(name, "10.8.0.1", groupName="LISTED")

        async def two_pages():
            pages = [
                await self.reader.list_services(ListServiceParam(group_name="LISTED", page_no=page, page_size=2))
                for page in (1, 2)
            ]
            return [pages[0].count, sorted(pages[0].services + pages[1].services)]

        await eventually(5, "three services on two pages", [3, ["listed-a", "listed-b", "listed-c"]], two_pages)

    async def thousand(self):
        pushed = await self.watch("thousand")
        await self.batch_publish("thousand", [f"10.9.{i // 250}.{i % 250 + 1}" for i in range(1000)])
        await eventually(20, "a thousand over HTTP", 1000, lambda: len(self.api.hosts("thousand")))
        await eventually(20, "a thousand pushed", 1000, lambda: len(pushed.latest))
        return "one batch"

    async def restart(self):
        pushed = await self.watch("restart")
        await self.publisher.register_instance(instance("restart", "10.11.0.1"))
        await self.batch_publish("restart-batch", ["10.11.1.1", "10.11.1.2", "10.11.1.3"])
        await eventually(15, "the instance is pushed", "10.11.0.1:8080", pushed.addresses)
        await ask("restart")
        restarted_at = time.monotonic()
        await eventually(60, "the instance is back", "10.11.0.1:8080", lambda: self.api.addresses("restart"))
        await eventually(45, "the batch is back", 3, lambda: len(self.api.hosts("restart-batch")))
        back_ms = int((time.monotonic() - restarted_at) * 1000)
        self.api.publish("restart", "10.11.0.2")
        await eventually(45, "pushes go on", "10.11.0.1:8080 10.11.0.2:8080", pushed.addresses)
        return f"back after {back_ms} ms"


class ConfigAdapter:
    GONE = ""
    # The client reads messages of up to 4 MiB whatever it is told, and the content stands in one.
    LARGE_BYTES = 4_000_000
    # With each change it is told of it sends the whole list again, which keeps a core busy for up to 30 ms.
    MANY_CHANGED = 300

    def __init__(self, server):
        self.server = server

    async def connect(self, namespace="", labels=None):
        builder = settings(self.server, namespace)
        return await NacosConfigService.create_config_service(builder.app_conn_labels(labels or {}).build())

    async def put(self, client, data_id, content, **more):
        return await client.publish_config(ConfigParam(data_id=data_id, group=GROUP, content=content, **more))

    async def get(self, client, data_id):
        return await client.get_config(ConfigParam(data_id=data_id, group=GROUP))

    async def remove(self, client, data_id):
        return await client.remove_config(ConfigParam(data_id=data_id, group=GROUP))

    async def hear(self, client, data_id, new=False):
        heard = Heard()

        async def listener(_tenant, _group, _data_id, content):
            heard.latest = content

        await client.add_listener(data_id, GROUP, listener)
        return heard


async def main():
    server, strict_server = sys.argv[1], sys.argv[2]
    await run(by_half(lambda: Scenarios(server, strict_server), lambda: ConfigScenarios(ConfigAdapter(server))))
    # Background tasks of the client would keep the loop.
    sys.stdout.flush()
    os._exit(0)


asyncio.run(main())
