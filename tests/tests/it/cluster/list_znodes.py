"""Prints every node below host:port/root as JSON: path -> data, session that owns it (0: none)."""

import json
import sys

from kazoo.client import KazooClient

client = KazooClient(hosts=sys.argv[1])
client.start(timeout=30)
found = {}


def visit(path):
    data, stat = client.get(path)
    found[path] = {"data": data.decode("utf-8", "replace"), "owner": stat.ephemeralOwner or 0}
    for child in client.get_children(path):
        visit(path.rstrip("/") + "/" + child)


visit("/")
client.stop()
json.dump(found, sys.stdout)
