//! The service that is measured: `rowfeed run` as a child, with a folder, ports and settings of its own.
//!
//! A small shell holds the read end of a pipe, and the end of the pipe is the order to stop and to remove the folder: the child
//! ends with this process however that ends. Promises that no settings file and no variable of the environment reach it, that
//! its end is noticed and told with its last words, and that `stop` waits for it. Leaves what it is asked to its callers.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

use super::super::client::{Server, escape, refusal};
use super::super::terminal::{number_at, text_at};
use super::ground::{CONNECTOR, Ground};
use crate::demo::cluster::free_port;
use crate::problem::Problem;

/// Runs the service until a word comes, or the end of the pipe; then it has a time to end in order.
const KEEPER: &str = r#"
dir=$1; shift
( trap : TERM; "$@" >"$dir/service.log" 2>&1 </dev/null; echo $? >"$dir/exited" ) &
remove=yes
if read -r word; then remove=no; fi
trap : TERM
kill -s TERM 0
n=0
while [ ! -e "$dir/exited" ] && [ $n -lt 300 ]; do sleep 0.05; n=$((n + 1)); done
if [ "$remove" = yes ]; then rm -rf -- "$dir"; fi
[ -e "$dir/exited" ] || [ "$remove" = yes ] || kill -s KILL 0
"#;

/// The service serves within this time, and its connector streams this long after its snapshot at most.
const READY_WAIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often the child is looked at while something else is waited for.
const WATCH_EVERY: Duration = Duration::from_millis(500);
/// Lines of its log that are told when it ended.
const LAST_LINES: usize = 5;

/// The child.
#[derive(Debug)]
pub struct Child {
    keeper: process::Child,
    dir: PathBuf,
    server: Server,
    kafka: String,
    /// The most memory that was seen since the last look began.
    peak: AtomicU64,
}

/// What the child has used of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// When it was asked.
    pub at: Instant,
    /// Time on processors since its start.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub resident_bytes: u64,
}

