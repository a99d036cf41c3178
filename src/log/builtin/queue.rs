//! What waits for the log's thread: a lane per connector, served in fair turns.
//!
//! Owns the order between connectors, and how much may wait. Promises that what one connector hands over stays in order; that
//! one with little to write is served before the backlog of others, however many flood and whatever they have waiting; that a
//! backlog is never starved by those; and that a question "is all that was handed over durable?" is answered once that is so.
//! Leaves to each writer how many commits it has (a few buffers), and to the thread what is written and when it syncs.
//!
//! The turns are those of fair queueing by bytes (deficit round robin, as in RFC 8290): a lane that was empty comes first, with
//! the credit of one turn; who needs more waits for its turns behind those that have theirs. One lane alone is never held up.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::writer::Command;

/// How many requests (records of internal topics, new topics, questions) may wait. Commits are bounded by their buffers.
pub(super) const REQUESTS_MAX: usize = 64;
/// What a lane may write in one turn.
const TURN_BYTES: u64 = 256 << 10;
/// No command counts for more: a huge one waits for this many turns at most.
const COST_MAX: u64 = 4 << 20;

/// A lane: a writer's, or that of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LaneId(pub u64);

/// The lane of requests.
pub(super) const REQUESTS: LaneId = LaneId(0);

struct Waiting {
    ticket: u64,
    cost: u64,
    command: Command,
    /// A request's place among those that may wait.
    _place: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct Lane {
    waiting: VecDeque<Waiting>,
    credit: u64,
}

/// Who asks whether what was handed over before is durable.
struct Question {
    ticket: u64,
    done: oneshot::Sender<()>,
    _place: OwnedSemaphorePermit,
}

#[derive(Default)]
struct State {
    lanes: HashMap<LaneId, Lane>,
    /// Lanes that were empty before.
    fresh: VecDeque<LaneId>,
    /// Lanes that have had their first turn.
    turns: VecDeque<LaneId>,
    questions: Vec<Question>,
    /// The number of the newest command.
    ticket: u64,
    /// Nothing more is taken.
    closing: bool,
}

impl State {
    fn push(&mut self, id: LaneId, cost: u64, command: Command, place: Option<OwnedSemaphorePermit>) {
        self.ticket += 1;
        let waiting = Waiting { ticket: self.ticket, cost: cost.min(COST_MAX), command, _place: place };
        let fresh = &mut self.fresh;
        let lane = self.lanes.entry(id).or_insert_with(|| {
            fresh.push_back(id);
            Lane { waiting: VecDeque::new(), credit: TURN_BYTES }
        });
        lane.waiting.push_back(waiting);
    }

    /// The next command by fair turns. Every step serves, adds to a credit that a command of [`COST_MAX`] is reached by, or
    /// ends a lane.
    fn next(&mut self) -> Option<(LaneId, Command)> {
        loop {
            let is_fresh = !self.fresh.is_empty();
            let line = if is_fresh { &mut self.fresh } else { &mut self.turns };
            let id = *line.front()?;
            let alone = self.lanes.len() == 1;
            let Some(lane) = self.lanes.get_mut(&id) else {
                line.pop_front();
                continue;
            };
            match lane.waiting.front().map(|waiting| waiting.cost) {
                Some(cost) if cost <= lane.credit || alone => {
                    lane.credit = lane.credit.saturating_sub(cost);
                    let taken = lane.waiting.pop_front()?;
                    return Some((id, taken.command));
                }
                Some(_) => {
                    lane.credit += TURN_BYTES;
                    line.pop_front();
                    self.turns.push_back(id);
                }
                // One that was served first and comes again at once is not fresh again: the backlog has its turn before.
                None if is_fresh => {
                    line.pop_front();
                    self.turns.push_back(id);
                }
                None => {
                    line.pop_front();
                    self.lanes.remove(&id);
                }
            }
        }
    }

