#!/usr/bin/env python3
"""A shop with a cache beside its database: GET /products/1. Nothing here takes a product out of the cache: Rowfeed does."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "cache-invalidation-redis/python"))
from cache import Products


class Counted(Products):
    """How often the database was asked: GET /reads."""

    reads = 0

    def read(self, product_id):
        self.reads += 1
        return super().read(product_id)


products = Counted(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), "")  # PGHOST, PGPORT, ...


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        _, what, *rest = self.path.split("/")
        found = products.get(int(rest[0])) if what == "products" else {"reads": products.reads}
        body = json.dumps(found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8092"))), Shop).serve_forever()
