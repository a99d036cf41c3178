//! A temporary PostgreSQL server of our own.
//!
//! Owns finding the programs, `initdb`, starting, stopping and removing. Promises that the server runs as a user who
//! is not root (PostgreSQL refuses root), on a free loopback port, and that it ends and its files go when the
//! [`Cluster`] is dropped *or when this process dies in any way*: a small shell holds the read end of a pipe, and the
//! end of the pipe is the order to stop. Leaves what is in the database to the caller.

use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::problem::Problem;

/// How long a server may take to start; a loaded two-core machine needs about five seconds.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Where the search for a free port begins; many well-known services listen below.
const LOWEST_PORT: u16 = 10_000;
/// How long a file's state is trusted before it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Starts the server, waits for a word on standard input and passes it on as a signal. No word, only the end of the
/// pipe: the owner is gone, so stop at once and take the files away.
const KEEPER: &str = r#"
dir=$1; keep=$2; shift 2
{ "$@" >>"$dir/postgres.log" 2>&1 </dev/null; echo $? >"$dir/exited"; } &
signal=QUIT; remove=yes
if read -r word; then signal=$word; remove=no; fi
while [ ! -e "$dir/exited" ] && ! kill -s "$signal" "$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null)" 2>/dev/null; do sleep 0.05; done
wait
if [ "$remove" = yes ] && [ "$keep" = no ]; then rm -rf -- "$dir"; fi
"#;

/// The directory with `initdb` and `postgres`, and what version they are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Holds `initdb` and `postgres`.
    pub bin: PathBuf,
    /// As the server names itself, for example `15.18`.
    pub version: String,
}

impl Programs {
    /// Looks on `PATH`, then asks `pg_config`, then in Debian's folders, newest version first.
    pub fn find() -> Result<Self, Problem> {
        let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
        let mut folders = on_path;
        folders.extend(asked_of_pg_config());
        folders.extend(debian_folders());
        folders.iter().find_map(|folder| Self::in_folder(folder)).ok_or_else(|| {
            Problem::refuse("demo/no-postgres", "no PostgreSQL server programs were found")
                .why("looked for initdb and postgres on PATH, in `pg_config --bindir` and in /usr/lib/postgresql/*/bin")
                .fix("apt-get install postgresql\nor name a database: rowfeed demo --url postgres://user@host/db")
        })
    }

    /// The programs in one folder, if both are there and run.
    pub fn in_folder(folder: &Path) -> Option<Self> {
        let postgres = fs::canonicalize(folder.join("postgres")).ok()?;
        let bin = postgres.parent()?.to_owned();
        if !bin.join("initdb").exists() {
            return None;
        }
        let said = Command::new(&postgres).arg("--version").output().ok().filter(|out| out.status.success())?;
        let version = String::from_utf8_lossy(&said.stdout).split_whitespace().nth(2)?.to_owned();
        Some(Self { bin, version })
    }

    /// The first number of the version: 15 of `15.18`, 18 of `18beta1`.
    pub fn major(&self) -> u32 {
        let digits: String = self.version.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_default()
    }
}

fn asked_of_pg_config() -> Option<PathBuf> {
    let said = Command::new("pg_config").arg("--bindir").output().ok().filter(|out| out.status.success())?;
    Some(PathBuf::from(String::from_utf8_lossy(&said.stdout).trim()))
}

fn debian_folders() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

/// Who owns the server's files and process.
#[derive(Clone, Copy, Debug)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    /// `postgres` (or `nobody`) when this process is root, else nobody special.
    fn needed() -> Result<Option<Self>, Problem> {
        let me = fs::metadata("/proc/self").map(|meta| std::os::unix::fs::MetadataExt::uid(&meta)).unwrap_or_default();
        if me != 0 {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"].iter().find_map(|name| Self::named(&users, name)).map(Some).ok_or_else(|| {
            Problem::refuse("demo/root", "PostgreSQL does not run as root and there is no user to run it as")
                .fix("useradd --system postgres\nor start as another user")
        })
    }

    fn named(users: &str, name: &str) -> Option<Self> {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }
}

/// How to make the server.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The programs to run.
    pub programs: Programs,
    /// The start of the folder's name under the temporary directory.
    pub name: String,
    /// False turns `fsync` off: faster, and fine for everything that does not crash the machine.
    pub sync: bool,
    /// Further lines of `postgresql.conf`.
    pub settings: Vec<(String, String)>,
    /// True leaves the files when the server ends.
    pub keep: bool,
}

/// How to stop the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended, a checkpoint is written.
    Fast,
    /// As a crash: the next start recovers from the WAL.
    Immediate,
}

/// A running (or stopped, see [`Cluster::stop`]) temporary server.
#[derive(Debug)]
pub struct Cluster {
    shape: Shape,
    dir: PathBuf,
    port: u16,
    owner: Option<Owner>,
    keeper: Option<Child>,
}

impl Cluster {
    /// Makes and starts a server; it answers when this returns.
    pub fn start(shape: Shape) -> Result<Self, Problem> {
        let owner = Owner::needed()?;
        let dir = std::env::temp_dir().join(format!("{}-{}", shape.name, uuid::Uuid::new_v4().simple()));
        let port = free_port().map_err(|error| trouble("finding a free port", &error))?;
        let mut cluster = Self { shape, dir, port, owner, keeper: None };
        cluster.create().map_err(|error| trouble("creating the temporary server", &error))?;
        cluster.start_again()?;
        Ok(cluster)
    }

    /// The loopback port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder: `data`, `postgres.log` and the socket.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The version the server names.
    pub fn programs(&self) -> &Programs {
        &self.shape.programs
    }

