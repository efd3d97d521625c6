"""The configuration scenarios, for both generations of the Python client.

What differs stands in an adapter: ``connect(namespace, labels)``, ``put``, ``get``, ``remove`` and ``hear``, the text
that a removed configuration has (``GONE``), the largest content (``LARGE_BYTES``) and how many of many change
(``MANY_CHANGED``).
"""

import hashlib
import time

from kit import ask, eventually

MANY = 3000
NOTHING = "(nothing heard)"


class Heard:
    """What a listener was told last."""

    def __init__(self):
        self.latest = NOTHING


class ConfigScenarios:
    def __init__(self, adapter):
        self.adapter = adapter

    async def start(self):
        self.publisher = await self.adapter.connect()
        self.reader = await self.adapter.connect()

    async def put(self, data_id, content, client=None, **more):
        assert await self.adapter.put(client or self.publisher, data_id, content, **more) is True, data_id
        await ask("settled")

    async def remove(self, data_id):
        assert await self.adapter.remove(self.publisher, data_id) is True, data_id
        await ask("settled")

    async def reads(self, data_id, want, client=None):
        same(data_id, want, await self.adapter.get(client or self.reader, data_id))

    async def hears(self, heard, what, want, seconds=20):
        await eventually(seconds, f"heard: {what}", want, lambda: heard.latest)

    async def config_publish(self):
        await self.put("publish", "a: 1")
        same("over HTTP", md5("a: 1"), (await ask("show", dataId="publish"))["md5"])
        await self.reads("publish", "a: 1")
        await self.reads("publish-nothing", self.adapter.GONE)

    async def config_cas(self):
        await self.put("cas", "one")
        try:
            taken = await self.adapter.put(self.publisher, "cas", "two", cas_md5=md5("three"))
            refusal = "false"
        except Exception as refused:  # noqa: BLE001
            taken, refusal = False, str(refused)
        assert not taken, "the wrong md5 was taken"
        await self.reads("cas", "one")
        await self.put("cas", "two", cas_md5=md5("one"))
        await self.reads("cas", "two")
        return refusal

    async def config_listen(self):
        listening = await self.adapter.connect()
        heard = await self.adapter.hear(listening, "listen")
        await self.put("listen", "one")
        await self.hears(heard, "added", "one")
        await ask("put", dataId="listen", content="two")
        await self.hears(heard, "changed", "two")
        await self.remove("listen")
        await self.hears(heard, "removed", self.adapter.GONE)
        await ask("put", dataId="listen", content="three")
        await self.hears(heard, "added again", "three")

    async def config_contents(self):
        contents = (await ask("contents"))["contents"]
        for content in contents:
            name, text = content["name"], content["text"]
            await self.put(f"contents-{name}", text)
            same(f"{name} over HTTP", md5(text), (await ask("show", dataId=f"contents-{name}"))["md5"])
            await self.reads(f"contents-{name}", text)
            await ask("put", dataId=f"from-outside-{name}", content=text)
            await self.reads(f"from-outside-{name}", text)
        return f"{len(contents)} contents"

    async def config_large(self):
        size = self.adapter.LARGE_BYTES
        text = ("0123456789" * (size // 10 + 1))[:size]
        listening = await self.adapter.connect()
        heard = await self.adapter.hear(listening, "large")
        await self.put("large", text)
        same("over HTTP", md5(text), (await ask("show", dataId="large"))["md5"])
        await eventually(30, "a listener hears of it", size, lambda: len(heard.latest))
        await ask("putLarge", dataId="large-from-outside", bytes=size)
        read = await self.adapter.get(self.reader, "large-from-outside")
        same("from outside", md5(text), md5(read))
        return f"{size} bytes"

    async def config_many(self):
        listening = await self.adapter.connect()
        heard = {f"many-{i}": await self.adapter.hear(listening, f"many-{i}", new=True) for i in range(MANY)}
        started_at = time.monotonic()
        changed = self.adapter.MANY_CHANGED
        await ask("putMany", dataId="many", count=changed, content="changed")
        count = lambda: sum(each.latest.startswith("changed") for each in list(heard.values()) if each.latest)  # noqa: E731
        await eventually(90, "all hear of their change", changed, count)
        heard_ms = int((time.monotonic() - started_at) * 1000)
        for i in range(changed):
            same("the content of one", f"changed-{i}", heard[f"many-{i}"].latest)
        some = f"{changed} of them changed, " if changed < MANY else ""
        return f"{some}written and heard in {heard_ms} ms"

    async def config_beta(self):
        await self.put("beta", "formal")
        # The address by which the server knows this client.
        ip = (await ask("history", dataId="beta"))["ip"]
        listening = await self.adapter.connect()
        heard = await self.adapter.hear(listening, "beta")
        await ask("put", dataId="beta", content="not for me", betaIps="10.99.99.99")
        await self.reads("beta", "formal")
        await ask("put", dataId="beta", content="for me", betaIps=f"10.99.99.99,{ip}")
        await self.hears(heard, "a beta version for this client", "for me")
        await self.reads("beta", "for me")
        await ask("put", dataId="beta", content="not for me", betaIps="10.99.99.99")
        await self.hears(heard, "the formal one again", "formal")
        return f"for {ip}"

    async def config_tag(self):
        blue = await self.adapter.connect(labels={"Vipserver-Tag": "blue"})
        await self.put("tag", "formal")
        heard = await self.adapter.hear(blue, "tag")
        await self.put("tag", "for blue", tag="blue")
        await self.hears(heard, "a client with the tag", "for blue")
        await self.reads("tag", "for blue", blue)
        await self.reads("tag", "formal")
        return "published by the client, for app_conn_labels Vipserver-Tag=blue"

    async def config_tenants(self):
        blank, named, green = [await self.adapter.connect(namespace) for namespace in ("", "public", "green")]
        heard_blank, heard_named, heard_green = [
            await self.adapter.hear(client, "tenants") for client in (blank, named, green)
        ]
        await self.put("tenants", "of public")
        await self.put("tenants", "of green", green)
        await self.hears(heard_blank, "written as blank", "of public")
        await self.hears(heard_named, "written as public", "of public")
        await self.hears(heard_green, "another", "of green")
        await self.reads("tenants", "of public", named)
        same("over HTTP", md5("of green"), (await ask("show", dataId="tenants", namespaceId="green"))["md5"])
        await ask("put", dataId="tenants", content="changed")
        await self.hears(heard_blank, "blank, changed", "changed")
        await self.hears(heard_named, "public, changed", "changed")
        same("another, left alone", "of green", heard_green.latest)

    async def config_remove(self):
        await self.put("remove", "there")
        await self.reads("remove", "there")
        await self.remove("remove")
        same("over HTTP", False, (await ask("show", dataId="remove"))["found"])
        await self.reads("remove", self.adapter.GONE)
        await self.remove("remove")

    async def config_type(self):
        await self.put("type", '{"a":1}', type="json")
        same("its type", "json", (await ask("show", dataId="type"))["type"])
        await self.put("type", '{"a":2}')
        same("its type still", "json", (await ask("show", dataId="type"))["type"])

    async def config_history(self):
        await self.put("history", "one")
        await self.put("history", "two")
        await self.remove("history")
        history = await ask("history", dataId="history")
        same("operations", "I U D", history["ops"])
        same(f"an address of this machine: {history['ip']}", True, history["own"])
        return f"by {history['ip']}"

    async def config_restart(self):
        listening = await self.adapter.connect()
        await self.put("restart", "before")
        heard = await self.adapter.hear(listening, "restart")
        heard_new = await self.adapter.hear(listening, "restart-new")
        await ask("put", dataId="restart", content="listening")
        await self.hears(heard, "before", "listening")
        await ask("restart")
        await ask("put", dataId="restart", content="right after")
        await ask("put", dataId="restart-new", content="new")
        restarted_at = time.monotonic()
        await self.hears(heard, "right after the restart", "right after", 60)
        await self.hears(heard_new, "added right after the restart", "new", 60)
        heard_ms = int((time.monotonic() - restarted_at) * 1000)
        await ask("put", dataId="restart", content="later")
        await self.hears(heard, "later", "later")
        return f"heard after {heard_ms} ms"


def same(what, want, got):
    if got != want:
        raise AssertionError(f"{what}: want <{want!r}>, not <{got!r}>")


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()