    /// The questions about what is no longer waiting.
    fn settled(&mut self) -> Vec<Question> {
        if self.questions.is_empty() {
            return Vec::new();
        }
        let oldest = self.lanes.values().filter_map(|lane| lane.waiting.front()).map(|waiting| waiting.ticket).min();
        let (settled, open) = self.questions.drain(..).partition(|question| oldest.is_none_or(|oldest| question.ticket < oldest));
        self.questions = open;
        settled
    }
}

/// What the thread finds when it looks.
pub(super) enum Found {
    /// Something to do, and whose it is.
    Command(LaneId, Command),
    /// Nothing for a while, or a question only.
    Nothing,
    /// Nothing, and nothing will come.
    Closed,
}

/// The queue.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits at most `wait_max` for something to do.
    pub(super) fn wait(&self, wait_max: Duration) -> Found {
        let deadline = Instant::now() + wait_max;
        let mut state = self.state();
        loop {
            if let Some((lane, command)) = state.next() {
                return Found::Command(lane, command);
            }
            if !state.questions.is_empty() {
                return Found::Nothing;
            }
            if state.closing {
                return Found::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Found::Nothing;
            }
            state = self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What is there to do at once.
    pub(super) fn next(&self) -> Option<(LaneId, Command)> {
        self.state().next()
    }

    /// Everything that was taken is durable: answers who asked about it.
    pub(super) fn answer(&self) {
        let settled = self.state().settled();
        for question in settled {
            let _ = question.done.send(());
        }
    }

    /// Takes nothing more; what waits is done.
    pub(super) fn close(&self) {
        self.state().closing = true;
        self.filled.notify_all();
    }

    /// The thread has ended: what waits is dropped, so that who waits for it learns of that.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.closing = true;
        let dropped = (std::mem::take(&mut state.lanes), std::mem::take(&mut state.questions));
        drop(state);
        drop(dropped);
    }
}

/// The way into the queue. When the last handle is dropped, the queue is closed.
pub(super) struct Entrance {
    queue: Arc<Queue>,
    room: Arc<Semaphore>,
    lanes: std::sync::atomic::AtomicU64,
}

/// Nothing is taken any more.
#[derive(Debug)]
pub(super) struct QueueClosed;

impl Entrance {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { queue, room: Arc::new(Semaphore::new(REQUESTS_MAX)), lanes: std::sync::atomic::AtomicU64::new(REQUESTS.0 + 1) }
    }

