"""Prints, for each NO_PROXY of the first argument, which of the targets of the second Python's requests reaches without the proxy."""

import json
import os
import sys

from requests.utils import get_environ_proxies, select_proxy

for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ["http_proxy"] = "http://p:1"

entries, targets = (json.loads(argument) for argument in sys.argv[1:3])
found = []
for each in entries:
    os.environ["no_proxy"] = each
    urls = [(target, f"http://{target}") for target in targets]
    found.append(" ".join(target for target, url in urls if select_proxy(url, get_environ_proxies(url)) is None))
print(json.dumps(found))