impl Child {
    /// Starts it; everything that it writes is under `dir`.
    pub fn start(dir: &Path) -> Result<Self, Problem> {
        let wrong = |error: std::io::Error| Problem::fail("bench/service", "the service cannot be started").why(error.to_string());
        let program = std::env::current_exe().map_err(wrong)?;
        let (http, kafka) = (address().map_err(wrong)?, address().map_err(wrong)?);
        fs::create_dir(dir.join("connectors")).map_err(wrong)?;
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(dir).arg(program).arg("run");
        command.arg("--data").arg(dir.join("data")).arg("--connectors").arg(dir.join("connectors"));
        command.args(["--http", &http, "--kafka", &kafka, "--set", "log.kind=builtin", "--log", "info", "--log-format", "pretty"]);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ROWFEED_")) {
            command.env_remove(name);
        }
        // No rowfeed.toml of the caller's folder; and a process group of its own, so that Ctrl-C is ours to handle.
        command.current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let keeper = command.spawn().map_err(wrong)?;
        let server = Server::parse(&http)?;
        Ok(Self { keeper, dir: dir.to_owned(), server, kafka, peak: AtomicU64::new(0) })
    }

    /// Its HTTP.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Where it speaks Kafka's protocol.
    pub fn kafka(&self) -> &str {
        &self.kafka
    }

    /// The most memory that was seen during the last [`Self::watch`].
    pub fn peak(&self) -> u64 {
        self.peak.load(Relaxed)
    }

    /// Returns when it serves.
    pub async fn wait_ready(&self) -> Result<(), Problem> {
        let until = Instant::now() + READY_WAIT;
        while !self.server.request("GET", "/readyz", None).await.is_ok_and(|answer| answer.status == 200) {
            if self.has_ended() || Instant::now() > until {
                return Err(self.ended());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Makes the connector.
    pub async fn capture(&self, ground: &Ground) -> Result<(), Problem> {
        let options = serde_json::to_value(ground.options()).unwrap_or_default();
        self.server.ask("PUT", &format!("/connectors/{CONNECTOR}/config"), Some(&options)).await.map(drop)
    }

    /// How many records the topic has; none before it exists.
    pub async fn records(&self, topic: &str) -> Result<u64, Problem> {
        let mut answer = self.asked(&format!("/v1/topics/{}", escape(topic))).await?;
        let text = answer.text().await?;
        match answer.status {
            200 => Ok(serde_json::from_str(&text).map_or(0, |topic| number_at(&topic, "/records"))),
            404 => Ok(0),
            status => Err(refusal(status, &text)),
        }
    }

    /// Fails when the connector has.
    pub async fn check(&self) -> Result<(), Problem> {
        self.state().await.map(drop)
    }

    async fn state(&self) -> Result<String, Problem> {
        let view = self.server.get_json(&format!("/v1/connectors/{CONNECTOR}")).await.map_err(|problem| self.or_ended(problem))?;
        let state = text_at(&view, "/state").to_owned();
        if state != "failed" {
            return Ok(state);
        }
        let said = |what: &str| text_at(&view, &format!("/problem/{what}")).to_owned();
        let why = format!("{}: {}\n{}", said("code"), said("what"), said("why"));
        Err(Problem::fail("bench/service", "the connector failed").why(why.trim_end()).fix(said("fix")))
    }

    /// Returns when the connector reads the stream.
    pub async fn wait_streaming(&self, until: Instant) -> Result<(), Problem> {
        let until = until.max(Instant::now() + READY_WAIT);
        while self.state().await? != "streaming" {
            if Instant::now() > until {
                return Err(super::behind("the connector does not stream"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// What it has used.
    pub async fn usage(&self) -> Result<Usage, Problem> {
        let text = self.asked("/metrics").await?.text().await?;
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        // Where the system does not say it the figures are zero, and so shown.
        let (cpu, resident) = (value("process_cpu_seconds_total "), value("process_resident_memory_bytes "));
        Ok(Usage { at: Instant::now(), cpu_seconds: cpu.unwrap_or(0.0), resident_bytes: resident.unwrap_or(0.0) as u64 })
    }

    async fn asked(&self, path: &str) -> Result<super::super::client::Response, Problem> {
        self.server.request("GET", path, None).await.map_err(|problem| self.or_ended(problem))
    }

    /// Does something, and looks at the child meanwhile: its memory, and whether it is there.
    pub async fn watch<T>(&self, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        self.peak.store(0, Relaxed);
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done.map_err(|problem| self.or_ended(problem)),
                () = tokio::time::sleep(WATCH_EVERY) => {
                    self.check().await?;
                    self.peak.fetch_max(self.usage().await?.resident_bytes, Relaxed);
                }
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.dir.join("exited").exists()
    }

    /// The end of the child explains what came of it.
    fn or_ended(&self, problem: Problem) -> Problem {
        if self.has_ended() { self.ended() } else { problem }
    }

    fn ended(&self) -> Problem {
        let log = fs::read(self.dir.join("service.log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(LAST_LINES).collect();
        let said = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        Problem::fail("bench/service", if self.has_ended() { "the service that is measured ended" } else { "the service does not start" })
            .why(said)
    }

    /// Ends it in order, and waits for that.
    pub async fn stop(mut self) {
        let ended = spawn_blocking(move || {
            if let Some(mut pipe) = self.keeper.stdin.take() {
                // A keeper that is gone has no child any more.
                let _ = pipe.write_all(b"stop\n");
            }
            let _ = self.keeper.wait();
        });
        // It cannot fail: what it runs does not panic.
        let _ = ended.await;
    }
}

/// A free address of this machine.
fn address() -> std::io::Result<String> {
    Ok(format!("127.0.0.1:{}", free_port()?))
}

/// How busy this machine's processors have been since it started, all together.
#[derive(Clone, Copy, Debug)]
pub struct Busy(Option<(u64, u64)>);

impl Busy {
    /// By now.
    pub fn now() -> Self {
        Self(fs::read_to_string("/proc/stat").ok().and_then(|stat| Self::of(&stat)))
    }

    /// The first line has the ticks of user, nice, system, idle, waiting for disks, and so on.
    fn of(stat: &str) -> Option<(u64, u64)> {
        let ticks: Vec<u64> =
            stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8).filter_map(|text| text.parse().ok()).collect();
        let all: u64 = ticks.iter().sum();
        let idle = ticks.get(3)? + ticks.get(4)?;
        Some((all - idle, all))
    }

    /// The busy part of the time in between; `None` where the system does not say it.
    pub fn percent_since(&self, before: &Self) -> Option<f64> {
        let ((busy, all), (busy_before, all_before)) = (self.0?, before.0?);
        let all = all.checked_sub(all_before).filter(|all| *all > 0)?;
        Some(busy.saturating_sub(busy_before) as f64 * 100.0 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busy_part_of_a_machine_is_what_is_neither_idle_nor_waiting() {
        let at = |text: &str| Busy(Busy::of(text));
        let (before, after) = (at("cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1"), at("cpu  40 0 20 120 20 0 0 0 5 5\n"));
        assert_eq!(after.percent_since(&before), Some(40.0));
        assert_eq!(before.percent_since(&before), None);
        assert_eq!(at("intr 5").percent_since(&before), None);
    }
}
