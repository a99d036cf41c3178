//! The server: version, WAL, slots, senders, limits, clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio_postgres::Client;

use super::super::catalog;
use super::super::slots::{self, SlotReport};
use super::{Doctor, Mark, NAMES_MAX, number, text, truth};

/// Clocks that differ by more make every figure of a lag wrong.
const SKEW_MS_MAX: i64 = 1000;
/// A day of WAL is a good limit: this where nobody knows how much that is, and at least.
const KEEP_GIB_DEFAULT: i64 = 50;
const KEEP_GIB_MIN: i64 = 10;

impl Doctor<'_> {
    pub(super) async fn server(&mut self, client: &Client, title: String, took: Duration) -> String {
        let tls = match text(client, "select version from pg_stat_ssl where pid = pg_backend_pid() and ssl", &[]).await {
            Ok(version) => version,
            Err(_) => "no TLS".to_owned(),
        };
        self.ok("pg/reachable", "reachable", format!("{} ms, {tls}", took.as_millis()));
        let version = text(client, "select current_setting('server_version')", &[]).await.unwrap_or_default();
        self.version = number(client, "select current_setting('server_version_num')::bigint").await.unwrap_or(0);
        match self.version {
            ..130_000 => {
                let fix = "-- PostgreSQL 13 or newer is needed";
                self.found("pg/version", "version", Mark::Fail, version.as_str(), fix).expected = "13 or newer";
            }
            130_000..150_000 => {
                self.found(
                    "pg/version",
                    "version",
                    Mark::Note,
                    format!("{version}: publications have row filters and column lists from 15 on"),
                    "",
                );
            }
            _ => self.ok("pg/version", "version", version.as_str()),
        }
        self.is_standby = truth(client, "select pg_is_in_recovery()", &[]).await.unwrap_or(false);
        self.primary();
        self.encoding(client).await;
        self.wal_level(client).await;
        let slots = slots::list(client).await;
        match &slots {
            Ok(slots) => self.free_slots(client, slots).await,
            Err(error) => self.failed("replication slots", error),
        }
        self.slots = slots.unwrap_or_default();
        self.senders(client).await;
        self.wal_limit(client).await;
        self.clock(client).await;
        let provider = Some(self.provider.name()).filter(|name| !name.is_empty()).map(|name| format!(" · {name}")).unwrap_or_default();
        format!("{title} · PostgreSQL {version}{provider} · {}", if self.is_standby { "standby" } else { "primary" })
    }

    fn primary(&mut self) {
        const TITLE: &str = "primary";
        match (self.is_standby, self.version) {
            (false, _) => self.ok("pg/standby", TITLE, "not in recovery"),
            (true, ..160_000) => {
                let fix = "-- connect to the primary, or use PostgreSQL 16 or newer";
                self.found("pg/standby", TITLE, Mark::Fail, "this is a standby", fix).expected = "a primary";
            }
            (true, _) => {
                let seen = "this is a standby: its publication and heartbeats must be made on the primary";
                self.found("pg/standby", TITLE, Mark::Warn, seen, "").expected = "a primary";
            }
        }
    }

    async fn encoding(&mut self, client: &Client) {
        const TITLE: &str = "encoding";
        match text(client, "select current_setting('server_encoding')", &[]).await {
            Ok(encoding) => match catalog::check_encoding(&encoding) {
                Ok(()) => self.ok("pg/encoding", TITLE, encoding),
                Err(error) => self.failed(TITLE, &error),
            },
            Err(error) => self.unasked(TITLE, &error),
        }
    }

    async fn wal_level(&mut self, client: &Client) {
        const TITLE: &str = "wal_level";
        match text(client, "select current_setting('wal_level')", &[]).await {
            Ok(level) if level == "logical" => self.ok("pg/wal-level", TITLE, level),
            Ok(level) => {
                let fix = self.provider.logical_wal();
                self.found("pg/wal-level", TITLE, Mark::Fail, format!("{level}, must be logical"), fix).expected = "logical";
            }
            Err(error) => self.unasked(TITLE, &error),
        }
    }

    async fn free_slots(&mut self, client: &Client, slots: &[SlotReport]) {
        const TITLE: &str = "replication slots";
        let used = slots.len();
        let most = match number(client, "select current_setting('max_replication_slots')::bigint").await {
            Ok(most) => usize::try_from(most).unwrap_or(0),
            Err(error) => return self.unasked(TITLE, &error),
        };
        // The connector's own is there already.
        let own = self.connector.is_some_and(|config| slots.iter().any(|slot| slot.name == config.slot_name));
        if used < most || own {
            return self.ok("pg/slots-full", TITLE, format!("{used} of {most} used"));
        }
        let mut idle: Vec<_> = slots.iter().filter(|slot| slot.active_pid.is_none()).collect();
        idle.sort_by_key(|slot| std::cmp::Reverse(slot.retained_bytes));
        let mut fix = String::new();
        for slot in idle.into_iter().take(NAMES_MAX) {
            let idle = slot.idle();
            fix.push_str(&format!("-- if nobody needs it ({idle}):  SELECT pg_drop_replication_slot('{}');\n", slot.name));
        }
        fix.push_str(&self.provider.setting("max_replication_slots", &(most + 10).to_string(), true));
        self.found("pg/slots-full", TITLE, Mark::Fail, format!("none is free ({used} of {most} used)"), fix).expected = "a free one";
    }

    fn own_slot_is_read(&self) -> bool {
        let Some(connector) = self.connector else { return false };
        self.slots.iter().any(|slot| slot.name == connector.slot_name && slot.active_pid.is_some())
    }

    async fn senders(&mut self, client: &Client) {
        const TITLE: &str = "WAL senders";
        let used = number(client, "select count(*) from pg_stat_replication").await;
        let most = number(client, "select current_setting('max_wal_senders')::bigint").await;
        match (used, most) {
            // One that streams has its own.
            (Ok(used), Ok(most)) if used < most || self.own_slot_is_read() => {
                self.ok("pg/senders-full", TITLE, format!("{used} of {most} used"))
            }
            (Ok(used), Ok(most)) => {
                let fix = self.provider.setting("max_wal_senders", &(most + 10).to_string(), true);
                self.found("pg/senders-full", TITLE, Mark::Fail, format!("none is free ({used} of {most} used)"), fix).expected =
                    "a free one";
            }
            (Err(error), _) | (_, Err(error)) => self.unasked(TITLE, &error),
        }
    }

    async fn wal_limit(&mut self, client: &Client) {
        const TITLE: &str = "WAL limit";
        match text(client, "select current_setting('max_slot_wal_keep_size')", &[]).await {
            Ok(size) if size == "-1" => {
                // What a day writes, where the server counts it.
                let query = "select (wal_bytes * 86400 / extract(epoch from now() - stats_reset) / 1073741824)::bigint \
                             from pg_stat_wal where stats_reset < now() - interval '1 hour'";
                let keep = match number(client, query).await {
                    Ok(gib) => gib.max(KEEP_GIB_MIN),
                    Err(_) => KEEP_GIB_DEFAULT,
                };
                let fix =
                    format!("-- choose it by your disk\n{}", self.provider.setting("max_slot_wal_keep_size", &format!("{keep}GB"), false));
                let seen = "max_slot_wal_keep_size = -1: a stopped consumer can fill the disk";
                self.found("pg/wal-unlimited", TITLE, Mark::Warn, seen, fix).expected = "a limit";
            }
            Ok(size) => self.ok("pg/wal-unlimited", TITLE, format!("max_slot_wal_keep_size = {size}")),
            // The setting came with PostgreSQL 13.
            Err(_) if self.version < 130_000 => {}
            Err(error) => self.unasked(TITLE, &error),
        }
    }

    async fn clock(&mut self, client: &Client) {
        const TITLE: &str = "clock";
        let (began, before) = (Instant::now(), SystemTime::now());
        let theirs = number(client, "select (extract(epoch from clock_timestamp()) * 1000)::bigint").await;
        let took = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let ours = before.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        match theirs {
            Ok(theirs) => match skew_ms(ours, took, theirs) {
                skew if skew.abs() <= SKEW_MS_MAX => self.ok("clock/skew", TITLE, "the same as here"),
                skew => {
                    let seen = format!(
                        "{:.1} s {} this machine's: lags are wrong by that",
                        skew.abs() as f64 / 1000.0,
                        if skew > 0 { "ahead of" } else { "behind" }
                    );
                    self.found("clock/skew", TITLE, Mark::Warn, seen, "-- let both machines follow the same time servers (NTP)");
                }
            },
            Err(error) => self.unasked(TITLE, &error),
        }
    }
}

/// How far their clock is from ours at least, when the answer took so long.
fn skew_ms(ours_before: i64, took: i64, theirs: i64) -> i64 {
    let (first, last) = (ours_before, ours_before.saturating_add(took));
    if theirs < first { theirs - first } else { (theirs - last).max(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_differ_only_by_what_the_way_does_not_explain() {
        assert_eq!(skew_ms(1000, 500, 1400), 0);
        assert_eq!(skew_ms(1000, 500, 1000), 0);
        assert_eq!(skew_ms(1000, 500, 1600), 100);
        assert_eq!(skew_ms(1000, 500, 900), -100);
    }
}
