//! Calls that hold a thread: looking names up, asking search servers.
//!
//! The runtime's threads for such calls are few and everybody's: files of the log are read there, too. Promises that receivers which are
//! away hold no more than a few of them, each kind of call its own, and that nobody waits for one longer than he says. Who waited longest
//! is next.

use std::time::Duration;

use tokio::sync::Semaphore;

/// Threads that one kind of call holds at most.
const THREADS: usize = 4;

/// Names that are looked up.
pub static LOOKUPS: Semaphore = Semaphore::const_new(THREADS);
/// Search servers that are asked.
pub static QUESTIONS: Semaphore = Semaphore::const_new(THREADS);

/// Why a call has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Others held all threads of this kind for as long as it was waited.
    NoRoom,
    /// It panicked.
    Panicked,
}

/// Makes a call when there is room for it. One that nobody waits for any more goes on, and holds its room until it ends.
pub async fn call<T: Send + 'static>(
    room: &'static Semaphore,
    wait: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Blocked> {
    let Ok(Ok(permit)) = tokio::time::timeout(wait, room.acquire()).await else { return Err(Blocked::NoRoom) };
    let called = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        call()
    });
    called.await.map_err(|_| Blocked::Panicked)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn receivers_that_are_away_leave_threads_to_others() {
        static AWAY: Semaphore = Semaphore::const_new(THREADS);
        static OTHERS: Semaphore = Semaphore::const_new(THREADS);
        const LONG: Duration = Duration::from_secs(60);
        let mut held = Vec::new();
        for _ in 0..THREADS {
            let (release, released) = mpsc::channel::<()>();
            held.push((release, tokio::spawn(call(&AWAY, LONG, move || released.recv().is_err()))));
        }
        while AWAY.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(call(&AWAY, Duration::from_millis(20), || 1).await, Err(Blocked::NoRoom));
        assert_eq!(call(&OTHERS, LONG, || 2).await, Ok(2));
        // Nobody waits for it any more, and its thread is held all the same.
        held[0].1.abort();
        assert_eq!(call(&AWAY, Duration::from_millis(20), || 3).await, Err(Blocked::NoRoom));
        drop(held);
        assert_eq!(call(&AWAY, LONG, || 4).await, Ok(4));
        assert_eq!(call(&AWAY, LONG, || -> u8 { panic!("a defect") }).await, Err(Blocked::Panicked));
        let all = tokio::time::timeout(LONG, AWAY.acquire_many(u32::try_from(THREADS).expect("a few"))).await;
        assert!(all.is_ok_and(|all| all.is_ok()), "every thread is given back");
    }
}
