//! Notices that files of settings have changed.
//!
//! Owns what a folder of connector files looks like from outside (names, sizes, times, inodes) and when a change of it has
//! come to rest. It looks again and again instead of being told: that also works on network file systems and bind mounts,
//! and sees Kubernetes exchange the link behind a whole folder. Promises that a file that is just being written is not
//! read: nothing may have changed for a while. Leaves reading to [`super::definitions`].

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::definitions;
use crate::problem::Problem;

/// How often the folder is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A change is acted on when nothing has changed for so long: editors and copies write in several steps.
const AT_REST: Duration = Duration::from_millis(500);

/// What a file looks like from outside. Links are followed: of one that is exchanged, the file behind it is another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    path: PathBuf,
    changed: Option<SystemTime>,
    bytes: u64,
    inode: (u64, u64),
}

/// A folder from outside; `None` for one that is not there or cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(Option<Vec<Look>>);

impl Fingerprint {
    /// One file, as it is now.
    pub fn of_file(path: &Path) -> Self {
        Self(path.is_file().then(|| vec![look(path.to_owned())]))
    }

    /// The connector files of a folder, as they are now.
    pub fn of(dir: &Path) -> Self {
        Self(definitions::files_of(dir).ok().flatten().map(|files| files.into_iter().map(look).collect()))
    }
}

fn look(path: PathBuf) -> Look {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(&path).ok();
    let inode = meta.as_ref().map_or((0, 0), |meta| (meta.dev(), meta.ino()));
    Look { changed: meta.as_ref().and_then(|meta| meta.modified().ok()), bytes: meta.map_or(0, |meta| meta.len()), path, inode }
}

/// Decides when a folder is read again.
#[derive(Debug)]
pub struct Watch {
    /// As it was when it was read last.
    read: Fingerprint,
    /// As it was seen last, and since when.
    seen: (Fingerprint, Instant),
}

impl Watch {
    /// The folder was read as it is now.
    pub fn new(read: Fingerprint, now: Instant) -> Self {
        Self { seen: (read.clone(), now), read }
    }

    /// It looks so now: shall it be read? When it says so, it counts as read.
    pub fn shall_read(&mut self, fingerprint: Fingerprint, now: Instant) -> bool {
        if fingerprint != self.seen.0 {
            self.seen = (fingerprint, now);
        }
        let shall = self.seen.0 != self.read && now.duration_since(self.seen.1) >= AT_REST;
        if shall {
            self.read = self.seen.0.clone();
        }
        shall
    }
}

/// The folder itself is away: that is no reason to stop what it defined. Volumes come back.
pub fn folder_is_there(dir: &Path) -> Result<(), Problem> {
    if dir.is_dir() {
        return Ok(());
    }
    Err(Problem::refuse("config/folder-gone", format!("the folder of connector files {} is not there", dir.display()))
        .why("its connectors go on as they were: only a file that is deleted from a folder that is there stops one")
        .fix("bring the folder back, or set connectors_dir"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, text: &str) {
        std::fs::write(dir.join(name), text).expect("written");
    }

    #[test]
    fn a_change_is_read_once_and_only_when_it_has_come_to_rest() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        write(dir.path(), "a.json", "{}");
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut watch = Watch::new(Fingerprint::of(dir.path()), start);
        let mut look = |ms: u64| watch.shall_read(Fingerprint::of(dir.path()), at(ms));
        assert!(!look(1000));
        write(dir.path(), "a.json", "{\"half");
        assert!(!look(1250));
        write(dir.path(), "a.json", "{\"half\": 1}");
        assert!(!look(1500) && !look(1750), "half a second has not passed since the last step");
        assert!(look(2000));
        assert!(!look(2250) && !look(9000));
        write(dir.path(), "notes.md", "no connector file");
        assert!(!look(9500) && !look(99_000));
        std::fs::remove_file(dir.path().join("a.json")).expect("removed");
        assert!(!look(100_000) && look(100_500));
    }

    /// As Kubernetes does: the files are links through `..data`, a link to a folder that is exchanged as a whole.
    #[test]
    fn the_exchange_of_a_folder_behind_a_link_is_a_change() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let version = |name: &str| {
            std::fs::create_dir(dir.path().join(name)).expect("a folder");
            write(&dir.path().join(name), "a.json", "{}");
        };
        version("..1");
        symlink("..1", dir.path().join("..data")).expect("a link");
        symlink("..data/a.json", dir.path().join("a.json")).expect("a link");
        let before = Fingerprint::of(dir.path());
        version("..2");
        assert_eq!(Fingerprint::of(dir.path()), before);
        symlink("..2", dir.path().join("..data_tmp")).expect("a link");
        std::fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).expect("exchanged");
        assert_ne!(Fingerprint::of(dir.path()), before);
    }
}
