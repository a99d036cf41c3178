//! Who listens on a port of this machine, as far as Linux lets this user see.
//!
//! Owns reading `/proc/net/tcp` and the processes' descriptors. Promises an answer or none, never an error: it is asked when
//! something has failed already.

use std::fs;
use std::path::Path;

/// Processes that are looked at.
const PROCESSES_MAX: usize = 100_000;

/// `pid 812 (postgres)`, for whoever listens on a TCP port.
pub fn holder(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| {
            table.lines().filter_map(|line| listening(line, port)).map(|inode| format!("socket:[{inode}]")).collect::<Vec<_>>()
        })
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok).take(PROCESSES_MAX);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| holds(Path::new(&format!("/proc/{pid}/fd")), &inodes)).map(named).next()
}

/// The inode of a line of `/proc/net/tcp`, when it is a listener (state 0A) on this port.
fn listening(line: &str, port: u16) -> Option<&str> {
    let mut words = line.split_whitespace();
    let (local, state) = (words.nth(1)?, words.nth(1)?);
    let of_port = local.rsplit_once(':').and_then(|(_, hex)| u16::from_str_radix(hex, 16).ok()) == Some(port);
    words.nth(5).filter(|_| of_port && state == "0A")
}

fn holds(descriptors: &Path, inodes: &[String]) -> bool {
    let Ok(open) = fs::read_dir(descriptors) else { return false };
    let links = open.filter_map(Result::ok).filter_map(|entry| fs::read_link(entry.path()).ok());
    links.into_iter().any(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str()))
}

fn named(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.trim().is_empty() { format!("pid {pid}") } else { format!("pid {pid} ({})", name.trim()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = "   0: 0100007F:1F93 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4223 1 0 100 0 0 10 0";
        assert_eq!((listening(line, 8083), listening(line, 8084)), (Some("4223"), None));
        assert_eq!(listening(&line.replace(" 0A ", " 01 "), 8083), None);
        assert_eq!(listening("  sl  local_address rem_address   st", 8083), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn whoever_listens_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let found = holder(port).expect("it is this process");
        assert!(found.starts_with(&format!("pid {} (", std::process::id())), "{found}");
    }
}
