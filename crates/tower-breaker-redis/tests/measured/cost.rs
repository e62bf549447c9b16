//! What a fleet costs its server: commands, bytes and processor time, at 1, 10, 50 and 200 instances of one process,
//! each with a task and a connection of its own.

use std::time::{Duration, Instant};

use tokio::{task::JoinHandle, time::sleep};
use tower_breaker::{Agreement, Circuit, fleet::Fleet, observe::Sharing};
use tower_breaker_redis::Redis;

use crate::{
    TURN,
    support::{instances::within, server::Server},
};

/// Circuits of each instance.
const CIRCUITS: usize = 5;
const WINDOW: Duration = Duration::from_secs(10);
/// Each thing is measured for so long: two reports of an instance whose calls succeed.
const MEASURED: Duration = Duration::from_secs(5);
const SIZES: [usize; 4] = [1, 10, 50, 200];

/// What an instance is, as far as the server can tell.
struct Member {
    fleet: Fleet,
    circuits: Vec<Circuit>,
    task: JoinHandle<()>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Member {
    fn of(server: &Server) -> Self {
        let fleet = Fleet::builder("shop").build().expect("a fleet");
        let circuit = |number| {
            Circuit::builder(format!("circuit-{number}"))
                .time_window(WINDOW)
                .failure_rate(0.5)
                .minimum_calls(20)
                .open_for(Duration::from_secs(60))
                .shared(Agreement::default())
                .fleet(&fleet)
                .build()
                .expect("a circuit")
        };
        let circuits = (0..CIRCUITS).map(circuit).collect();
        let redis = Redis::new(&server.url()).expect("a URL");
        let task = tokio::spawn(fleet.run(redis));
        Self {
            fleet,
            circuits,
            task,
        }
    }
}

/// What the server has counted.
#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Instant,
    commands: u64,
    reports: u64,
    bytes: [u64; 2],
    processor: f64,
}

/// The same, a second.
#[derive(Clone, Copy, Debug)]
struct Rates {
    commands: f64,
    reports: f64,
    bytes: [f64; 2],
    processor: f64,
}

fn count(server: &Server, members: &[Member]) -> Counted {
    let (stats, cpu) = (server.info("stats"), server.info("cpu"));
    let commands = server.commands();
    let of = |name: &str| commands.get(name).map_or(0, |(calls, _)| *calls);
    let seconds = |name: &str| cpu[name].parse::<f64>().expect("seconds");
    Counted {
        at: Instant::now(),
        commands: of("evalsha") + of("eval"),
        reports: members
            .iter()
            .map(|member| member.fleet.status().reports)
            .sum(),
        bytes: ["total_net_input_bytes", "total_net_output_bytes"]
            .map(|name| stats[name].parse().expect("bytes")),
        processor: seconds("used_cpu_user") + seconds("used_cpu_sys"),
    }
}

impl Counted {
    fn until(self, end: Self) -> Rates {
        let seconds = (end.at - self.at).as_secs_f64();
        let a_second = |from: u64, to: u64| (to - from) as f64 / seconds;
        Rates {
            commands: a_second(self.commands, end.commands),
            reports: a_second(self.reports, end.reports),
            bytes: [0, 1].map(|way| a_second(self.bytes[way], end.bytes[way])),
            processor: (end.processor - self.processor) / seconds,
        }
    }
}

/// Each instance has this call, ten times a second, on so many of its circuits.
async fn measure(
    server: &Server,
    members: &[Member],
    circuits: usize,
    call: impl Fn(&Circuit, usize),
) -> Rates {
    let traffic = async |time: Duration| {
        let until = Instant::now() + time;
        let mut turn = 0;
        while Instant::now() < until {
            for member in members {
                member
                    .circuits
                    .iter()
                    .take(circuits)
                    .for_each(|circuit| call(circuit, turn));
            }
            turn += 1;
            sleep(Duration::from_millis(100)).await;
        }
    };
    traffic(Duration::from_secs(2)).await;
    let begin = count(server, members);
    traffic(MEASURED).await;
    begin.until(count(server, members))
}

fn succeed(circuit: &Circuit) {
    if let Ok(guard) = circuit.try_acquire() {
        guard.success();
    }
}

/// Three in ten fail, which opens nothing.
fn fail_now_and_then(circuit: &Circuit, turn: usize) {
    match circuit.try_acquire() {
        Ok(guard) if turn % 10 < 3 => guard.failure(),
        Ok(guard) => guard.success(),
        Err(_) => (),
    }
}

/// A row of the table, and what it may be at most: polls, and reports that may each be a command of its own.
fn row(what: &str, instances: usize, rates: Rates, reports: f64) {
    println!(
        "| {instances:3} | {what:24} | {:7.1} | {:7.1} | {:7.1} | {:7.1} | {:5.2} |",
        rates.commands,
        rates.reports,
        rates.bytes[0] / 1e3,
        rates.bytes[1] / 1e3,
        rates.processor * 100.0,
    );
    let polls = instances as f64;
    let (most_reports, most_commands) = (1.3 * reports, 1.3 * (polls + reports));
    assert!(
        rates.reports <= most_reports,
        "{what}, {instances}: {} reports a second",
        rates.reports
    );
    assert!(
        rates.commands <= most_commands,
        "{what}, {instances}: {} commands a second",
        rates.commands
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_bytes_stay_within_their_bounds() {
    let _turn = TURN.lock().await;
    println!(
        "| instances | {CIRCUITS} circuits each | commands/s | reports/s | kB/s in | kB/s out | % of a core |"
    );
    println!("|--:|---|--:|--:|--:|--:|--:|");
    for instances in SIZES {
        let server = Server::start();
        let members: Vec<Member> = (0..instances).map(|_| Member::of(&server)).collect();
        let is_attached = |member: &Member| {
            let sharing = member.fleet.status().sharing;
            matches!(sharing, Sharing::Attached { .. })
        };
        within(Duration::from_secs(30), "attached", async || {
            let attached = members.iter().filter(|member| is_attached(member)).count();
            if attached == instances {
                Ok(())
            } else {
                Err(format!("{attached} of {instances}"))
            }
        })
        .await;

        let idle = measure(&server, &members, CIRCUITS, |_, _| ()).await;
        row("no calls", instances, idle, 0.0);
        // A report in a quarter of the window.
        let quarters = (instances * CIRCUITS) as f64 / (WINDOW.as_secs_f64() / 4.0);
        let calls = measure(&server, &members, CIRCUITS, |circuit, _| succeed(circuit)).await;
        row("calls succeed", instances, calls, quarters);
        // What fails is told in each interval, of a tenth of a second, give or take a fifth.
        let intervals = instances as f64 * 12.5;
        let failing = measure(&server, &members, 1, fail_now_and_then).await;
        row(
            "one circuit fails, 30 %",
            instances,
            failing,
            intervals + quarters,
        );
        assert!(
            members.iter().all(is_attached),
            "the machine was too slow to measure anything"
        );
    }
}
