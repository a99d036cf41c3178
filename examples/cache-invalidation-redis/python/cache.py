"""Products by id, through a cache that Rowfeed invalidates. pip install redis psycopg"""

import json
import time

import psycopg
import redis

CACHE, TTL_MS = "cache", 3_600_000
SELECT = "select row_to_json(p)::text from products p where id = %s"


class Products:
    def __init__(self, redis_url, postgres_url):
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True)
        # Autocommit: each read sees what is committed by then.
        self.postgres = psycopg.connect(postgres_url, autocommit=True)

    def get(self, product_id):
        key = f"product:{product_id}"
        for _ in range(20):
            try:
                state, *rest = self.redis.fcall("rowfeed_get", 1, key, CACHE, 10_000)
            except redis.RedisError:
                return json.loads(self.read(product_id))
            if state == "hit":
                return json.loads(rest[0])
            if state == "fill":
                value = self.read(product_id)
                try:
                    self.redis.fcall("rowfeed_fill", 1, key, CACHE, rest[0], value, TTL_MS)
                except redis.RedisError:
                    pass
                return json.loads(value)
            if state != "wait":
                break
            time.sleep(0.005)
        return json.loads(self.read(product_id))

    def get_as_seen(self, product_id):
        """Without a lease: the fill says which transactions its read saw."""
        key = f"product:{product_id}"
        state, *rest = self.redis.fcall("rowfeed_get", 1, key, CACHE)
        if state == "hit":
            return json.loads(rest[0])
        query = f"select pg_current_snapshot()::text, ({SELECT})"
        snapshot, value = self.postgres.execute(query, (product_id,)).fetchone()
        value = value or "null"
        if state != "bypass":
            self.redis.fcall("rowfeed_fill_seen", 1, key, CACHE, rest[-1], value, TTL_MS, snapshot)
        return json.loads(value)

    def read(self, product_id):
        row = self.postgres.execute(SELECT, (product_id,)).fetchone()
        return row[0] if row else "null"
