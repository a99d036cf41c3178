//! Products by id, through a cache that Rowfeed invalidates. `cargo add redis postgres`

use std::time::Duration;

const CACHE: &str = "cache";
const TTL_MS: u32 = 3_600_000;
const SELECT: &str = "select row_to_json(p)::text from products p where id = $1";

/// A connection to each.
pub struct Products {
    pub redis: redis::Connection,
    pub postgres: postgres::Client,
}

impl Products {
    /// The product's row as JSON, `null` when there is none.
    pub fn get(&mut self, id: i32) -> Result<String, postgres::Error> {
        let key = format!("product:{id}");
        for _ in 0..20 {
            let answer: redis::RedisResult<Vec<String>> =
                redis::cmd("FCALL").arg("rowfeed_get").arg(1).arg(&key).arg(CACHE).arg(10_000).query(&mut self.redis);
            let answer = answer.unwrap_or_default();
            match (answer.first().map(String::as_str), answer.get(1)) {
                (Some("hit"), Some(value)) => return Ok(value.clone()),
                (Some("fill"), Some(token)) => {
                    let value = self.read(id)?;
                    let mut fill = redis::cmd("FCALL");
                    fill.arg("rowfeed_fill").arg(1).arg(&key).arg(CACHE).arg(token).arg(&value).arg(TTL_MS);
                    // Not stored is no error: the value is right for this request.
                    let _ = fill.query::<i64>(&mut self.redis);
                    return Ok(value);
                }
                (Some("wait"), _) => std::thread::sleep(Duration::from_millis(5)),
                // An error, or bypass.
                _ => break,
            }
        }
        self.read(id)
    }

    /// Without a lease: the fill says which transactions its read saw.
    pub fn get_as_seen(&mut self, id: i32) -> Result<String, postgres::Error> {
        let key = format!("product:{id}");
        let answer: Vec<String> =
            redis::cmd("FCALL").arg("rowfeed_get").arg(1).arg(&key).arg(CACHE).query(&mut self.redis).unwrap_or_default();
        if let [hit, value] = answer.as_slice()
            && hit == "hit"
        {
            return Ok(value.clone());
        }
        let query = format!("select pg_current_snapshot()::text, coalesce(({SELECT}), 'null')");
        let row = self.postgres.query_one(&query, &[&id])?;
        let (snapshot, value): (String, String) = (row.get(0), row.get(1));
        if let [_, .., began] = answer.as_slice() {
            let mut fill = redis::cmd("FCALL");
            fill.arg("rowfeed_fill_seen").arg(1).arg(&key).arg(CACHE).arg(began).arg(&value).arg(TTL_MS).arg(&snapshot);
            let _ = fill.query::<i64>(&mut self.redis);
        }
        Ok(value)
    }

    fn read(&mut self, id: i32) -> Result<String, postgres::Error> {
        Ok(self.postgres.query_opt(SELECT, &[&id])?.map_or_else(|| "null".to_owned(), |row| row.get(0)))
    }
}
