//! The load: several sessions, each writing small random transactions as fast as its pace allows.
//!
//! Every row of `acc` and `stock` carries `seq`, which grows by one with each change in one `life` of its key. Every
//! row of the other tables carries its writer, the writer's transaction and its step in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::DEADLINE;
use crate::support::postgres::{Database, Sql};
use crate::support::random::Random;

/// How many keys `acc` works on.
const KEYS: u64 = 200;
/// Where a moved key goes.
const MOVED: u64 = 1000;

/// How much to write.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Sessions at once.
    pub writers: u64,
    /// Transactions of each writer; then it ends. `u64::MAX` writes until stopped.
    pub transactions: u64,
    /// Pause behind each transaction: leaves the machine room for the program under test.
    pub pause: Duration,
}

/// A running load.
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts the writers.
    pub fn start(database: &Database, seed: u64, pace: Pace) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..pace.writers)
            .map(|number| {
                let writer = Writer::new(database.clone(), seed, number);
                let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
                std::thread::spawn(move || writer.run(pace, &stop, &done))
            })
            .collect();
        Self { stop, done, threads }
    }

    /// How many transactions ended so far, over all writers.
    pub fn transactions(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Ends the writers after their current transaction.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.join();
    }

    /// Waits until every writer has done all its transactions.
    pub fn join(self) {
        for thread in self.threads {
            thread.join().expect("a writer does not panic");
        }
    }
}

