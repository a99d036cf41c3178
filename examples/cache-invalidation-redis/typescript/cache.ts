// Products by id, through a cache that Rowfeed invalidates. npm install ioredis pg
import { Redis } from "ioredis";
import pg from "pg";

const CACHE = "cache";
const TTL_MS = 3_600_000;
const SELECT = "select row_to_json(p)::text as value from products p where id = $1";

export class Products {
  constructor(private redis: Redis, private postgres: pg.Pool) {}

  async get(id: number): Promise<unknown> {
    const key = `product:${id}`;
    for (let tries = 0; tries < 20; tries++) {
      const answer = await this.ask("rowfeed_get", key, 10_000);
      if (answer === null) break;
      const [state, first] = answer as string[];
      if (state === "hit") return JSON.parse(first);
      if (state === "fill") {
        const value = await this.read(id);
        await this.ask("rowfeed_fill", key, first, value, TTL_MS);
        return JSON.parse(value);
      }
      if (state !== "wait") break;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return JSON.parse(await this.read(id));
  }

  /** Without a lease: the fill says which transactions its read saw. */
  async getAsSeen(id: number): Promise<unknown> {
    const key = `product:${id}`;
    const [state, ...rest] = ((await this.ask("rowfeed_get", key)) ?? ["bypass"]) as string[];
    if (state === "hit") return JSON.parse(rest[0]);
    const query = `select pg_current_snapshot()::text as snapshot, (${SELECT}) as value`;
    const { snapshot, value } = (await this.postgres.query(query, [id])).rows[0];
    const text = value ?? "null";
    if (state !== "bypass") await this.ask("rowfeed_fill_seen", key, rest[rest.length - 1], text, TTL_MS, snapshot);
    return JSON.parse(text);
  }

  // Any trouble with the cache: as if it were not there.
  private async ask(name: string, key: string, ...rest: (string | number)[]): Promise<unknown> {
    return this.redis.call("FCALL", name, 1, key, CACHE, ...rest).catch(() => null);
  }

  private async read(id: number): Promise<string> {
    const { rows } = await this.postgres.query(SELECT, [id]);
    return rows[0]?.value ?? "null";
  }
}
