//! What a fleet costs its server: commands, bytes and processor time, at 1, 10, 50 and 200 instances of one process,
//! each with a task and a connection of its own.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use tokio::{
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tower_breaker::{
    Agreement, Circuit,
    fleet::{
        Fleet,
        wire::{Key, Look, Stamp},
    },
    observe::Sharing,
};
use tower_breaker_redis::Redis;

use crate::{
    TURN,
    support::{
        asked::{decide, exchange, half_failed, outage, poll, report},
        instances::within,
        server::Server,
    },
};

/// Circuits of each instance.
const CIRCUITS: usize = 5;
const WINDOW: Duration = Duration::from_secs(10);
/// Two reports of an instance whose calls succeed.
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

/// What the server has counted, or what that is a second.
#[derive(Clone, Copy, Debug)]
struct Counted {
    commands: f64,
    reports: f64,
    /// In and out.
    bytes: [f64; 2],
    /// Seconds of the process.
    processor: f64,
}

fn count(server: &Server, members: &[Member]) -> (Instant, Counted) {
    let (stats, cpu) = (server.info("stats"), server.info("cpu"));
    let commands = server.commands();
    let calls = |name| commands.get(name).map_or(0, |(calls, _)| *calls);
    let number = |text: &String| text.parse::<f64>().expect("a number");
    let reports = members.iter().map(|member| member.fleet.status().reports);
    let counted = Counted {
        commands: (calls("evalsha") + calls("eval")) as f64,
        reports: reports.sum::<u64>() as f64,
        bytes: ["total_net_input_bytes", "total_net_output_bytes"].map(|name| number(&stats[name])),
        processor: number(&cpu["used_cpu_user"]) + number(&cpu["used_cpu_sys"]),
    };
    (Instant::now(), counted)
}

/// From one count to the other, a second.
fn rates((began, from): (Instant, Counted), (ended, to): (Instant, Counted)) -> Counted {
    let a_second = |from: f64, to: f64| (to - from) / (ended - began).as_secs_f64();
    let pair = |from: [f64; 2], to: [f64; 2]| [0, 1].map(|which| a_second(from[which], to[which]));
    Counted {
        commands: a_second(from.commands, to.commands),
        reports: a_second(from.reports, to.reports),
        bytes: pair(from.bytes, to.bytes),
        processor: a_second(from.processor, to.processor),
    }
}