/// What a transaction did, by table and kind, as the journal writes it: `acc.c=1 acc.u=2`.
#[derive(Debug, Default)]
pub struct Did(BTreeMap<&'static str, u64>);

impl Did {
    /// Counts `times` more of a kind, for example `acc.u`. The kinds: `c`, `u`, `d`, and `m` for a changed key.
    pub fn add(&mut self, kind: &'static str, times: u64) {
        if times > 0 {
            *self.0.entry(kind).or_default() += times;
        }
    }

    /// As text, sorted.
    pub fn text(&self) -> String {
        self.0.iter().map(|(kind, times)| format!("{kind}={times}")).collect::<Vec<_>>().join(" ")
    }
}

struct Writer {
    database: Database,
    number: u64,
    random: Random,
    step: u64,
}

impl Writer {
    fn new(database: Database, seed: u64, number: u64) -> Self {
        Self { database, number, random: Random::new(seed.wrapping_mul(1000) + number), step: 0 }
    }

    fn run(mut self, pace: Pace, stop: &AtomicBool, done: &AtomicU64) {
        let mut sql = None;
        let mut number = 0;
        while number < pace.transactions && !stop.load(Ordering::Relaxed) {
            let session = match sql.take() {
                Some(session) => session,
                None => self.connect(),
            };
            number += 1;
            match self.transaction(&session, number) {
                Ok(()) => sql = Some(session),
                // A deadlock, or the server went away: the journal says whether the transaction counts.
                Err(_) if session.try_run("rollback").is_ok() => sql = Some(session),
                Err(_) => {}
            }
            done.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(pace.pause);
        }
    }

    /// A session; waits while the server restarts.
    fn connect(&self) -> Sql {
        let until = Instant::now() + DEADLINE;
        loop {
            match Sql::try_connect(&self.database.url()) {
                Ok(sql) => return sql,
                Err(error) => assert!(Instant::now() < until, "a writer cannot connect: {error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn transaction(&mut self, sql: &Sql, number: u64) -> Result<(), tokio_postgres::Error> {
        let mut did = Did::default();
        self.step = 0;
        sql.try_run("begin")?;
        for _ in 0..self.random.among(1..7) {
            self.change(sql, number, &mut did)?;
        }
        let (writer, text) = (self.number, did.text());
        sql.try_run(&format!("insert into journal(xid, w, n, did) values(txid_current(), {writer}, {number}, '{text}')"))?;
        sql.try_run(if self.random.chance(10) { "rollback" } else { "commit" })?;
        Ok(())
    }

    fn change(&mut self, sql: &Sql, number: u64, did: &mut Did) -> Result<(), tokio_postgres::Error> {
        let id = self.random.among(0..KEYS);
        match self.random.among(0..100) {
            0..25 => self.put(sql, id, number, did),
            25..47 => {
                let amount = self.random.among(0..11);
                did.add("acc.u", sql.try_run(&format!("update acc set seq = seq + 1, bal = bal + {amount} - 5.25 where id = {id}"))?);
                Ok(())
            }
            47..54 => {
                did.add("acc.d", sql.try_run(&format!("delete from acc where id = {id}"))?);
                Ok(())
            }
            54..60 => Self::regretted(sql, id),
            60..66 => {
                let length = self.random.among(1..9000);
                did.add("acc.u", sql.try_run(&format!("update acc set seq = seq + 1, big = repeat('z', {length}) where id = {id}"))?);
                Ok(())
            }
            66..70 => self.move_key(sql, id, did),
            70..76 => self.audit(sql, number, did),
            76..80 => self.bulk(sql, number, did),
            80..90 => self.note(sql, number, did),
            _ => self.stock(sql, did),
        }
    }

    fn put(&mut self, sql: &Sql, id: u64, number: u64, did: &mut Did) -> Result<(), tokio_postgres::Error> {
        let (writer, wide) = (self.number, self.random.chance(30));
        let rows = sql.try_rows(&format!(
            "insert into acc values({id}, 1, nextval('lives'), 100, 'w{writer}', case when {wide} then repeat(md5('{number}'), 200) end)
             on conflict (id) do update set seq = acc.seq + 1, note = excluded.note returning xmax = 0"
        ))?;
        let new = rows.first().and_then(|row| row.first()?.as_deref()) == Some("t");
        did.add(if new { "acc.c" } else { "acc.u" }, 1);
        Ok(())
    }

    /// A change that is taken back within its transaction: no event may tell of it.
    fn regretted(sql: &Sql, id: u64) -> Result<(), tokio_postgres::Error> {
        sql.try_run("savepoint regret")?;
        sql.try_run(&format!("update acc set seq = seq + 1 where id = {id}"))?;
        sql.try_run("insert into notes values(-1, -1, -1, 'never')")?;
        sql.try_run("rollback to regret")?;
        Ok(())
    }

    fn move_key(&mut self, sql: &Sql, id: u64, did: &mut Did) -> Result<(), tokio_postgres::Error> {
        let to = id + MOVED;
        if self.random.chance(60) {
            did.add("acc.d", sql.try_run(&format!("delete from acc where id = {to}"))?);
        }
        let moved = sql.try_run(&format!(
            "update acc set id = {to}, seq = 1, life = nextval('lives') where id = {id} and not exists(select 1 from acc b where b.id = {to})"
        ))?;
        did.add("acc.m", moved);
        Ok(())
    }

    fn audit(&mut self, sql: &Sql, number: u64, did: &mut Did) -> Result<(), tokio_postgres::Error> {
        let (writer, from, rows) = (self.number, self.step, self.random.among(1..31));
        self.step += rows;
        let to = self.step - 1;
        did.add(
            "audit.c",
            sql.try_run(&format!(
                "insert into audit(w, n, step, acc) select {writer}, {number}, g, g * 7 from generate_series({from}, {to}) g"
            ))?,
        );
        Ok(())
    }

    /// COPY writes many rows as one WAL record, so their events share one LSN.
    fn bulk(&mut self, sql: &Sql, number: u64, did: &mut Did) -> Result<(), tokio_postgres::Error> {
        let (writer, from, rows) = (self.number, self.step, self.random.among(5..200));
        self.step += rows;
        let (to, base) = (self.step - 1, writer * 10_000_000 + number);
        let written = sql.try_run(&format!(
            "copy bulk from program $$seq {from} {to} | awk '{{ printf \"{base}%04d,{writer},{number},%d,p%d\\n\", $1, $1, $1 }}'$$ with (format csv)"
        ))?;
        did.add("bulk.c", written);
        Ok(())
    }

    fn note(&mut self, sql: &Sql, number: u64, did: &mut Did) -> Result<(), tokio_postgres::Error> {
        let (writer, step) = (self.number, self.step);
        self.step += 1;
        did.add("notes.c", sql.try_run(&format!("insert into notes values({writer}, {number}, {step}, 'note {step}')"))?);
        if self.random.chance(30) {
            did.add("notes.u", sql.try_run(&format!("update notes set body = body || '!' where w = {writer} and n = {number}"))?);
        }
        if self.random.chance(20) {
            let old = number.saturating_sub(3);
            did.add("notes.d", sql.try_run(&format!("delete from notes where w = {writer} and n = {old}"))?);
        }
        Ok(())
    }

    fn stock(&mut self, sql: &Sql, did: &mut Did) -> Result<(), tokio_postgres::Error> {
        let (region, sku) = (["north", "süd", "o'west"][self.random.among(0..3) as usize].replace('\'', "''"), self.random.among(0..20));
        if self.random.chance(20) {
            did.add("stock.d", sql.try_run(&format!("delete from stock where region = '{region}' and sku = {sku}"))?);
            return Ok(());
        }
        let rows = sql.try_rows(&format!(
            "insert into stock values('{region}', {sku}, 1, nextval('lives'), 5)
             on conflict (region, sku) do update set seq = stock.seq + 1, qty = stock.qty + 1 returning xmax = 0"
        ))?;
        let new = rows.first().and_then(|row| row.first()?.as_deref()) == Some("t");
        did.add(if new { "stock.c" } else { "stock.u" }, 1);
        Ok(())
    }
}