    /// A lane of its own for a writer.
    pub(super) fn lane(&self) -> LaneId {
        LaneId(self.lanes.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }

    /// Hands a commit over.
    pub(super) fn commit(&self, lane: LaneId, bytes: u64, command: Command) -> Result<(), QueueClosed> {
        self.push(lane, bytes, command, None)
    }

    /// Hands a request over, when there is room for one more.
    pub(super) async fn request(&self, bytes: u64, command: Command) -> Result<(), QueueClosed> {
        let place = self.place().await?;
        self.push(REQUESTS, bytes, command, Some(place))
    }

    /// Asks to be told when everything that was handed over before is durable.
    pub(super) async fn ask(&self, done: oneshot::Sender<()>) -> Result<(), QueueClosed> {
        let place = self.place().await?;
        let mut state = self.queue.state();
        if state.closing {
            return Err(QueueClosed);
        }
        let ticket = state.ticket;
        state.questions.push(Question { ticket, done, _place: place });
        drop(state);
        self.queue.filled.notify_one();
        Ok(())
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, QueueClosed> {
        Arc::clone(&self.room).acquire_owned().await.map_err(|_| QueueClosed)
    }

    fn push(&self, lane: LaneId, bytes: u64, command: Command, place: Option<OwnedSemaphorePermit>) -> Result<(), QueueClosed> {
        let mut state = self.queue.state();
        if state.closing {
            return Err(QueueClosed);
        }
        state.push(lane, bytes, command, place);
        drop(state);
        self.queue.filled.notify_one();
        Ok(())
    }

    /// Takes nothing more; what waits is done.
    pub(super) fn close(&self) {
        self.queue.close();
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::TopicIndex;

    /// A command that can be told from others.
    fn numbered(number: u32) -> Command {
        Command::Put { topic: TopicIndex(number), records: Vec::new(), removes: Vec::new(), done: oneshot::channel().0 }
    }

    fn number(command: &Command) -> u32 {
        match command {
            Command::Put { topic, .. } => topic.0,
            _ => u32::MAX,
        }
    }

    #[test]
    fn who_has_little_to_write_passes_the_backlog_of_fifty() {
        let mut state = State::default();
        for lane in 1..=50 {
            for commit in 0..3 {
                state.push(LaneId(lane), 4 << 20, numbered(commit), None);
            }
        }
        // Their turns go round.
        let mut flooded: HashMap<LaneId, Vec<u32>> = HashMap::new();
        for _ in 0..20 {
            let (lane, command) = state.next().expect("there is a backlog");
            flooded.entry(lane).or_default().push(number(&command));
        }
        assert_eq!(flooded.len(), 20, "each has its turn before one has two");
        state.push(LaneId(99), 1_000, numbered(7), None);
        let (lane, command) = state.next().expect("there is more");
        assert_eq!((lane, number(&command)), (LaneId(99), 7));
        while let Some((lane, command)) = state.next() {
            flooded.entry(lane).or_default().push(number(&command));
        }
        assert!(flooded.len() == 50 && flooded.values().all(|commits| *commits == [0, 1, 2]), "each in its order: {flooded:?}");
        assert!(state.lanes.is_empty() && state.turns.is_empty() && state.fresh.is_empty(), "nothing is left behind");
    }

    #[test]
    fn a_backlog_is_served_however_often_others_come() {
        let mut state = State::default();
        state.push(LaneId(1), 4 << 20, numbered(0), None);
        for round in 0..200u64 {
            for lane in 2..=5 {
                state.push(LaneId(lane), 200 << 10, numbered(1), None);
            }
            for _ in 0..4 {
                if state.next().expect("there is some").0 == LaneId(1) {
                    assert!(round >= 2, "those with less come first");
                    return;
                }
            }
        }
        panic!("the backlog was starved");
    }

    #[test]
    fn one_alone_is_served_at_once_in_order_whatever_the_size() {
        let mut state = State::default();
        for commit in 0..4 {
            state.push(LaneId(1), 1 << 30, numbered(commit), None);
        }
        let order: Vec<_> = std::iter::from_fn(|| state.next()).map(|(_, command)| number(&command)).collect();
        assert_eq!(order, [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn a_question_is_answered_when_nothing_older_waits() {
        let queue = Arc::new(Queue::default());
        let entrance = Entrance::new(Arc::clone(&queue));
        let (first, second) = (entrance.lane(), entrance.lane());
        entrance.commit(first, 1, numbered(0)).expect("open");
        entrance.commit(second, 1, numbered(1)).expect("open");
        let (done, mut answer) = oneshot::channel();
        entrance.ask(done).await.expect("open");
        entrance.commit(first, 1, numbered(2)).expect("open");
        for _ in 0..2 {
            queue.next().expect("it waits");
            if answer.try_recv().is_ok() {
                panic!("answered too early");
            }
        }
        // The third is newer than the question, whichever was taken.
        queue.next().expect("it waits");
        queue.answer();
        answer.await.expect("answered");
        entrance.close();
        assert!(matches!(queue.wait(Duration::ZERO), Found::Closed));
        assert!(entrance.commit(first, 1, numbered(3)).is_err());
    }

    #[tokio::test]
    async fn requests_wait_for_room_and_learn_of_the_end() {
        let queue = Arc::new(Queue::default());
        let entrance = Entrance::new(Arc::clone(&queue));
        let mut answers = Vec::new();
        for _ in 0..REQUESTS_MAX {
            let (done, answer) = oneshot::channel();
            entrance.request(1, Command::Put { topic: TopicIndex(0), records: Vec::new(), removes: Vec::new(), done }).await.expect("open");
            answers.push(answer);
        }
        let one_more = entrance.request(1, numbered(1));
        tokio::pin!(one_more);
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut one_more).await.is_err(), "there is no room");
        drop(queue.next().expect("it waits"));
        one_more.await.expect("there is room");
        queue.end();
        for answer in answers {
            assert!(answer.await.is_err(), "nobody will answer");
        }
    }
}
