//! Runs one connector's task on a thread of its own: starts it, backs off after passing trouble, stops it.
//!
//! Owns the thread and the goal (run, pause, stop, quit). Promises that a panic or an error of a task ends that task only,
//! that passing trouble is tried again for ever (0.5 s to 30 s, with jitter, so that many connectors do not knock at one
//! server in step; that the same trouble is logged once a minute is the log's affair), and that a goal given while it waits is followed at once.

use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::definitions::{Definition, combine};
use super::state::{Event, Phase, Rest};
use super::status::TaskStatus;
use crate::config::postgres::{PostgresConfig, TableFilter, TopicDefaults};
use crate::problem::{Action, Problem};

/// Runs a capture until it is told to stop or fails; blocks. Given by the service, so that tests can give another.
pub type RunTask = Arc<dyn Fn(Arc<PostgresConfig>, Arc<TaskStatus>, watch::Receiver<bool>) -> Result<(), Problem> + Send + Sync>;

/// Told when a task met a problem after which the process must stop.
pub type OnFatal = Arc<dyn Fn(Problem) + Send + Sync>;

/// The first wait after a problem.
const BACK_OFF_MIN: Duration = Duration::from_millis(500);
/// The longest.
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// A task that got to work and lasted this long begins again with the first wait.
const STEADY: Duration = Duration::from_secs(2);

/// What the thread should be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Run the task.
    Run,
    /// Rest.
    Rest(Rest),
    /// End the thread.
    Quit,
}

struct Control {
    goal: Goal,
    definition: Arc<Definition>,
    /// Rises with every order; a task of an older generation is told to stop.
    generation: u64,
    stop: watch::Sender<bool>,
    ended: bool,
}

struct Shared {
    control: Mutex<Control>,
    changed: Condvar,
    status: Arc<TaskStatus>,
    run: RunTask,
    on_fatal: OnFatal,
    topics: TopicDefaults,
}

