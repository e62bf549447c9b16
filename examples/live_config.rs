//! Circuits whose settings come from a file, and change with it while calls go on. Nothing is lost: neither the state
//! of a circuit nor a call. What is wrong with a file is told, changes nothing, and watching goes on.
//!
//! Run with:
//!
//! ```text
//! cargo run --example live_config --features config                        # checks itself in a few seconds
//! cargo run --example live_config --features config -- etc/circuits.toml   # watches that file until Ctrl-C
//! ```
//!
//! It watches the *directory*: whoever writes a file puts another in its place, and Kubernetes swaps a link beside it,
//! of which a watch on the file hears nothing. Events come in bursts, so it waits until none has come for a moment.
//! It looks every few seconds, too, because not every file system tells. `kill -HUP` has it apply the file once more,
//! which changes back what was changed by hand.
//!
//! ```text
//! configuration 1, by live_config: flaky: `failure_rate` 0.5 -> 0.4
//! …
//! not applied: circuits.payments.failure_rate: 1.5, but must be a share above 0 and at most 1
//! configuration 21, by live_config: flaky: `failure_rate` 0.5 -> 0.6
//! configuration 22, by live_config: flaky: is named no more, and stays as it is
//! configuration 23, by live_config: flaky: is named no more, and stays as it is; payments: `minimum_calls` 7 -> 20
//! configuration 24, by live_config: broken: `minimum_calls` 20 -> 30; flaky: is named no more, and stays as it is; …
//! 24 configurations under 238870 calls: 0 wrong rejections, and 76537 right ones
//! ```

use std::{
    error::Error,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use notify::{RecursiveMode, Watcher as _};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout, timeout_at},
};
use tower_breaker::{
    By,
    config::{Apply, ApplyError, Config, Diff},
    registry::Registry,
};

type AnyError = Box<dyn Error + Send + Sync>;

/// So long must nothing happen until the file is read.
const QUIET: Duration = Duration::from_millis(30);
/// But no longer than this, however busy the directory is.
const AT_MOST: Duration = Duration::from_secs(1);
/// How often it looks without having been told.
const POLL: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    match std::env::args_os().nth(1) {
        Some(file) => run(file.into()).await,
        None => check().await,
    }
}

async fn run(file: PathBuf) -> Result<(), AnyError> {
    let config = read(&fs::read_to_string(&file)?)?;
    let registry = config.registry().build()?;
    let mut told = Watching::begin(&file, &registry, Wakers::All(POLL))?;
    println!("watching {}", file.display());
    loop {
        tokio::select! {
            news = told.news.recv() => match news {
                Some(news) => println!("{news}"),
                None => return Ok(()),
            },
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

fn read(text: &str) -> Result<Config, String> {
    let deserializer = toml::Deserializer::parse(text).map_err(|error| error.to_string())?;
    Config::read(deserializer).map_err(|error| error.to_string())
}

/// What comes of a look at the file.
#[derive(Debug)]
enum News {
    Applied(Diff),
    /// And why not. Nothing has changed.
    NotApplied(String),
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied(diff) => {
                let changes = diff.to_string().replace('\n', "; ");
                let changes = if changes.is_empty() {
                    "nothing changes"
                } else {
                    &changes
                };
                write!(
                    f,
                    "configuration {}, by live_config: {changes}",
                    diff.version()
                )
            }
            Self::NotApplied(why) => write!(f, "not applied: {}", why.replace('\n', "; ")),
        }
    }
}

/// Why the file is looked at.
#[derive(Clone, Copy, PartialEq)]
enum Waker {
    /// Something has happened in the directory, or it is time.
    Perhaps,
    /// A person wants it applied, whether it has changed or not.
    Hangup,
}

/// Who says when to look at the file.
#[derive(Clone, Copy)]
enum Wakers {
    /// The directory, SIGHUP, and a clock.
    All(Duration),
    /// The clock only, as where the file system does not tell.
    Clock(Duration),
}

/// A file that is watched for as long as this is there.
struct Watching {
    news: mpsc::UnboundedReceiver<News>,
    _directory: Option<notify::RecommendedWatcher>,
    _tasks: JoinSet<()>,
}

impl Watching {
    fn begin(file: &Path, registry: &Registry, wakers: Wakers) -> Result<Self, AnyError> {
        let (wake, woken) = mpsc::unbounded_channel();
        let (tell, news) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let (Wakers::All(period) | Wakers::Clock(period)) = wakers;
        let directory = match wakers {
            Wakers::All(_) => {
                wake_at_hangup(&mut tasks, wake.clone())?;
                Some(wake_at_events(file, wake.clone())?)
            }
            Wakers::Clock(_) => None,
        };
        tasks.spawn(wake_at_times(period, wake));
        let look = Look {
            file: file.to_owned(),
            registry: registry.clone(),
            seen: fs::read_to_string(file).unwrap_or_default(),
        };
        tasks.spawn(look.forever(woken, tell));
        Ok(Self {
            news,
            _directory: directory,
            _tasks: tasks,
        })
    }
}

fn wake_at_events(
    file: &Path,
    wake: mpsc::UnboundedSender<Waker>,
) -> Result<notify::RecommendedWatcher, AnyError> {
    // Errors, too: whatever it is, the file is worth a look.
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| event.kind.is_access()) {
            // Our own reading.
            return;
        }
        // Nobody looks any more where this fails.
        let _ = wake.send(Waker::Perhaps);
    })?;
    let directory = file.parent().filter(|it| !it.as_os_str().is_empty());
    watcher.watch(
        directory.unwrap_or(Path::new(".")),
        RecursiveMode::NonRecursive,
    )?;
    Ok(watcher)
}

