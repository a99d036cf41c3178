//! Who holds locks on captured tables that keep a connector from its start.
//!
//! Owns one query. What waits for a lock of ours waits no longer than `lock_timeout`; this says whom we have waited for.

use tokio_postgres::Client;

use crate::config::postgres::PostgresConfig;
use crate::problem::Problem;

/// So many holders are told.
const HOLDERS_MAX: usize = 3;

/// Locks that conflict with reading a table or with publishing it. Prepared transactions have no process.
const QUERY: &str = "select n.nspname::text, c.relname::text, l.mode, l.pid, \
            case when l.pid is null then 'a prepared transaction' \
                 else format('pid %s (user %s, application %L, %s)', l.pid, coalesce(a.usename::text, '?'), coalesce(a.application_name, ''), \
                             coalesce(a.state, '?')) end, \
            coalesce(extract(epoch from now() - a.xact_start)::bigint, 0)::bigint \
     from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace \
          left join pg_stat_activity a on a.pid = l.pid \
     where l.granted and l.locktype = 'relation' and c.relkind in ('r', 'p') and l.pid is distinct from pg_backend_pid() \
       and l.database = (select oid from pg_database where datname = current_database()) \
       and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') \
     order by a.xact_start nulls first limit 200";

/// A start that PostgreSQL could not do "at this moment": with whom it waits for, where that can be seen.
pub async fn explain(client: &Client, config: &PostgresConfig, problem: Problem) -> Problem {
    if problem.code != "pg/busy" {
        return problem;
    }
    let Ok(rows) = client.query(QUERY, &[]).await else { return problem };
    let mut held = Vec::new();
    let mut pids: Vec<i32> = Vec::new();
    for row in &rows {
        let (Ok(schema), Ok(table), Ok(mode)) = (row.try_get::<_, String>(0), row.try_get::<_, String>(1), row.try_get::<_, String>(2))
        else {
            continue;
        };
        if !config.tables.includes(&schema, &table) || held.len() >= HOLDERS_MAX {
            continue;
        }
        let holder: String = row.try_get(4).unwrap_or_default();
        let seconds: i64 = row.try_get(5).unwrap_or_default();
        held.push(format!("{holder} holds {mode} on {schema}.{table}, its transaction is open for {seconds} s"));
        pids.extend(row.try_get::<_, Option<i32>>(3).ok().flatten().filter(|pid| !pids.contains(pid)));
    }
    if held.is_empty() {
        return problem;
    }
    let end = pids.iter().map(|pid| format!("SELECT pg_terminate_backend({pid});")).collect::<Vec<_>>().join(" ");
    let fix = format!("nothing, when that ends by itself: the start is tried again and again; to end it now: {end}");
    Problem::retry("pg/locked", "a captured table is locked, and the connector waits for it").at(problem.at).why(held.join("\n")).fix(fix)
}
