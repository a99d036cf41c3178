// A shop with a cache beside its database: GET /products/1. Nothing here takes a product out of the cache: Rowfeed does.
import { createServer } from "node:http";
import { Redis } from "ioredis";
import pg from "pg";
import { Products } from "../../cache-invalidation-redis/typescript/cache.js";

const redis = new Redis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379/0");
redis.on("error", (error) => console.error(error.message));
const postgres = new pg.Pool({ max: 4 }); // PGHOST, PGPORT, ...
const products = new Products(redis, postgres);

// How often the database was asked: GET /reads.
let reads = 0;
postgres.on("acquire", () => (reads += 1));

createServer(async (request, response) => {
  const [, what, id] = (request.url ?? "").split("/");
  const found = what === "products" ? await products.get(Number(id)) : { reads };
  response.writeHead(found === null ? 404 : 200, { "content-type": "application/json" });
  response.end(JSON.stringify(found));
}).listen(Number(process.env.PORT ?? 8091), "127.0.0.1");