async fn wake_at_times(period: Duration, wake: mpsc::UnboundedSender<Waker>) {
    let mut times = interval(period);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        if wake.send(Waker::Perhaps).is_err() {
            return;
        }
    }
}

#[cfg(unix)]
fn wake_at_hangup(tasks: &mut JoinSet<()>, wake: mpsc::UnboundedSender<Waker>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangups = signal(SignalKind::hangup())?;
    tasks.spawn(async move {
        while hangups.recv().await.is_some() && wake.send(Waker::Hangup).is_ok() {}
    });
    Ok(())
}

#[cfg(not(unix))]
fn wake_at_hangup(_: &mut JoinSet<()>, _: mpsc::UnboundedSender<Waker>) -> io::Result<()> {
    Ok(())
}

/// Looks at the file whenever it is woken, and applies it.
struct Look {
    file: PathBuf,
    registry: Registry,
    /// What was in it last, good or bad.
    seen: String,
}

impl Look {
    async fn forever(
        mut self,
        mut woken: mpsc::UnboundedReceiver<Waker>,
        tell: mpsc::UnboundedSender<News>,
    ) {
        while let Some(first) = woken.recv().await {
            let anyway = wait_until_quiet(first, &mut woken).await == Waker::Hangup;
            if let Some(news) = self.look(anyway) {
                drop(tell.send(news));
            }
        }
    }

    fn look(&mut self, anyway: bool) -> Option<News> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) => {
                return self
                    .is_news(String::new(), anyway)
                    .then(|| News::NotApplied(format!("{}: {error}", self.file.display())));
            }
        };
        let new = self.is_news(text, anyway);
        new.then(|| self.apply().unwrap_or_else(News::NotApplied))
    }

    /// What is bad is told once, and not at each look.
    fn is_news(&mut self, text: String, anyway: bool) -> bool {
        let new = anyway || text != self.seen;
        self.seen = text;
        new
    }

    fn apply(&mut self) -> Result<News, String> {
        let config = read(&self.seen)?;
        let by = By::who("live_config").because(self.file.display().to_string());
        let applied = self.registry.apply_as(&config, Apply::by(by));
        applied.map(News::Applied).map_err(|error| {
            if error == ApplyError::Busy {
                // Then it is looked at again.
                self.seen.clear();
            }
            error.to_string()
        })
    }
}

async fn wait_until_quiet(first: Waker, woken: &mut mpsc::UnboundedReceiver<Waker>) -> Waker {
    let end = Instant::now() + AT_MOST;
    let mut strongest = first;
    while let Ok(Some(next)) = timeout_at(end.min(Instant::now() + QUIET), woken.recv()).await {
        if next == Waker::Hangup {
            strongest = next;
        }
    }
    strongest
}

// ---- the check ----------------------------------------------------------------------------------

/// A directory as Kubernetes makes it for a `ConfigMap`: the file is a link into a directory that is a link, and to
/// change it, that link is swapped.
struct Mounted {
    directory: PathBuf,
    swaps: u32,
}

