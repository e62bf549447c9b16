//! Whether a dependency that hangs takes the others with it: the same load on three of them, side by side.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tower::{BoxError, ServiceExt};

use crate::{
    clients::{self, Client},
    page,
    upstreams::{Health, Upstream},
};

/// So many tasks does the server have for all of its calls, as if they were its workers.
const TASKS: usize = 64;
const A_SECOND: u32 = 50;
const LOAD_SECONDS: u32 = 4;
/// How long a dependency takes that is well.
const TAKES: Duration = Duration::from_millis(10);
/// After that time the client gives up by itself.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(3);
const NAMES: [&str; 3] = ["price", "reviews", "orders"];
/// This one hangs.
const HANGS: usize = 2;

/// What came of the calls to one dependency.
#[derive(Debug, Default)]
struct Came {
    /// How long each took that was answered, from when it was due; from the shortest to the longest.
    took: Vec<Duration>,
    lost: usize,
    /// How many tasks it had at once, at most.
    tasks: usize,
}

impl Came {
    fn percent(&self, percent: usize) -> Duration {
        let at = (self.took.len() * percent).div_ceil(100).saturating_sub(1);
        self.took.get(at).copied().unwrap_or(Duration::MAX)
    }
}

/// So often it is tried. A machine that does other things as well has slow moments; what is wrong by itself is wrong
/// each time.
const TRIES: usize = 3;

/// Runs all three, prints the table, and says whether it is as the guide promises.
pub(crate) async fn run() -> Result<(), BoxError> {
    println!(
        "{A_SECOND} calls a second to each of three dependencies for {LOAD_SECONDS} s, by {TASKS} tasks in all\n"
    );
    let mut answer = Ok(());
    for _ in 0..TRIES {
        answer = once().await?;
        match &answer {
            Ok(()) => break,
            Err(what) => println!("{what}\n"),
        }
    }
    answer.map_err(Into::into)
}

async fn once() -> Result<Result<(), String>, BoxError> {
    let alone = load(clients::bare, false).await?;
    let without = load(clients::bare, true).await?;
    let with = load(clients::isolated, true).await?;
    print_table(&[
        ("all are well", &alone),
        ("orders hangs", &without),
        ("… bulkhead, call timeout", &with),
    ]);
    Ok((0..HANGS)
        .try_for_each(|other| judge(NAMES[other], &alone[other], &without[other], &with[other])))
}

fn judge(name: &str, alone: &Came, without: &Came, with: &Came) -> Result<(), String> {
    // Ten times, as a machine that does other things as well has slow moments.
    if with.lost > 0 || with.percent(99) > alone.percent(99) * 10 {
        return Err(format!("{name} was not left in peace"));
    }
    if without.percent(99) < with.percent(99) {
        return Err("it does not matter whether there is a bulkhead".into());
    }
    Ok(())
}

fn print_table(columns: &[(&str, &[Came; 3])]) {
    let row = |what: &str, cell: &dyn Fn(&[Came; 3]) -> String| {
        print!("{what:<24}");
        columns
            .iter()
            .for_each(|(_, came)| print!("{:>26}", cell(came)));
        println!();
    };
    print!("{:<24}", "");
    columns.iter().for_each(|(name, _)| print!("{name:>26}"));
    println!();
    for others in 0..HANGS {
        for percent in [50, 99] {
            row(&format!("{}, p{percent}", NAMES[others]), &|came| {
                format!("{} ms", came[others].percent(percent).as_millis())
            });
        }
        row(&format!("{}, lost", NAMES[others]), &|came| {
            let came = &came[others];
            format!("{} of {}", came.lost, came.lost + came.took.len())
        });
    }
    row("tasks for orders", &|came| {
        format!("{} of {TASKS}", came[HANGS].tasks)
    });
}

/// All that the three are asked, through clients of this kind.
async fn load(
    client: fn(&'static str) -> Result<Client, BoxError>,
    one_hangs: bool,
) -> Result<[Came; 3], BoxError> {
    let tasks = Arc::new(Semaphore::new(TASKS));
    let mut upstreams = Vec::new();
    let mut loads = Vec::new();
    for (at, name) in NAMES.into_iter().enumerate() {
        let mut upstream = Upstream::that_takes(TAKES).await?;
        if one_hangs && at == HANGS {
            upstream.set(Health::Hangs).await?;
        }
        let client = client(name)?;
        loads.push(tokio::spawn(load_one(
            client,
            upstream.url(),
            tasks.clone(),
        )));
        upstreams.push(upstream);
    }
    let mut came = Vec::new();
    for load in loads {
        came.push(load.await?);
    }
    Ok(came.try_into().expect("three of them"))
}

/// As many calls a second as are due, whatever becomes of those before.
async fn load_one(client: Client, url: String, tasks: Arc<Semaphore>) -> Came {
    let (mut calls, taken) = (
        JoinSet::new(),
        Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]),
    );
    let mut due = interval(Duration::from_secs(1) / A_SECOND);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..A_SECOND * LOAD_SECONDS {
        let due = due.tick().await;
        let (client, tasks, taken) = (client.clone(), tasks.clone(), taken.clone());
        let url = url.clone();
        calls.spawn(async move {
            let task = tasks.acquire().await.expect("never closed");
            let now = taken[0].fetch_add(1, SeqCst) + 1;
            taken[1].fetch_max(now, SeqCst);
            let answer = timeout(CLIENT_TIMEOUT, client.oneshot(page::get(&url))).await;
            taken[0].fetch_sub(1, SeqCst);
            drop(task);
            let is_well = matches!(answer, Ok(Ok(answer)) if answer.status().is_success());
            is_well.then(|| due.elapsed())
        });
    }
    let all = calls.join_all().await;
    let mut took: Vec<_> = all.iter().flatten().copied().collect();
    took.sort();
    Came {
        lost: all.len() - took.len(),
        took,
        tasks: taken[1].load(SeqCst),
    }
}
