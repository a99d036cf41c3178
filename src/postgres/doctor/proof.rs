//! The proof of the whole way: a replication session, a temporary slot, a heartbeat; and how slots fare.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::super::application::{self, Owner};
use super::super::connection::{Connection, Session};
use super::super::slots::SlotReport;
use super::super::{PostgresError, identifier, slot};
use super::{APPLICATION, Doctor, Mark, first_of, text, truth};

/// A temporary slot is made within this, or somebody's long transaction is in the way.
const SLOT_WAIT_MAX: Duration = Duration::from_secs(10);

/// How to see all of them.
const OLD_TRANSACTIONS: &str = "-- end or wait for old transactions:  SELECT pid, usename, xact_start, left(query, 60) FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start;\n-- and prepared ones:  SELECT gid, prepared, owner, database FROM pg_prepared_xacts;";

/// Who reads a connector's slot, where it is not that connector.
fn stranger(application: &str, connector: &str) -> Option<String> {
    match application::owner(application, connector) {
        Owner::Own | Owner::OtherRun | Owner::SameConnector => None,
        Owner::OtherInstance(id) => Some(format!("another rowfeed instance (id {id})")),
        Owner::Stranger => Some("another program".to_owned()),
    }
}

impl Doctor<'_> {
    pub(super) async fn proof(&mut self, client: &Client, slot_test: bool) {
        self.slot_health();
        self.failover(client).await;
        let stuck =
            ["pg/wal-level", "pg/slots-full", "pg/senders-full", "pg/role-replication", "pg/standby"].iter().any(|id| self.has_failed(id));
        // A slot on a standby waits for the primary to write down its transactions.
        let tested = slot_test && !stuck && !self.is_standby && self.replication_session(client, true).await;
        if !tested {
            if !slot_test || stuck || self.is_standby {
                self.replication_session(client, false).await;
            }
            self.long_transactions(client).await;
        }
        self.heartbeat(client).await;
    }

    /// Transactions of more than a minute: a new slot would wait for them.
    async fn long_transactions(&mut self, client: &Client) {
        const TITLE: &str = "old transactions";
        let query = "select text from (select xact_start as began, format('pid %s (%s, application %L), open for %s s', pid, usename, application_name, \
                            extract(epoch from now() - xact_start)::int) as text \
                          from pg_stat_activity where backend_xid is not null and xact_start < now() - interval '1 minute' and pid <> pg_backend_pid() \
                     union all select prepared, format('prepared transaction %L in database %L, open for %s s', gid, database, \
                            extract(epoch from now() - prepared)::int) \
                          from pg_prepared_xacts where prepared < now() - interval '1 minute') as open order by began limit 5";
        match client.query(query, &[]).await {
            Ok(rows) if rows.is_empty() => self.ok("pg/long-tx", TITLE, "none is seen that a new slot would wait for"),
            Ok(rows) => {
                let open: Vec<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
                self.found("pg/long-tx", TITLE, Mark::Warn, format!("a new slot waits for {}", open.join("; ")), OLD_TRANSACTIONS);
            }
            Err(error) => self.unasked(TITLE, &error),
        }
    }

    async fn heartbeat(&mut self, client: &Client) {
        const TITLE: &str = "heartbeat";
        if self.is_standby {
            self.found("pg/heartbeat", TITLE, Mark::Note, "not from a standby: the slot moves with the primary's own traffic", "");
            return;
        }
        // In a transaction that is undone nobody receives it.
        let message = client.batch_execute("begin; select pg_logical_emit_message(true, 'rowfeed', '')").await;
        let _ = client.batch_execute("rollback").await;
        match message {
            Ok(()) => self.ok("pg/heartbeat", TITLE, "pg_logical_emit_message allowed, no heartbeat table needed"),
            Err(error) => {
                // It has one parameter more since PostgreSQL 17.
                let flush = if self.version >= 170_000 { ", boolean" } else { "" };
                let fix = format!("GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text{flush}) TO {};", self.role_name());
                let why = error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
                self.found("pg/heartbeat", TITLE, Mark::Warn, why, fix);
            }
        }
    }

    /// True when a slot was asked for, whatever came of it.
    async fn replication_session(&mut self, client: &Client, slot_test: bool) -> bool {
        const TITLE: &str = "replication session";
        let opened = Connection::open(self.config, Session::Replication, APPLICATION).await;
        let identified = match opened {
            // A pooler drops the parameter silently and hands the command to an ordinary session.
            Ok(mut session) => session.query("IDENTIFY_SYSTEM").await.map(|_| session),
            Err(error) => Err(error),
        };
        let mut session = match identified {
            Ok(session) => session,
            Err(error) => {
                let problem = error.problem(self.config);
                let pooler = problem.code == "pg/pooler";
                let fix = self.provider.direct(self.config);
                let problem = if pooler { problem.fix(fix.trim_start_matches("-- ")) } else { problem };
                self.failed_as(TITLE, problem);
                return false;
            }
        };
        self.ok("pg/pooler", TITLE, "no pooler in between");
        if slot_test {
            self.temporary_slot(client, &mut session).await;
        }
        slot_test
    }

    async fn temporary_slot(&mut self, client: &Client, session: &mut Connection) {
        const TITLE: &str = "temporary slot";
        let started = Instant::now();
        let name = format!("rowfeed_check_{}", uuid::Uuid::new_v4().simple());
        let sql = format!("CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT", identifier(&name));
        match session.query_within(&sql, SLOT_WAIT_MAX, "creating a temporary slot").await {
            Ok(_) => {
                // It goes with the session.
                self.ok("pg/slot-temp", TITLE, format!("created and dropped in {:.1} s", started.elapsed().as_secs_f64()));
                self.ok("pg/long-tx", "old transactions", "none held up the slot");
            }
            Err(PostgresError::Timeout(..)) => {
                slot::give_up(client, &name).await;
                let open = slot::open_transactions(client).await.join("; ");
                let observed =
                    format!("not made within {} s: transactions that were open before hold it up: {open}", SLOT_WAIT_MAX.as_secs());
                self.found("pg/long-tx", TITLE, Mark::Warn, observed, OLD_TRANSACTIONS);
            }
            Err(error) => self.failed(TITLE, &error),
        }
    }

    /// The connector's own slot, and others that are lost or nearly.
    fn slot_health(&mut self) {
        const TITLE: &str = "slots";
        let slots = std::mem::take(&mut self.slots);
        let before = self.findings.len();
        let own = self.connector.map(|config| (config.slot_name.as_str(), config.name.as_str()));
        for slot in &slots {
            match &own {
                Some((name, connector)) if slot.name == *name => self.own_slot(slot, connector),
                _ if slot.is_endangered() => {
                    let status = slot.wal_status.as_deref().unwrap_or_default();
                    let fix = format!("-- if nobody needs it:  SELECT pg_drop_replication_slot('{}');", slot.name);
                    self.found("pg/slot-health", TITLE, Mark::Warn, format!("{} is {status}", slot.name), fix);
                }
                _ => {}
            }
        }
        if self.findings.len() == before {
            self.ok("pg/slot-health", TITLE, if slots.is_empty() { "none yet" } else { "none is in danger" });
        }
        self.slots = slots;
    }

    fn own_slot(&mut self, slot: &SlotReport, connector: &str) {
        const TITLE: &str = "its slot";
        let name = &slot.name;
        let drop = format!("SELECT pg_drop_replication_slot('{name}');       -- and begin anew: what it kept is gone");
        let status = slot.wal_status.as_deref().unwrap_or_default();
        if !slot.logical || slot.plugin != "pgoutput" {
            let seen = format!("{name} is not a slot of pgoutput ({})", if slot.logical { slot.plugin.as_str() } else { "physical" });
            self.found("pg/slot-plugin", TITLE, Mark::Fail, seen, "-- choose another slot.name, or drop that slot");
        } else if slot.database != self.config.database {
            let seen = format!("{name} belongs to database {}", slot.database);
            self.found("pg/slot-database", TITLE, Mark::Fail, seen, "-- choose another slot.name");
        } else if status == "lost" {
            self.found("pg/slot-health", TITLE, Mark::Fail, format!("{name} has lost its WAL: changes are gone from the server"), drop)
                .expected = "reserved";
        } else if slot.active_pid.is_some()
            && let Some(who) = stranger(&slot.application, connector)
        {
            let seen = format!("{name} is read by {who}: {}", slot.holder);
            self.found("pg/slot-health", TITLE, Mark::Fail, seen, "-- end that reader, or choose another slot.name").expected =
                "no other reader";
        } else if status == "unreserved" {
            let seen = format!("{name} is about to lose its WAL: the next checkpoint removes what it needs");
            self.found(
                "pg/slot-health",
                TITLE,
                Mark::Warn,
                seen,
                "-- let the connector catch up at once, or raise max_slot_wal_keep_size",
            )
            .expected = "reserved";
        } else {
            let mib = slot.retained_bytes.unwrap_or(0) >> 20;
            self.ok("pg/slot-health", TITLE, format!("{name}: {status}, keeps {mib} MiB of WAL"));
        }
    }

    /// Where there are standbys, whether the slot would be there after a failover.
    async fn failover(&mut self, client: &Client) {
        const TITLE: &str = "failover";
        let standbys: Vec<String> =
            self.slots.iter().filter(|slot| !slot.logical && !slot.temporary).map(|slot| slot.name.clone()).collect();
        let streaming = truth(
            client,
            "select exists (select 1 from pg_stat_replication r where not exists \
                                       (select 1 from pg_replication_slots s where s.active_pid = r.pid and s.slot_type = 'logical') \
                                       and r.application_name not like 'rowfeed%' and r.state = 'streaming')",
            &[],
        )
        .await
        .unwrap_or(false);
        if standbys.is_empty() && !streaming {
            return self.ok("pg/failover", TITLE, "no standby is seen");
        }
        let seen =
            if standbys.is_empty() { "there is a standby".to_owned() } else { format!("there are standbys ({})", first_of(&standbys)) };
        if self.version < 170_000 {
            self.found("pg/failover", TITLE, Mark::Note, format!("{seen}: before PostgreSQL 17 a slot does not survive a failover"), "");
            return;
        }
        if self.connector.is_some_and(|config| !config.slot_failover) {
            let fix = "-- slot.failover=true before the slot is made, and sync_replication_slots = on at the standbys";
            self.found("pg/failover", TITLE, Mark::Warn, format!("{seen}, and the slot will not survive a failover"), fix);
            return;
        }
        match text(client, "select current_setting('synchronized_standby_slots')", &[]).await {
            Ok(waits) if waits.is_empty() && !standbys.is_empty() => {
                let fix = self.provider.setting("synchronized_standby_slots", &standbys.join(", "), false);
                let seen = format!("{seen}: with slot.failover, synchronized_standby_slots keeps changes back until they have them");
                let mark = if self.connector.is_some() { Mark::Warn } else { Mark::Note };
                // Nothing to do for a database that nothing captures yet.
                let fix = if mark == Mark::Warn { fix } else { String::new() };
                self.found("pg/failover", TITLE, mark, seen, fix);
            }
            Ok(waits) => self.ok("pg/failover", TITLE, format!("{seen}; synchronized_standby_slots = {waits}")),
            Err(error) => self.unasked(TITLE, &error),
        }
    }
}
