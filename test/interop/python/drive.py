"""An application that does what it is told on standard input for as long as that is open, with the addresses of a whole
cluster: see test/cluster/lib/driver.ts.
"""

import asyncio
import json
import os
import sys

from kit import GROUP, say
from v2.nacos import (
    ClientConfigBuilder,
    DeregisterInstanceParam,
    NacosNamingService,
    RegisterInstanceParam,
    SubscribeServiceParam,
)


def shown(service):
    async def show(instances):
        hosts = [{"address": f"{i.ip}:{i.port}", "healthy": i.healthy} for i in instances]
        say(service=service, hosts=hosts)

    return show


async def follow(naming, order):
    service = order["service"]
    if order["do"] == "register":
        param = RegisterInstanceParam(service_name=service, ip=order["ip"], port=order["port"])
        await naming.register_instance(param)
    elif order["do"] == "deregister":
        param = DeregisterInstanceParam(service_name=service, ip=order["ip"], port=order["port"])
        await naming.deregister_instance(param)
    elif order["do"] == "subscribe":
        param = SubscribeServiceParam(service_name=service, group_name=GROUP, subscribe_callback=shown(service))
        await naming.subscribe(param)
    else:
        raise ValueError(f"nobody knows how to {order['do']}")


async def main():
    os.makedirs("cache", exist_ok=True)
    builder = ClientConfigBuilder().server_address(sys.argv[2]).cache_dir("cache").log_dir("cache")
    config = builder.load_cache_at_start(False).build()
    config.set_update_cache_when_empty(True)
    naming = await NacosNamingService.create_naming_service(config)
    say(ready=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        try:
            await follow(naming, order)
            say(done=order["id"])
        except Exception as failure:  # noqa: BLE001
            say(done=order["id"], error=str(failure) or repr(failure))


asyncio.run(main())
