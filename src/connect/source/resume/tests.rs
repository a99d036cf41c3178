//! Random streams, cut anywhere and sent again from anywhere: every row is published once.

use proptest::prelude::*;

use super::*;

/// One transaction: commit record, end (which may be the next one's commit record), id, rows.
type Transaction = (u64, u64, u32, u64);

fn transactions() -> impl Strategy<Value = Vec<Transaction>> {
    proptest::collection::vec((1u64..50, 0u64..3, 0u64..6), 1..30).prop_map(|steps| {
        let mut at = 100;
        steps
            .iter()
            .enumerate()
            .map(|(index, (step, gap, rows))| {
                at += step;
                let commit = at;
                at += gap;
                (commit, at, index as u32 + 700, *rows)
            })
            .collect()
    })
}

/// Sends everything from `confirmed` on; stops after `stop_after` published rows. Returns the published (xid, row).
fn send(resume: &mut Resume, stream: &[Transaction], confirmed: u64, stop_after: usize, log: &mut Vec<(u32, u64)>) -> bool {
    let mut left = stop_after;
    for (commit, end, xid, rows) in stream.iter().filter(|transaction| transaction.0 >= confirmed) {
        resume.begin(Lsn(*commit), *xid, i64::from(*xid)).unwrap();
        for row in 0..*rows {
            if left == 0 {
                return false;
            }
            if resume.row().unwrap() {
                log.push((*xid, row));
                left -= 1;
            }
        }
        resume.commit(Lsn(*commit), Lsn(*end), i64::from(*xid)).unwrap();
    }
    true
}

proptest! {
    #[test]
    fn every_row_is_published_once_whatever_comes_again(stream in transactions(), cuts in proptest::collection::vec((0usize..12, 0usize..40), 0..8)) {
        let mut log = Vec::new();
        let mut checkpoint = Checkpoint::default();
        for (published, back) in cuts {
            // The slot may have gone back to any earlier commit.
            let confirmed = checkpoint.ring.iter().rev().nth(back).map_or(0, |commit| commit.end_lsn.0.min(commit.final_lsn.0 + 1));
            let mut resume = Resume::new(checkpoint, Lsn(confirmed));
            send(&mut resume, &stream, confirmed, published, &mut log);
            checkpoint = resume.mark().clone();
            let mut bytes = Vec::new();
            checkpoint.write(&mut bytes);
            checkpoint = Checkpoint::parse(&bytes).unwrap();
        }
        let mut resume = Resume::new(checkpoint, Lsn(0));
        send(&mut resume, &stream, 0, usize::MAX, &mut log);
        let expected: Vec<_> = stream.iter().flat_map(|(_, _, xid, rows)| (0..*rows).map(move |row| (*xid, row))).collect();
        prop_assert_eq!(log, expected);
    }
}

fn published(stream: &[Transaction]) -> Checkpoint {
    let mut resume = Resume::new(Checkpoint::default(), Lsn(0));
    send(&mut resume, stream, 0, usize::MAX, &mut Vec::new());
    resume.checkpoint().clone()
}

#[test]
fn another_history_is_noticed() {
    let checkpoint = published(&[(100, 110, 1, 1), (120, 130, 2, 1)]);
    // Another transaction at the same place.
    let mut resume = Resume::new(checkpoint.clone(), Lsn(0));
    resume.begin(Lsn(100), 1, 1).unwrap();
    resume.row().unwrap();
    resume.commit(Lsn(100), Lsn(110), 1).unwrap();
    resume.begin(Lsn(120), 9, 9).unwrap();
    assert_eq!(resume.commit(Lsn(120), Lsn(130), 9).unwrap_err().code, "source/history-diverged");
    // The last published commit never comes again, and something newer does.
    let mut resume = Resume::new(checkpoint.clone(), Lsn(0));
    assert_eq!(resume.begin(Lsn(125), 3, 3).unwrap_err().code, "source/history-diverged");
    // The slot begins behind it: then it need not come.
    let mut resume = Resume::new(checkpoint, Lsn(130));
    resume.begin(Lsn(130), 3, 3).unwrap();
    assert!(resume.row().unwrap());
}

#[test]
fn a_cut_transaction_must_come_again_whole() {
    let mut checkpoint = published(&[(100, 110, 1, 1)]);
    checkpoint.partial = Some(PartialTransaction { final_lsn: Lsn(200), xid: 2, rows: 5 });
    let mut resume = Resume::new(checkpoint.clone(), Lsn(110));
    assert!(resume.begin(Lsn(300), 3, 3).is_err());
    let mut resume = Resume::new(checkpoint, Lsn(110));
    resume.begin(Lsn(200), 2, 2).unwrap();
    assert!(!resume.advance_idle(Lsn(500)));
    for _ in 0..3 {
        assert!(!resume.row().unwrap());
    }
    assert!(resume.commit(Lsn(200), Lsn(210), 2).is_err(), "fewer rows than were published");
}

#[test]
fn what_the_snapshot_holds_is_not_streamed() {
    let mut resume = Resume::new(Checkpoint { snapshot_lsn: Lsn(150), ..Checkpoint::default() }, Lsn(0));
    resume.begin(Lsn(149), 1, 1).unwrap();
    assert!(!resume.row().unwrap());
    assert!(!resume.commit(Lsn(149), Lsn(150), 1).unwrap());
    resume.begin(Lsn(150), 2, 2).unwrap();
    assert!(resume.row().unwrap());
    assert!(resume.commit(Lsn(150), Lsn(160), 2).unwrap());
    assert!(!resume.message(Lsn(100)));
    assert!(resume.message(Lsn(170)));
    assert!(!resume.message(Lsn(170)), "sent again after a reconnect");
}

