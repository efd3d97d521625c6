"""What the programs for both generations of the Python client share.

A program is run as ``<program> <server> <strict server> <name>...`` and prints one JSON line per scenario. A line
``{"ask": …}`` asks the runner for something, which it answers with a line on standard input.
"""

import asyncio
import inspect
import json
import sys
import time
import traceback
import urllib.parse
import urllib.request

GROUP = "DEFAULT_GROUP"
METADATA = {"城市": "杭州", "emoji": "🚀👩‍💻", "quotes": 'a=b&c,"d"\\e+f%20 g', "large": "x" * 10_000}


class Api:
    """The server as seen over its HTTP API, which the client has no hand in."""

    def __init__(self, server):
        # Of several the first is asked.
        self.base = f"http://{server.split(',')[0]}/nacos/v1/ns/instance"

    def call(self, method, path, **parameters):
        url = f"{self.base}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as answer:
            return answer.read().decode()

    def hosts(self, service, namespace="public", group=GROUP):
        text = self.call("GET", "/list", namespaceId=namespace, groupName=group, serviceName=service)
        return json.loads(text)["hosts"]

    def addresses(self, service, namespace="public", group=GROUP):
        return joined((host["ip"], host["port"]) for host in self.hosts(service, namespace, group))

    def publish(self, service, ip, port=8080, **more):
        self.call("POST", "", serviceName=service, ip=ip, port=port, **more)


def joined(addresses):
    return " ".join(sorted(f"{ip}:{port}" for ip, port in addresses))


async def eventually(seconds, what, want, actual):
    """Waits until ``actual()`` gives ``want``; what it raises meanwhile counts as "not yet"."""
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            got = actual()
            if inspect.isawaitable(got):
                got = await got
        except Exception as not_yet:  # noqa: BLE001
            got = not_yet
        if got == want:
            return
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not within {seconds} s: {what}: want <{want}>, last <{got!r}>")
        await asyncio.sleep(0.02)


def say(**line):
    print(json.dumps(line), flush=True)


async def ask(what, **fields):
    """Has the runner do something from outside."""
    say(ask=what, **fields)
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    answer = json.loads(line)
    if "error" in answer:
        raise RuntimeError(f"{what}: {answer['error']}")
    return answer


async def run(scenarios):
    """``scenarios`` gives what holds the scenarios of a name as methods."""
    for name in sys.argv[3:]:
        try:
            holder = await scenarios(name)
            detail = await getattr(holder, name.replace("-", "_"))()
            say(name=name, ok=True, detail=detail or "")
        except Exception as failure:  # noqa: BLE001
            traceback.print_exc()
            say(name=name, ok=False, detail=str(failure) or repr(failure))


def by_half(naming, configs):
    """Starts what holds the scenarios of one half with the first that is run; both parameters make it."""
    holders = {}

    async def holder(name):
        make = configs if name.startswith("config-") else naming
        if make not in holders:
            holders[make] = make()
            await holders[make].start()
        return holders[make]

    return holder
