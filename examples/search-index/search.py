#!/usr/bin/env python3
"""Searches products: search.py lamp"""

import json
import os
import sys
from urllib.request import Request, urlopen

query = {"query": {"multi_match": {"query": " ".join(sys.argv[1:]), "fields": ["name^3", "description"]}}, "size": 20}
url = os.environ.get("SEARCH_URL", "http://127.0.0.1:9200") + "/products/_search"
request = Request(url, json.dumps(query).encode(), {"content-type": "application/json"})
with urlopen(request, timeout=10) as answer:
    for hit in json.load(answer)["hits"]["hits"]:
        found = hit["_source"]
        print(f"{found['name']}, {found['price']}: {found['description']}")