#[test]
fn idle_positions_only_move_forward_and_never_inside_a_transaction() {
    let mut resume = Resume::new(Checkpoint::default(), Lsn(0));
    assert!(resume.advance_idle(Lsn(10)));
    assert!(!resume.advance_idle(Lsn(10)));
    resume.begin(Lsn(20), 1, 1).unwrap();
    assert!(!resume.advance_idle(Lsn(30)));
}

#[test]
fn a_new_commit_below_what_was_received_is_of_another_history() {
    // The last published commit is at 100; idle traffic was received up to 500, then the database was restored to 200.
    let mut resume = Resume::new(published(&[(100, 110, 1, 1)]), Lsn(110));
    assert!(resume.advance_idle(Lsn(500)));
    let checkpoint = resume.checkpoint().clone();
    let mut resume = Resume::new(checkpoint.clone(), Lsn(110));
    assert_eq!(resume.begin(Lsn(300), 2, 2).unwrap_err().code, "source/history-diverged");
    let mut resume = Resume::new(checkpoint, Lsn(110));
    resume.begin(Lsn(500), 2, 2).unwrap();
    assert!(resume.row().unwrap());
    // A connector that began at the slot's position, without a snapshot.
    let mut resume = Resume::new(Checkpoint { flush_lsn: Lsn(150), ..Checkpoint::default() }, Lsn(150));
    resume.begin(Lsn(150), 1, 1).unwrap();
    assert!(resume.row().unwrap());
}

proptest! {
    /// A Debezium stopped after any row; two rows each share an LSN. Its offset is all there is to go by, and the connector is
    /// killed once more on the way.
    #[test]
    fn after_a_debezium_the_rest_follows(stream in transactions(), stop in 0usize..80, killed_after in 0usize..40, behind: bool) {
        let lsn = |commit: u64, row: u64| Lsn(commit * 100 - 50 + row / 2);
        let end_of = |commit: u64, end: u64| (end * 100).max(commit * 100 + 1);
        let all: Vec<(usize, u64)> = stream.iter().enumerate().flat_map(|(place, of)| (0..of.3).map(move |row| (place, row))).collect();
        prop_assume!(!all.is_empty());
        let (place, row) = all[stop % all.len()];
        let (commit, _, xid, _) = stream[place];
        let previous = place.checked_sub(1).map(|place| format!(",\"lsn_commit\":{}", end_of(stream[place].0, stream[place].1))).unwrap_or_default();
        let offset = format!("{{\"lsn\":{0},\"lsn_proc\":{0},\"txId\":{xid},\"messageType\":\"INSERT\"{previous}}}", lsn(commit, row).0);
        let mut checkpoint = Checkpoint::parse(offset.as_bytes()).unwrap();
        let mut log = Vec::new();
        for stop_after in [killed_after, usize::MAX] {
            // The slot is where Debezium's last commit was, or farther back.
            let from = if behind { 0 } else { place };
            let mut resume = Resume::new(checkpoint, Lsn(0));
            let mut left = stop_after;
            'stream: for (commit, end, xid, rows) in &stream[from..] {
                resume.begin(Lsn(commit * 100), *xid, 0).unwrap();
                for row in 0..*rows {
                    if left == 0 {
                        break 'stream;
                    }
                    if resume.row_at(lsn(*commit, row), false).unwrap() {
                        log.push((*xid, row));
                        left -= 1;
                    }
                }
                resume.commit(Lsn(commit * 100), Lsn(end_of(*commit, *end)), 0).unwrap();
            }
            let mut bytes = Vec::new();
            resume.mark().write(&mut bytes);
            checkpoint = Checkpoint::parse(&bytes).unwrap();
        }
        let delivered = row - row % 2;
        let rest = all.iter().filter(|(of, at)| *of > place || (*of == place && *at > delivered));
        let expected: Vec<_> = rest.map(|(of, at)| (stream[*of].2, *at)).collect();
        prop_assert_eq!(log, expected);
    }
}

#[test]
fn another_transaction_in_the_place_of_debeziums_is_another_history() {
    let offset = br#"{"lsn":120,"lsn_proc":120,"txId":7,"messageType":"UPDATE","lsn_commit":100}"#;
    let checkpoint = Checkpoint::parse(offset).unwrap();
    let mut resume = Resume::new(checkpoint.clone(), Lsn(0));
    assert!(!resume.advance_idle(Lsn(500)));
    resume.begin(Lsn(90), 6, 0).unwrap();
    assert!(!resume.row_at(Lsn(80), false).unwrap());
    resume.commit(Lsn(90), Lsn(100), 0).unwrap();
    assert_eq!(resume.begin(Lsn(130), 8, 0).unwrap_err().code, "source/history-diverged");
    // An update that changes the key is several records: all of them come again.
    let mut resume = Resume::new(checkpoint, Lsn(0));
    resume.begin(Lsn(130), 7, 0).unwrap();
    assert!(!resume.row_at(Lsn(110), false).unwrap());
    assert!(resume.row_at(Lsn(120), true).unwrap());
    assert!(resume.row_at(Lsn(125), false).unwrap());
}
