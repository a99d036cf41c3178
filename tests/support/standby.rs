//! A real standby of a test's PostgreSQL, from `pg_basebackup`.

use std::path::PathBuf;
use std::process::Stdio;

use rowfeed::demo::cluster::{Cluster, free_port};

use super::postgres::Sql;
use super::wait_for;

/// A running standby; it ends when this is dropped. Its files lie in the primary's folder.
pub struct Standby {
    port: u16,
    folder: PathBuf,
    stop: Box<dyn Fn() + Send>,
}

impl Standby {
    /// Copies the primary and follows it under this name, with these settings.
    pub fn of(primary: &Cluster, name: &str, settings: &[(&str, &str)]) -> Self {
        let folder = primary.dir().join(name);
        let source = format!("host=127.0.0.1 port={} user=postgres application_name={name}", primary.port());
        let mut backup = primary.program("pg_basebackup");
        backup.arg("-d").arg(&source).arg("-D").arg(&folder).args(["-R", "-X", "stream", "-c", "fast"]);
        let made = backup.stdin(Stdio::null()).output().expect("pg_basebackup runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port().expect("a port");
        let mut start = primary.program("pg_ctl");
        let settings: String = settings.iter().map(|(name, value)| format!(" -c {name}={value}")).collect();
        start.arg("-D").arg(&folder).args(["-w", "-l"]).arg(primary.dir().join(format!("{name}.log")));
        start.arg("-o").arg(format!("-p {port} -c hot_standby=on{settings}")).arg("start");
        let started = start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("pg_ctl runs");
        assert!(started.success(), "the standby did not start");
        let (program, at) = (std::sync::Mutex::new(primary.program("pg_ctl")), folder.clone());
        let stop = move || {
            if let Ok(mut program) = program.lock() {
                let _ = program.arg("-D").arg(&at).args(["-m", "immediate", "stop"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
            }
        };
        let standby = Self { port, folder, stop: Box::new(stop) };
        wait_for("the standby to answer", || Sql::try_connect(&standby.url("postgres")).ok());
        standby
    }

    /// The address of a database in it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        (self.stop)();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
