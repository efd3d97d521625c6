"""What the programs for both generations of the Python client share.

A program is run as ``<program> <server> <strict server> <name>...`` and prints one JSON line per scenario.
``{"ask":"restart"}`` asks the runner to kill and restart the server; the line ``restarted`` on standard input says that
it has.
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
        self.base = f"http://{server}/nacos/v1/ns/instance"

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


async def ask_for_restart():
    say(ask="restart")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def run(scenarios):
    for name in sys.argv[3:]:
        try:
            detail = await getattr(scenarios, name.replace("-", "_"))()
            say(name=name, ok=True, detail=detail or "")
        except Exception as failure:  # noqa: BLE001
            traceback.print_exc()
            say(name=name, ok=False, detail=str(failure) or repr(failure))