    /// The address of a database in it. There is no password: only this machine reaches the port.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// What the server wrote to its log so far.
    pub fn log(&self) -> String {
        fs::read(self.dir.join("postgres.log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Stops the server and keeps its files, so that [`Cluster::start_again`] finds them.
    pub fn stop(&mut self, how: Stop) {
        let signal: &[u8] = match how {
            Stop::Fast => b"INT\n",
            Stop::Immediate => b"QUIT\n",
        };
        if let Some(mut keeper) = self.keeper.take() {
            if let Some(mut pipe) = keeper.stdin.take() {
                // A keeper that is gone has stopped the server already.
                let _ = pipe.write_all(signal);
            }
            let _ = keeper.wait();
        }
    }

    /// Starts a stopped server on the same files and port.
    pub fn start_again(&mut self) -> Result<(), Problem> {
        // What the last keeper said of the last server's end.
        let _ = fs::remove_file(self.dir.join("exited"));
        let keep = if self.shape.keep { "yes" } else { "no" };
        let mut command = self.as_owner(Path::new("sh"));
        command.args(["-c", KEEPER, "keeper"]).arg(&self.dir).arg(keep);
        command.arg(self.shape.programs.bin.join("postgres")).arg("-D").arg(self.dir.join("data"));
        // Its own process group: Ctrl-C on the terminal is ours to handle, in our order.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        self.keeper = Some(command.spawn().map_err(|error| trouble("starting the temporary server", &error))?);
        self.wait_until_ready()
    }

    /// Makes the files of another server in the place of the stopped one's, which were moved away.
    pub fn create_again(&mut self) -> Result<(), Problem> {
        self.create_data().map_err(|error| trouble("creating the temporary server", &error))
    }

    /// A program of the same version, as the server's owner, in its folder.
    pub fn program(&self, name: &str) -> Command {
        self.as_owner(&self.shape.programs.bin.join(name))
    }

    fn create(&self) -> io::Result<()> {
        fs::create_dir(&self.dir)?;
        fs::set_permissions(&self.dir, fs::Permissions::from_mode(0o700))?;
        if let Some(owner) = self.owner {
            std::os::unix::fs::chown(&self.dir, Some(owner.uid), Some(owner.gid))?;
        }
        self.create_data()
    }

    fn create_data(&self) -> io::Result<()> {
        let mut initdb = self.as_owner(&self.shape.programs.bin.join("initdb"));
        initdb.arg("-D").arg(self.dir.join("data"));
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let made = initdb.stdin(Stdio::null()).output()?;
        if !made.status.success() {
            let said = format!("{}{}", String::from_utf8_lossy(&made.stdout), String::from_utf8_lossy(&made.stderr));
            return Err(io::Error::other(format!("initdb failed: {}", said.trim())));
        }
        let mut conf = fs::OpenOptions::new().append(true).open(self.dir.join("data/postgresql.conf"))?;
        conf.write_all(self.settings().as_bytes())
    }

    fn settings(&self) -> String {
        let mut lines = format!(
            "\nport = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nwal_level = logical\nmax_wal_senders = 20\n\
             max_replication_slots = 40\nfsync = {}\nlc_messages = 'C'\n",
            self.port,
            self.dir.display(),
            if self.shape.sync { "on" } else { "off" },
        );
        for (name, value) in &self.shape.settings {
            lines.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        lines
    }

    fn as_owner(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.dir);
        if let Some(owner) = self.owner {
            command.uid(owner.uid).gid(owner.gid);
        }
        command
    }

    /// The eighth line of `postmaster.pid` says `ready` when connections are accepted.
    fn wait_until_ready(&self) -> Result<(), Problem> {
        let until = Instant::now() + START_LIMIT;
        loop {
            let state = fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap_or_default();
            if state.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
                return Ok(());
            }
            if self.dir.join("exited").exists() || Instant::now() > until {
                let log = self.log();
                let tail: Vec<&str> = log.lines().rev().take(5).collect();
                let said = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
                return Err(Problem::fail("demo/postgres-start", "the temporary PostgreSQL did not start").why(said));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
        if !self.shape.keep {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// A port nobody listens on now. Another program may take it before we do; then the start fails and says so.
///
/// It lies below the ports that the kernel gives to outgoing connections: a client of any program could hold one of
/// those at the moment the server binds it, or while a server is down between a stop and a start.
pub fn free_port() -> io::Result<u16> {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new((uuid::Uuid::new_v4().as_u128() & 0xFFFF) as u16));
    let first_outgoing = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse::<u16>().ok())
        .unwrap_or(32_768);
    let candidates = first_outgoing.saturating_sub(LOWEST_PORT);
    for _ in 0..candidates.min(1_000) {
        let port = LOWEST_PORT + NEXT.fetch_add(1, Ordering::Relaxed) % candidates;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn trouble(doing: &str, error: &io::Error) -> Problem {
    Problem::fail("demo/postgres-start", format!("{doing} failed")).why(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_can_be_bound() {
        let ports: Vec<u16> = (0..50).map(|_| free_port().expect("a port")).collect();
        let listeners: Vec<_> = ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port))).collect();
        assert!(listeners.iter().all(Result::is_ok), "{ports:?}");
    }

    #[test]
    fn an_owner_is_read_from_the_user_list() {
        let users = "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        let owner = Owner::named(users, "postgres").expect("postgres is listed");
        assert_eq!((owner.uid, owner.gid), (101, 104));
        assert!(Owner::named(users, "nobody").is_none());
    }

    #[test]
    fn the_major_version_is_the_first_number() {
        for (version, major) in [("15.18", 15), ("18beta1", 18), ("", 0)] {
            assert_eq!(Programs { bin: PathBuf::new(), version: version.into() }.major(), major);
        }
    }
}