/// Each instance has this call, ten times a second, on so many of its circuits.
async fn measure(
    server: &Server,
    members: &[Member],
    circuits: usize,
    call: impl Fn(&Circuit, usize),
) -> Counted {
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
    traffic(Duration::from_secs(1)).await;
    let begin = count(server, members);
    traffic(MEASURED).await;
    rates(begin, count(server, members))
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

/// Rows, and what is wrong with them.
#[derive(Debug, Default)]
struct Table {
    rows: String,
    wrong: Vec<String>,
}

impl Table {
    /// A row, and whether it is within its bounds: a poll a second for each instance, and so many reports, each of
    /// which may be a command of its own.
    fn row(&mut self, instances: usize, what: &str, seen: Counted, reports: f64) {
        let [inward, outward] = seen.bytes;
        let row = format!(
            "| {instances} | {what} | {:.0} | {:.0} | {:.1} + {:.1} | {:.1} % |\n",
            seen.commands,
            seen.reports,
            inward / 1e3,
            outward / 1e3,
            seen.processor * 100.0,
        );
        print!("{row}");
        let commands = instances as f64 + reports;
        for (name, is, most) in [
            ("reports", seen.reports, reports),
            ("commands", seen.commands, commands),
            (
                "bytes in",
                inward,
                150.0 * seen.commands + 200.0 * seen.reports,
            ),
            (
                "bytes out",
                outward,
                60.0 * seen.commands + 100.0 * seen.reports + 1_000.0,
            ),
        ] {
            if is > 1.3 * most {
                let most = 1.3 * most;
                self.wrong.push(format!(
                    "{instances} instances, {what}: {is:.0} {name} a second, at most {most:.0}"
                ));
            }
        }
        self.rows += &row;
    }
}

const HEAD: &str = "\
| instances | each with 5 circuits | commands/s | reports/s | kB/s in + out | of a core |
|--:|---|--:|--:|--:|--:|
";
const MARKS: [&str; 2] = [
    "<!-- cost: written by crates/tower-breaker-redis/tests/measured/cost.rs -->\n",
    "<!-- end of cost",
];

/// With `BLESS=1`, writes the table into the guide.
fn bless(table: &Table) {
    if env::var_os("BLESS").is_none() {
        return;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../src/guide/fleet.md");
    let guide = fs::read_to_string(path).expect("the guide");
    let (before, rest) = guide.split_once(MARKS[0]).expect("where it begins");
    let (_, after) = rest.split_once(MARKS[1]).expect("where it ends");
    let guide = [
        before,
        MARKS[0],
        "\n",
        HEAD,
        &table.rows,
        "\n",
        MARKS[1],
        after,
    ]
    .concat();
    fs::write(path, guide).expect("is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_bytes_stay_within_their_bounds() {
    let _turn = TURN.lock().await;
    let mut table = Table::default();
    print!("{HEAD}");
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
        table.row(instances, "no calls", idle, 0.0);
        // A report in a quarter of the window.
        let quarters = (instances * CIRCUITS) as f64 / (WINDOW.as_secs_f64() / 4.0);
        let calls = measure(&server, &members, CIRCUITS, |circuit, _| succeed(circuit)).await;
        table.row(instances, "calls succeed", calls, quarters);
        // What fails is told in each interval, of a tenth of a second, give or take a fifth.
        let intervals = instances as f64 * 12.5;
        let failing = measure(&server, &members, 1, fail_now_and_then).await;
        table.row(
            instances,
            "one fails, 30 % everywhere",
            failing,
            intervals + quarters,
        );
        assert!(
            members.iter().all(is_attached),
            "the machine was too slow to measure anything"
        );
    }
    bless(&table);
    assert!(table.wrong.is_empty(), "{:#?}", table.wrong);
}

/// Microseconds of the server's processor for each, when this is done so often.
async fn each(server: &Server, what: &str, times: u32, things: u32, act: impl AsyncFn(u32)) -> f64 {
    let used = || {
        let cpu = server.info("cpu");
        let seconds = |name: &str| cpu[name].parse::<f64>().expect("seconds");
        seconds("used_cpu_user") + seconds("used_cpu_sys")
    };
    let before = used();
    for time in 0..times {
        act(time).await;
    }
    let micros = (used() - before) * 1e6 / f64::from(times * things);
    println!("| {what} | {micros:.1} |");
    micros
}

// Bounds are some ten times what was measured: a machine may be slow, and a script that grows with what is in the store
// would be slower than that.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_costs_microseconds() {
    let _turn = TURN.lock().await;
    let server = Server::start();
    let redis = Redis::new(&server.url()).expect("a URL");
    let names: Vec<Key> = (0..50)
        .map(|number| Key::of(&format!("circuit-{number}")))
        .collect();
    let looks = |report: bool| {
        let look = |name: &Key| Look {
            name: name.clone(),
            stamp: Stamp::default(),
            report: report.then(|| half_failed(WINDOW)),
        };
        names.iter().map(look).collect::<Vec<Look>>()
    };
    println!("| of the server's processor | µs |\n|---|--:|");
    let polls = each(&server, "a poll", 3_000, 1, async |_| {
        drop(poll(&redis).await.expect("an answer"));
    })
    .await;
    let alone_told = each(&server, "a decision", 300, 3, async |time| {
        decisions(&redis, time).await;
    })
    .await;
    let stores: Vec<Redis> = (0..50)
        .map(|_| Redis::new(&server.url()).expect("a URL"))
        .collect();
    let at_once = each(&server, "one of fifty polls at once", 100, 50, async |_| {
        let mut polls = JoinSet::new();
        for store in &stores {
            let store = store.clone();
            polls.spawn(async move { poll(&store).await });
        }
        while let Some(polled) = polls.join_next().await {
            drop(polled.expect("no panic").expect("an answer"));
        }
    })
    .await;
    let alone = each(&server, "a report by itself", 3_000, 1, async |time| {
        let told = report(
            &redis,
            u64::from(time % 50),
            &names[0],
            Stamp::default(),
            WINDOW,
        );
        drop(told.await.expect("an answer"));
    })
    .await;
    let many = each(&server, "one of fifty reports", 300, 50, async |time| {
        drop(
            exchange(&redis, u64::from(time % 50), looks(true))
                .await
                .expect("an answer"),
        );
    })
    .await;
    let looked = each(&server, "one of fifty looks", 300, 50, async |_| {
        drop(exchange(&redis, 1, looks(false)).await.expect("an answer"));
    })
    .await;
    let all_told = each(
        &server,
        "a decision that fifty are told",
        300,
        3,
        async |time| {
            decisions(&redis, 1_000 + time).await;
        },
    )
    .await;
    assert!(polls.max(at_once) < 300.0 && alone < 900.0 && many < 300.0 && looked < 200.0);
    assert!(alone_told < 1_000.0 && all_told < 4_000.0);
}

/// Three: a circuit opens, probes, and closes.
async fn decisions(redis: &Redis, number: u32) {
    let (name, mut stamp) = (Key::of(&format!("outage-{number}")), Stamp::default());
    for what in outage() {
        stamp = decide(redis, 1, &name, stamp, what).await.standing.stamp;
    }
}