impl Shared {
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner of one connector's thread.
pub struct Supervisor {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What a supervisor works with.
pub struct Work {
    /// The connector.
    pub definition: Arc<Definition>,
    /// Where its status goes.
    pub status: Arc<TaskStatus>,
    /// The task.
    pub run: RunTask,
    /// Who is told that the process must stop.
    pub on_fatal: OnFatal,
    /// What the service says about new topics.
    pub topics: TopicDefaults,
}

impl Supervisor {
    /// Starts the thread, which follows `goal` at once.
    pub fn start(work: Work, goal: Goal) -> Result<Self, Problem> {
        let name = work.definition.name.clone();
        let control = Control { goal, definition: work.definition, generation: 0, stop: watch::Sender::new(false), ended: false };
        let shared = Arc::new(Shared {
            control: Mutex::new(control),
            changed: Condvar::new(),
            status: work.status,
            run: work.run,
            on_fatal: work.on_fatal,
            topics: work.topics,
        });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            // Linux shows 15 bytes of a thread's name.
            .name(format!("src-{name}").chars().filter(|c| *c != '\0').take(15).collect())
            .spawn(move || for_thread.follow())
            .map_err(|error| Problem::retry("system/thread", format!("no thread for connector {name}")).why(error.to_string()))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Sets the goal; a running task is told to stop when it is not to run.
    pub fn set_goal(&self, goal: Goal) {
        let mut control = self.shared.control();
        if control.goal != goal || matches!(self.shared.status.phase(), Phase::Failed { .. }) {
            control.goal = goal;
            if goal != Goal::Run && self.shared.status.phase().is_running() {
                self.shared.status.apply(Event::Rest(Rest::Stop));
            }
            self.order(&mut control);
        }
    }

    /// Ends the running task, if any, and begins again.
    pub fn restart(&self) {
        let mut control = self.shared.control();
        self.order(&mut control);
    }

    /// Takes a new definition and begins again with it.
    pub fn redefine(&self, definition: Arc<Definition>) {
        let mut control = self.shared.control();
        control.definition = definition;
        self.order(&mut control);
    }

    /// Takes a new definition that changes nothing of what runs: the next start has it.
    pub fn note(&self, definition: Arc<Definition>) {
        self.shared.control().definition = definition;
    }

    /// Takes a new definition that names other tables and changes nothing else: the task that runs takes them up.
    pub fn follow(&self, definition: Arc<Definition>, tables: TableFilter) {
        // Under the lock: a task that begins just now has either the definition or the order.
        let mut control = self.shared.control();
        control.definition = definition;
        self.shared.status.signals().follow(tables);
    }

    fn order(&self, control: &mut Control) {
        control.generation += 1;
        control.stop.send_replace(true);
        // Who orders and then asks must not be told the old failure.
        if control.goal == Goal::Run && matches!(self.shared.status.phase(), Phase::Failed { .. }) {
            self.shared.status.set_phase(Phase::Preparing);
        }
        self.shared.changed.notify_all();
    }

    /// Waits for the thread's end after [`Goal::Quit`]; false when it did not end in time.
    pub fn join(&mut self, wait_max: Duration) -> bool {
        let deadline = Instant::now() + wait_max;
        let mut control = self.shared.control();
        while !control.ended {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { return false };
            control = self.shared.changed.wait_timeout(control, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(control);
        self.thread.take().is_none_or(|thread| thread.join().is_ok())
    }
}

/// What a thread remembers of the trouble it had.
struct Trouble {
    back_off: Duration,
    /// It has been tried before.
    tried: bool,
}

impl Trouble {
    /// None yet.
    fn none() -> Self {
        Self { back_off: BACK_OFF_MIN, tried: false }
    }

    /// The wait before the next try; each is twice the one before.
    fn wait(&mut self) -> Duration {
        let wait = with_jitter(self.back_off);
        self.back_off = (self.back_off * 2).min(BACK_OFF_MAX);
        self.tried = true;
        wait
    }
}

/// How one run of a task ended.
enum Ended {
    /// As it was told.
    Told,
    /// By itself, without a problem.
    Finished,
    /// With a problem.
    Problem(Problem),
}

impl Shared {
    /// The thread: does what the goal says, until it says to quit.
    fn follow(self: Arc<Self>) {
        let mut trouble = Trouble::none();
        loop {
            let (goal, generation) = {
                let control = self.control();
                (control.goal, control.generation)
            };
            match goal {
                Goal::Quit => break,
                Goal::Rest(rest) => {
                    self.status.apply(Event::Rest(rest));
                    self.wait(generation, None);
                }
                Goal::Run => self.run_once(generation, &mut trouble),
            }
        }
        let mut control = self.control();
        control.ended = true;
        self.changed.notify_all();
    }

    /// Waits until there is a newer order, or the time is over.
    fn wait(&self, generation: u64, time: Option<Duration>) {
        let deadline = time.map(|time| Instant::now() + time);
        let mut control = self.control();
        while control.generation == generation {
            control = match deadline {
                None => self.changed.wait(control).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    self.changed.wait_timeout(control, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn run_once(&self, generation: u64, trouble: &mut Trouble) {
        let (started, durable) = (Instant::now(), self.status.snapshot().positions.durable);
        self.status.set_phase(Phase::Preparing);
        if !trouble.tried {
            tracing::info!(connector = self.control().definition.name, "connector starting");
        }
        match self.run_task(generation) {
            Ended::Told => self.end_as_told(),
            Ended::Finished => {
                self.status.apply(Event::Drained(Rest::Stop));
                self.wait(generation, None);
            }
            Ended::Problem(problem) => {
                let status = self.status.snapshot();
                let steady = status.has_worked && status.failing_for.is_none() && started.elapsed() > STEADY;
                // On a bad network every short connection may get further: then there is nothing to be patient about.
                if steady || status.positions.durable > durable {
                    *trouble = Trouble::none();
                }
                self.fail(problem, generation, trouble);
            }
        }
    }

    fn end_as_told(&self) {
        let goal = self.control().goal;
        match goal {
            Goal::Rest(rest) => drop(self.status.apply(Event::Drained(rest))),
            Goal::Quit => drop(self.status.apply(Event::Drained(Rest::Stop))),
            // A restart: the next round begins it again.
            Goal::Run => {}
        }
    }

    fn run_task(&self, generation: u64) -> Ended {
        let (definition, stop) = {
            let mut control = self.control();
            if control.generation != generation {
                return Ended::Told;
            }
            control.stop = watch::Sender::new(false);
            self.status.signals().forget_tables();
            (Arc::clone(&control.definition), control.stop.subscribe())
        };
        let connector = definition.name.as_str();
        // Secrets are read again at each start, so that a rotated password needs no restart of the service.
        let config = match definition.config(self.topics) {
            Ok(config) => Arc::new(config),
            Err(problems) => return Ended::Problem(combine(problems)),
        };
        let run = AssertUnwindSafe(|| (self.run)(config, Arc::clone(&self.status), stop));
        let result = catch_unwind(run).unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
        let told = self.control().generation != generation;
        match result {
            Ok(()) if told => Ended::Told,
            Ok(()) => Ended::Finished,
            Err(problem) if told && problem.action != Action::Stop => {
                tracing::info!(
                    connector,
                    code = problem.code,
                    "connector ended with a problem while it was told to stop: {}",
                    problem.what
                );
                Ended::Told
            }
            Err(problem) => Ended::Problem(problem),
        }
    }

    fn fail(&self, problem: Problem, generation: u64, trouble: &mut Trouble) {
        let connector = self.control().definition.name.clone();
        let problem = with_remedy(problem, &connector);
        self.status.apply(Event::Fault(problem.clone()));
        match problem.action {
            Action::Retry => {
                let wait = trouble.wait();
                tracing::warn!(connector, code = problem.code, retry_ms = wait.as_millis(), "{}", problem.text());
                self.wait(generation, Some(wait));
            }
            Action::Fail | Action::Refuse => {
                tracing::error!(connector, code = problem.code, "{}", problem.text());
                self.wait(generation, None);
            }
            Action::Stop => {
                tracing::error!(connector, code = problem.code, "{}", problem.text());
                (self.on_fatal)(problem);
                self.wait(generation, None);
            }
        }
    }
}

/// Nobody is left with a FAILED connector and no next step: where the cause has no remedy of its own, there is still this one.
fn with_remedy(problem: Problem, connector: &str) -> Problem {
    if problem.action != Action::Fail || !problem.fix.is_empty() {
        return problem;
    }
    problem.fix(format!("mend the cause above, then: POST /connectors/{connector}/restart   (it goes on where it was)"))
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Problem {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    // The same input would do it again, and nobody knows how far it came: a person must look.
    Problem::fail("internal/panic", "the connector met a defect of rowfeed and was ended")
        .why(text.unwrap_or_default())
        .fix("report it with the log")
}

/// 75 to 125 %.
fn with_jitter(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 512;
    wait * (768 + u32::try_from(random).unwrap_or(0)) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn definition() -> Arc<Definition> {
        let options = [
            ("connector.class", "PostgresConnector"),
            ("database.hostname", "h"),
            ("database.user", "u"),
            ("database.dbname", "d"),
            ("topic.prefix", "p"),
        ];
        let options: Options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Arc::new(Definition::of_api("shop", options))
    }

    fn start(run: RunTask) -> (Supervisor, Arc<TaskStatus>) {
        let status = Arc::new(TaskStatus::new());
        let work = Work {
            definition: definition(),
            status: Arc::clone(&status),
            run,
            on_fatal: Arc::new(|_| {}),
            topics: TopicDefaults::default(),
        };
        (Supervisor::start(work, Goal::Run).expect("a thread"), status)
    }

    fn wait_for(what: &str, fact: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !fact() {
            assert!(Instant::now() < deadline, "waited for: {what}");
            std::thread::yield_now();
        }
    }

    /// Streams until told to stop.
    fn steady() -> RunTask {
        Arc::new(|_, status, mut stop| {
            status.set_phase(Phase::Streaming);
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async { stop.wait_for(|stop| *stop).await.map(drop) }).expect("told to stop");
            Ok(())
        })
    }

    #[test]
    fn a_task_is_paused_resumed_and_ended_as_asked() {
        let (mut supervisor, status) = start(steady());
        wait_for("streaming", || status.phase() == Phase::Streaming);
        supervisor.set_goal(Goal::Rest(Rest::Pause));
        wait_for("paused", || status.phase() == Phase::Paused);
        supervisor.set_goal(Goal::Run);
        wait_for("streaming again", || status.phase() == Phase::Streaming);
        supervisor.set_goal(Goal::Quit);
        assert!(supervisor.join(Duration::from_secs(10)));
        assert_eq!(status.phase(), Phase::Stopped);
    }

    #[test]
    fn passing_trouble_is_tried_again_and_a_lasting_problem_waits_for_a_person() {
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let (mut supervisor, status) = start(Arc::new(move |_, _, _| match counted.fetch_add(1, Ordering::SeqCst) {
            0 => Err(Problem::retry("pg/refused", "away")),
            _ => Err(Problem::fail("pg/auth", "wrong password")),
        }));
        wait_for("failed", || matches!(status.phase(), Phase::Failed { retry: false, .. }));
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        supervisor.restart();
        wait_for("a third run", || runs.load(Ordering::SeqCst) == 3);
        supervisor.set_goal(Goal::Quit);
        assert!(supervisor.join(Duration::from_secs(10)));
    }

    #[test]
    fn a_panic_ends_its_task_only_and_a_fatal_problem_is_told() {
        let (mut supervisor, status) = start(Arc::new(|_, _, _| panic!("a defect")));
        wait_for("failed", || matches!(status.phase(), Phase::Failed { .. }));
        let Phase::Failed { retry, problem } = status.phase() else { panic!("failed") };
        assert_eq!((retry, problem.code, problem.why.as_str()), (false, "internal/panic", "a defect"));
        supervisor.set_goal(Goal::Quit);
        assert!(supervisor.join(Duration::from_secs(10)));
    }

    #[test]
    fn nobody_is_left_with_a_failed_connector_and_no_next_step() {
        let (mut supervisor, status) = start(Arc::new(|_, _, _| Err(Problem::fail("pg/error", "PostgreSQL refused"))));
        wait_for("failed", || matches!(status.phase(), Phase::Failed { retry: false, .. }));
        let fix = status.snapshot().problem.map(|problem| problem.fix).unwrap_or_default();
        assert!(fix.contains("POST /connectors/shop/restart"), "{fix}");
        supervisor.set_goal(Goal::Quit);
        assert!(supervisor.join(Duration::from_secs(10)));
    }

    #[test]
    fn each_wait_is_about_twice_the_one_before_within_their_bounds() {
        let mut trouble = Trouble::none();
        assert!(trouble.wait() < BACK_OFF_MIN * 2 && trouble.tried);
        for _ in 0..10 {
            trouble.wait();
        }
        assert_eq!(trouble.back_off, BACK_OFF_MAX);
    }

    #[test]
    fn waits_grow_within_their_bounds() {
        for _ in 0..100 {
            let wait = with_jitter(Duration::from_secs(4));
            assert!((Duration::from_secs(3)..=Duration::from_secs(5)).contains(&wait), "{wait:?}");
        }
    }
}