impl Mounted {
    fn new(text: &str) -> io::Result<Self> {
        let name = format!("live_config-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory)?;
        let mut this = Self {
            directory,
            swaps: 0,
        };
        this.swap(text)?;
        #[cfg(unix)]
        std::os::unix::fs::symlink("..data/circuits.toml", this.file())?;
        Ok(this)
    }

    fn file(&self) -> PathBuf {
        self.directory.join("circuits.toml")
    }

    #[cfg(unix)]
    fn swap(&mut self, text: &str) -> io::Result<()> {
        let old = self.directory.join(format!("..{}", self.swaps));
        self.swaps += 1;
        let new = format!("..{}", self.swaps);
        fs::create_dir(self.directory.join(&new))?;
        fs::write(self.directory.join(&new).join("circuits.toml"), text)?;
        let link = self.directory.join("..data_tmp");
        std::os::unix::fs::symlink(&new, &link)?;
        fs::rename(link, self.directory.join("..data"))?;
        // There is none before the first.
        drop(fs::remove_dir_all(old));
        Ok(())
    }

    /// Where there are no such links, another file takes its place.
    #[cfg(not(unix))]
    fn swap(&mut self, text: &str) -> io::Result<()> {
        let new = self.directory.join("new");
        fs::write(&new, text)?;
        fs::rename(new, self.file())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// Calls that go on while settings change. Those to `broken`, which a person has forced open, are to be rejected, and
/// no others.
struct Load {
    counts: Arc<Counts>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct Counts {
    ended: AtomicBool,
    calls: AtomicU64,
    rejected: AtomicU64,
    rejected_wrongly: AtomicU64,
    admitted_wrongly: AtomicU64,
}

impl Load {
    fn begin(registry: &Registry) -> Self {
        let counts = Arc::<Counts>::default();
        let mut tasks = JoinSet::new();
        for name in ["payments", "flaky", "broken"] {
            for _ in 0..2 {
                tasks.spawn(call(registry.clone(), name, counts.clone()));
            }
        }
        Self { counts, tasks }
    }

    async fn end(self) -> Arc<Counts> {
        self.counts.ended.store(true, Relaxed);
        self.tasks.join_all().await;
        self.counts
    }
}

async fn call(registry: Registry, name: &'static str, counts: Arc<Counts>) {
    for number in 0_u64.. {
        if counts.ended.load(Relaxed) {
            return;
        }
        let circuit = registry.try_get(name).expect("it never leaves");
        // One of ten calls to `flaky` fails, far from what opens it.
        let fails = name == "flaky" && number % 10 == 0;
        let answer = circuit.call(async { if fails { Err("an error") } else { Ok(()) } });
        let rejected = answer.await.is_err_and(|error| error.rejected().is_some());
        counts.calls.fetch_add(1, Relaxed);
        match (name, rejected) {
            ("broken", true) => counts.rejected.fetch_add(1, Relaxed),
            ("broken", false) => counts.admitted_wrongly.fetch_add(1, Relaxed),
            (_, true) => counts.rejected_wrongly.fetch_add(1, Relaxed),
            (_, false) => 0,
        };
        tokio::task::yield_now().await;
    }
}

fn file_with(failure_rate: f64) -> String {
    format!(
        "defaults.minimum_calls = 20\n[circuits.payments]\n[circuits.broken]\n\
         [circuits.flaky]\nfailure_rate = {failure_rate}\n"
    )
}

/// The next news, which must come.
async fn next(watching: &mut Watching) -> Result<News, AnyError> {
    let news = timeout(Duration::from_secs(20), watching.news.recv()).await;
    let news = news.map_err(|_| "nothing has come for 20 seconds")?;
    let news = news.ok_or("watching has ended")?;
    println!("{news}");
    Ok(news)
}

async fn next_applied(watching: &mut Watching) -> Result<Diff, AnyError> {
    match next(watching).await? {
        News::Applied(diff) => Ok(diff),
        News::NotApplied(why) => Err(why.into()),
    }
}

fn demand(holds: bool, what: &str) -> Result<(), AnyError> {
    if holds { Ok(()) } else { Err(what.into()) }
}

async fn check() -> Result<(), AnyError> {
    let mut mounted = Mounted::new(&file_with(0.5))?;
    let registry = read(&file_with(0.5))?.registry().build()?;
    registry.try_get("broken")?.force_open();
    let load = Load::begin(&registry);
    // The clock is so slow that all is heard from the directory.
    let all = Wakers::All(Duration::from_secs(3600));
    let mut watching = Watching::begin(&mounted.file(), &registry, all)?;

    many_swaps(&mut mounted, &mut watching, &registry).await?;
    a_bad_file(&mut mounted, &mut watching, &registry).await?;
    a_name_that_is_gone(&mut mounted, &mut watching, &registry).await?;
    #[cfg(unix)]
    a_hangup(&mut watching, &registry).await?;
    drop(watching);
    nobody_tells(&mut mounted, &registry).await?;

    let counts = load.end().await;
    let [calls, right, wrong, admitted] = [
        &counts.calls,
        &counts.rejected,
        &counts.rejected_wrongly,
        &counts.admitted_wrongly,
    ]
    .map(|count| count.load(Relaxed));
    println!(
        "{} configurations under {calls} calls: {wrong} wrong rejections, and {right} right ones",
        registry.version(),
    );
    demand(calls > 1_000 && right > 0, "there was no load to speak of")?;
    demand(wrong == 0, "a circuit rejected that should not")?;
    demand(admitted == 0, "a circuit that was forced open admitted")
}

async fn many_swaps(
    mounted: &mut Mounted,
    watching: &mut Watching,
    registry: &Registry,
) -> Result<(), AnyError> {
    for round in 1..=20_u64 {
        let rate = if round % 2 == 0 { 0.5 } else { 0.4 };
        mounted.swap(&file_with(rate))?;
        let diff = next_applied(watching).await?;
        demand(diff.version() == round, "one version for each swap")?;
        let settings = registry.try_get("flaky")?.settings();
        demand(settings.failure_rate() == Some(rate), "the new rate holds")?;
    }
    Ok(())
}

async fn a_bad_file(
    mounted: &mut Mounted,
    watching: &mut Watching,
    registry: &Registry,
) -> Result<(), AnyError> {
    let (version, settings) = (registry.version(), registry.try_get("payments")?.settings());
    mounted.swap("circuits.payments.failure_rate = 1.5\n[circuits.flaky]\nminimum_calls = 7")?;
    let News::NotApplied(why) = next(watching).await? else {
        return Err("a bad file was applied".into());
    };
    demand(
        why.contains("circuits.payments.failure_rate"),
        "it is told where",
    )?;
    demand(registry.version() == version, "nothing was applied")?;
    let same = registry.try_get("payments")?.settings() == settings;
    demand(same, "nothing has changed")?;
    // Watching goes on.
    mounted.swap(&file_with(0.6))?;
    next_applied(watching).await.map(drop)
}

async fn a_name_that_is_gone(
    mounted: &mut Mounted,
    watching: &mut Watching,
    registry: &Registry,
) -> Result<(), AnyError> {
    let flaky = file_with(0.6);
    let without = flaky.split("[circuits.flaky]").next().unwrap_or_default();
    mounted.swap(without)?;
    let diff = next_applied(watching).await?.to_string();
    demand(diff == "flaky: is named no more, and stays as it is", &diff)?;
    let settings = registry.try_get("flaky")?.settings();
    demand(settings.failure_rate() == Some(0.6), "it is as it was")
}

/// What a person has changed by hand, a hangup changes back.
#[cfg(unix)]
async fn a_hangup(watching: &mut Watching, registry: &Registry) -> Result<(), AnyError> {
    let payments = registry.try_get("payments")?;
    payments.reconfigure(|settings| settings.set_minimum_calls(7))?;
    let this = std::process::id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-HUP", &this])
        .status()?;
    demand(sent.success(), "the signal was sent")?;
    next_applied(watching).await?;
    let flaky = registry.try_get("flaky")?.settings();
    demand(flaky.failure_rate() == Some(0.6), "it is left as it was")?;
    demand(
        payments.settings().minimum_calls() == Some(20),
        "it is as the file says",
    )
}

/// A file system that tells nothing.
async fn nobody_tells(mounted: &mut Mounted, registry: &Registry) -> Result<(), AnyError> {
    let clock = Wakers::Clock(Duration::from_millis(50));
    let mut watching = Watching::begin(&mounted.file(), registry, clock)?;
    mounted.swap("defaults.minimum_calls = 30\n[circuits.payments]\n[circuits.broken]")?;
    next_applied(&mut watching).await?;
    let settings = registry.try_get("payments")?.settings();
    demand(
        settings.minimum_calls() == Some(30),
        "it is as the file says",
    )
}
