//! What the system says about this process, under the names that every Prometheus client uses.
//!
//! Read from `/proc` each time; where there is none the series are absent.

use std::fs;

/// Ticks a second of `/proc/PID/stat`: fixed in Linux's interface (USER_HZ), whatever the kernel's own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

/// Numbers of a process; `None` where the system does not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Resident memory, bytes.
    pub resident_bytes: Option<u64>,
    /// Virtual memory, bytes.
    pub virtual_bytes: Option<u64>,
    /// Time on processors, seconds.
    pub cpu_seconds: Option<f64>,
    /// When it started, seconds since 1970.
    pub start_seconds: Option<f64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// How many there may be.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

impl Process {
    /// This process now.
    pub fn now() -> Self {
        let read = |name: &str| fs::read_to_string(name).unwrap_or_default();
        let open_fds = fs::read_dir("/proc/self/fd").ok().and_then(|entries| u64::try_from(entries.count()).ok());
        Self { open_fds, ..Self::of(&read("/proc/self/status"), &read("/proc/self/stat"), &read("/proc/stat"), &read("/proc/self/limits")) }
    }

    fn of(status: &str, stat: &str, system: &str, limits: &str) -> Self {
        let after = |text: &str, name: &str| -> Option<u64> {
            text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        };
        // The second field is the program's name in brackets, and may hold anything; what follows it is numbers.
        let fields: Vec<&str> = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        // Numbered as in proc(5), where the first one behind the name is the third.
        let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<f64>().ok()).map(|ticks| ticks / TICKS_PER_SECOND);
        let boot = system.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
        Self {
            resident_bytes: after(status, "VmRSS:").map(|kib| kib * 1024),
            virtual_bytes: after(status, "VmSize:").map(|kib| kib * 1024),
            cpu_seconds: ticks(14).zip(ticks(15)).map(|(user, system)| user + system),
            start_seconds: boot.zip(ticks(22)).map(|(boot, since)| boot + since),
            open_fds: None,
            max_fds: after(limits, "Max open files"),
            threads: after(status, "Threads:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_texts_are_read_whatever_the_program_is_called() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 0 10 0 0 0 150 50 0 0 20 0 4 0 1000 99 9";
        let status = "Name:\tx\nVmSize:\t    20 kB\nVmRSS:\t    10 kB\nThreads:\t4\n";
        let read = Process::of(status, stat, "cpu 1\nbtime 1000000\n", "Max open files            1024                 4096      files\n");
        let expected = Process {
            resident_bytes: Some(10240),
            virtual_bytes: Some(20480),
            cpu_seconds: Some(2.0),
            start_seconds: Some(1_000_010.0),
            open_fds: None,
            max_fds: Some(1024),
            threads: Some(4),
        };
        assert_eq!(read, expected);
        assert_eq!(Process::of("", "", "", ""), Process::default());
    }
}
