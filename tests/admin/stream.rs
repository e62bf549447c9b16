//! `GET stream`: what happens, as it happens. Time is tokio's, and paused.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::Router;
use futures_util::future::join_all;
use http::StatusCode;
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::{Instant, advance};
use tower_breaker::{
    admin::View,
    clock::Clock,
    registry::{Registry, WeakRegistry},
};

use crate::{
    SECOND, ask, fail, get, happen,
    listening::{Listening, ask_for_stream},
    registry,
};

const TICK: Duration = Duration::from_millis(250);

fn router(registry: &Registry) -> Router {
    View::new(registry).router()
}

// L3
#[tokio::test(start_paused = true)]
async fn a_stream_begins_with_every_circuit() {
    let (registry, _) = registry(&["db", "mail"]);
    fail(&registry, "db");
    let mut stream = Listening::to(&router(&registry), "", None).await;
    let first = stream.next().await.expect("no end");
    assert_eq!(first.retry, Some(1_000));
    let list = stream.next().await.expect("no end");
    assert_eq!((&*list.event, list.id), ("circuits", None));
    assert!(list.data["boot"].is_string() && list.data["now"].is_string());
    let shown = list.data["circuits"].as_array().expect("a list");
    assert_eq!(shown.len(), 2);
    assert_eq!(
        (&shown[0]["name"], &shown[0]["state"]),
        (&json!("db"), &json!("open"))
    );
    assert!(
        shown[0]["history"]["to"]
            .as_u64()
            .is_some_and(|to| to > 1_700_000_000)
    );
    // What it was is known from now on.
    assert_eq!(shown[0]["history"]["samples"], json!([[0, 0, 0, 0, 0, 1]]));
    assert_eq!(stream.now(), []);
}

// L3: and an id by which the stream resumes.
#[tokio::test(start_paused = true)]
async fn an_event_is_told_within_a_quarter_of_a_second() {
    let (registry, _) = registry(&["db"]);
    let router = router(&registry);
    let mut stream = Listening::begun(&router, "").await;
    assert_eq!(stream.now(), []);
    let began = Instant::now();
    fail(&registry, "db");
    let told = stream.next().await.expect("no end");
    assert!(began.elapsed() <= TICK);
    assert_eq!(told.event, "event");
    let boot = get(&router, "/circuits").await.json()["boot"].clone();
    let id = format!("{}.{}", boot.as_str().expect("text"), told.data["id"]);
    assert_eq!(told.id, Some(id));
    assert_eq!(told.data["kind"], "opened");
}

// L3: whoever tells an event wakes no stream, however many there are.
#[tokio::test(start_paused = true)]
async fn an_event_wakes_nobody() {
    let (registry, _) = registry(&["db"]);
    let router = router(&registry);
    let mut body = ask_for_stream(&router, "", None).await.into_body();
    let mut next = tokio_test::task::spawn(async move {
        loop {
            body.frame().await.expect("no end").expect("a frame");
        }
    });
    assert!(next.poll().is_pending());
    happen(&registry, "db");
    assert!(!next.is_woken());
    advance(TICK).await;
    assert!(next.is_woken());
}

// L3
#[tokio::test(start_paused = true)]
async fn every_second_tells_what_has_changed_and_which_calls_there_were() {
    let (registry, _) = registry(&["db", "mail"]);
    let mut stream = Listening::begun(&router(&registry), "").await;
    let began = Instant::now();
    let mail = registry.get("mail").expect("there");
    for _ in 0..3 {
        mail.try_acquire().expect("closed").success();
    }
    let update = stream.until("update").await;
    assert_eq!(began.elapsed(), SECOND);
    assert!(update.data["now"].is_string() && update.id.is_none());
    assert_eq!(update.circuit("db"), None);
    assert_eq!(
        update.circuit("mail").expect("changed")["totals"]["success"],
        3
    );
    assert_eq!(update.calls("mail"), Some(vec![3, 0, 0, 0]));
    assert_eq!(update.calls("db"), None);

    fail(&registry, "db");
    registry
        .get("db")
        .expect("there")
        .try_acquire()
        .expect_err("open");
    let update = stream.until("update").await;
    assert_eq!(began.elapsed(), SECOND * 2);
    assert_eq!(update.circuit("mail"), None);
    assert_eq!(update.circuit("db").expect("changed")["state"], "open");
    assert_eq!(update.calls("db"), Some(vec![0, 1, 0, 1]));

    // Nothing has changed: that is told, too, so that who hears nothing knows that something is wrong.
    let update = stream.until("update").await;
    assert_eq!(began.elapsed(), SECOND * 3);
    assert_eq!(update.data["circuits"], json!([]));
    assert_eq!(
        (&update.data["calls"], &update.data["gone"]),
        (&json!([]), &json!([]))
    );
}

// L3
#[tokio::test(start_paused = true)]
async fn circuits_that_come_and_go_are_told() {
    let (registry, _) = registry(&["db"]);
    let mut stream = Listening::begun(&router(&registry), "").await;
    let mail = registry.get_or_create("mail").expect("room");
    mail.try_acquire().expect("closed").success();
    let update = stream.until("update").await;
    assert_eq!(update.circuit("mail").expect("new")["named"], false);
    assert_eq!(update.calls("mail"), Some(vec![1, 0, 0, 0]));
    registry.remove("mail");
    let update = stream.until("update").await;
    assert_eq!(update.data["gone"], json!(["mail"]));

    // One that takes the place of another begins at none.
    fail(&registry, "db");
    stream.until("update").await;
    registry.remove("db");
    registry.get_or_create("db").expect("room").force_open();
    let update = stream.until("update").await;
    assert_eq!(update.data["gone"], json!([]));
    assert_eq!(
        update.circuit("db").expect("changed")["totals"]["failure"],
        0
    );
}

// L3: a break that is over changes what is shown, though nothing has happened.
#[tokio::test(start_paused = true)]
async fn time_that_passes_is_no_change_but_the_end_of_a_break_is() {
    let (registry, clock) = registry(&["db"]);
    fail(&registry, "db");
    let mut stream = Listening::begun(&router(&registry), "").await;
    clock.advance(SECOND * 5);
    assert_eq!(stream.until("update").await.circuit("db"), None);
    clock.advance(SECOND * 5);
    let update = stream.until("update").await;
    assert_eq!(
        update.circuit("db").expect("changed")["remaining_seconds"],
        0.0
    );
}

// L3
#[tokio::test(start_paused = true)]
async fn the_last_minutes_are_told_to_who_comes_later() {
    let (registry, _) = registry(&["db"]);
    let router = router(&registry);
    let mut first = Listening::begun(&router, "").await;
    let db = registry.get("db").expect("there");
    for calls in 1..=3 {
        (0..calls).for_each(|_| db.try_acquire().expect("closed").success());
        first.until("update").await;
    }
    fail(&registry, "db");
    first.until("update").await;
    first.until("update").await;
    let list = Listening::to(&router, "", None)
        .await
        .until("circuits")
        .await;
    let to = list.circuit("db").expect("there")["history"]["to"].as_u64();
    let to = to.expect("a number");
    assert_eq!(list.data["watched"], json!([[to - 5, to]]));
    assert_eq!(
        list.circuit("db").expect("there")["history"]["samples"],
        json!([
            [5, 0, 0, 0, 0, 0],
            [4, 1, 0, 0, 0, 0],
            [3, 2, 0, 0, 0, 0],
            [2, 3, 0, 0, 0, 0],
            [1, 0, 1, 0, 0, 1]
        ])
    );
}

/// The circuits that have no history.
async fn without_history(router: &Router) -> Vec<String> {
    let list = Listening::to(router, "", None)
        .await
        .until("circuits")
        .await;
    let circuits = list.data["circuits"].as_array().expect("a list");
    let without = circuits.iter().filter(|it| it["history"].is_null());
    without
        .map(|it| it["name"].as_str().expect("text").to_owned())
        .collect()
}

// L3: as the guide `operating` has it. What has left makes room for what comes.
#[tokio::test(start_paused = true)]
async fn a_thousand_circuits_have_a_history() {
    let (registry, _) = registry(&[]);
    let make = |name: &str| drop(registry.get_or_create(name).expect("room"));
    for number in 0..=1_000 {
        make(&format!("{number:04}"));
    }
    let router = router(&registry);
    let mut stream = Listening::begun(&router, "").await;
    assert_eq!(without_history(&router).await, ["1000"]);
    for name in ["0000", "0001", "1000"] {
        registry.remove(name);
    }
    stream.until("update").await;
    ["a", "b", "c"].into_iter().for_each(make);
    stream.until("update").await;
    assert_eq!(without_history(&router).await, ["c"]);
}

// L3: what came while nobody watched is of no second.
#[tokio::test(start_paused = true)]
async fn calls_that_nobody_watched_are_not_told_as_those_of_one_second() {
    let (registry, _) = registry(&["db"]);
    let router = router(&registry);
    drop(Listening::begun(&router, "").await);
    let db = registry.get("db").expect("there");
    (0..100).for_each(|_| db.try_acquire().expect("closed").success());
    advance(SECOND * 60).await;
    let mut stream = Listening::to(&router, "", None).await;
    let list = stream.until("circuits").await;
    let db_shown = list.circuit("db").expect("there");
    assert_eq!(db_shown["totals"]["success"], 100);
    // Not as none, either.
    let to = db_shown["history"]["to"].as_u64().expect("a number");
    assert_eq!(list.data["watched"], json!([[to - 60, to - 60], [to, to]]));
    assert_eq!(db_shown["history"]["samples"], json!([[60, 0, 0, 0, 0, 0]]));
    db.try_acquire().expect("closed").success();
    assert_eq!(
        stream.until("update").await.calls("db"),
        Some(vec![1, 0, 0, 0])
    );
}

/// Tells how often it was asked, and has something done then.
#[derive(Default)]
struct Counting {
    asked: AtomicU64,
    then: Mutex<Option<Box<dyn Fn() + Send>>>,
}

#[derive(Clone, Default)]
struct CountingClock(Arc<Counting>);

impl Clock for CountingClock {
    fn now(&self) -> Duration {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        // What is done may ask it again.
        if let Ok(then) = self.0.then.try_lock() {
            then.iter().for_each(|then| then());
        }
        SECOND
    }
}

// L3: a thousand streams cost one look a second, as one does.
#[tokio::test(start_paused = true)]
async fn all_circuits_are_looked_at_once_a_second_whoever_watches() {
    const STREAMS: u32 = 1_000;
    const SECONDS: u64 = 3;
    let clock = CountingClock::default();
    let of_circuits = clock.clone();
    let registry = Registry::builder()
        .defaults(move |it| it.clock(of_circuits.clone()))
        .circuit("db", |it| it)
        .build()
        .expect("valid");
    let router: Router = View::new(&registry).max_streams(STREAMS).router();
    let mut bodies = Vec::new();
    for _ in 0..STREAMS {
        bodies.push(ask_for_stream(&router, "", None).await.into_body());
    }
    let began = clock.0.asked.load(Ordering::SeqCst);
    let updates = bodies.iter_mut().map(async |body| {
        let mut updates = 0;
        while updates < SECONDS {
            let frame = body.frame().await.expect("no end").expect("a frame");
            let data = frame.into_data().expect("data");
            updates += u64::from(data.starts_with(b"event: update"));
        }
    });
    join_all(updates).await;
    // One for each second, with the one at the beginning, and one for the list.
    let looks = clock.0.asked.load(Ordering::SeqCst) - began;
    assert_eq!(looks, SECONDS + 2);
}

// L3: whoever watches does so on a thread of a runtime, which has calls to make.
#[tokio::test(start_paused = true)]
async fn a_look_at_a_thousand_circuits_lets_others_have_their_turn() {
    let clock = CountingClock::default();
    let of_circuits = clock.clone();
    let registry = Registry::builder()
        .defaults(move |it| it.clock(of_circuits.clone()))
        .build()
        .expect("valid");
    for number in 0..1_000 {
        registry.get_or_create(&number.to_string()).expect("room");
    }
    let router = router(&registry);
    let mut body = ask_for_stream(&router, "", None).await.into_body();
    let asked = || clock.0.asked.load(Ordering::SeqCst);
    let (mut longest, mut told) = (0, String::new());
    let mut next = async |kind: &str| {
        told.clear();
        while !told.contains(&format!("event: {kind}\n")) {
            let frame = poll_fn(|cx| {
                let before = asked();
                let polled = Pin::new(&mut body).poll_frame(cx);
                longest = longest.max(asked() - before);
                polled
            });
            let frame = frame.await.expect("no end").expect("a frame");
            told += str::from_utf8(&frame.into_data().expect("data")).expect("text");
        }
        told.matches("\"line\":").count()
    };
    assert_eq!(next("circuits").await, 1_000);
    assert_eq!(next("update").await, 0);
    for number in 0..1_000 {
        happen(&registry, &number.to_string());
    }
    assert_eq!(next("lagged").await, 0);
    assert_eq!(next("circuits").await, 1_000);
    assert!(longest <= 100, "{longest}");
}

// L3: a circuit that is held cannot make room for another (I5).
#[tokio::test(start_paused = true)]
async fn a_look_at_all_circuits_leaves_room_for_another() {
    let clock = CountingClock::default();
    let of_circuits = clock.clone();
    let registry = Registry::builder()
        .defaults(move |it| it.clock(of_circuits.clone()).time_window(SECOND * 60))
        .max_circuits(8)
        .build()
        .expect("valid");
    for number in 0..8 {
        registry.get_or_create(&number.to_string()).expect("room");
    }
    let router = router(&registry);
    let mut stream = Listening::begun(&router, "").await;
    let (weak, made): (WeakRegistry, Arc<AtomicU64>) = (registry.downgrade(), Arc::default());
    let (number, busy) = (made.clone(), AtomicBool::new(false));
    *clock.0.then.lock().expect("no panic") = Some(Box::new(move || {
        // Not for the looks that making one takes.
        if !busy.swap(true, Ordering::SeqCst) {
            let name = format!("new {}", number.load(Ordering::SeqCst));
            let new = weak.upgrade().expect("there").get_or_create(&name);
            number.fetch_add(u64::from(new.is_ok()), Ordering::SeqCst);
        }
    }));
    stream.until("update").await;
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

// L3
#[tokio::test(start_paused = true)]
async fn who_comes_back_is_told_what_it_has_missed() {
    let (registry, _) = registry(&["db"]);
    let router = router(&registry);
    let mut stream = Listening::begun(&router, "").await;
    happen(&registry, "db");
    let last = stream.until("event").await;
    drop(stream);
    for _ in 0..3 {
        happen(&registry, "db");
    }
    for (query, header) in [
        ("", last.id.clone()),
        (&*format!("?last_event_id={}", last.id.expect("one")), None),
    ] {
        let mut stream = Listening::to(&router, query, header.as_deref()).await;
        let told: Vec<_> = stream.now().into_iter().map(|it| it.event).collect();
        assert_eq!(told, ["", "circuits", "event", "event", "event"]);
    }
}

// L3: what another run of the service has told is not known here.
#[tokio::test(start_paused = true)]
async fn who_was_told_by_another_run_begins_anew() {
    let (registry, _) = registry(&["db"]);
    let router = router(&registry);
    let mut stream = Listening::begun(&router, "").await;
    happen(&registry, "db");
    let id = stream.until("event").await.id.expect("one");
    let (_, number) = id.split_once('.').expect("two parts");
    advance(SECOND).await;
    for last in [
        format!("0123456789abcdef.{number}"),
        "nonsense".to_owned(),
        format!("{id}0"),
    ] {
        let mut stream = Listening::to(&router, "", Some(&last)).await;
        let told: Vec<_> = stream.now().into_iter().map(|it| it.event).collect();
        assert_eq!(told, ["", "reset", "circuits"], "{last}");
    }
}

// L3
#[tokio::test(start_paused = true)]
async fn who_comes_back_too_late_begins_anew() {
    let (registry, _) = registry(&["db"]);
    let router = router(&registry);
    let mut stream = Listening::begun(&router, "").await;
    happen(&registry, "db");
    let last = stream.until("event").await.id;
    for _ in 0..600 {
        happen(&registry, "db");
    }
    advance(SECOND).await;
    let mut stream = Listening::to(&router, "", last.as_deref()).await;
    let told: Vec<_> = stream.now().into_iter().map(|it| it.event).collect();
    assert_eq!(told, ["", "reset", "circuits"]);
}

// L3: and nothing queues for it meanwhile.
#[tokio::test(start_paused = true)]
async fn who_reads_nothing_for_an_hour_is_told_how_many_events_it_has_lost() {
    let (registry, _) = registry(&["db"]);
    let router = router(&registry);
    for _ in 0..10 {
        happen(&registry, "db");
    }
    let mut slow = Listening::begun(&router, "").await;
    let mut other = Listening::begun(&router, "").await;
    for _ in 0..600 {
        happen(&registry, "db");
    }
    for _ in 0..3_600 {
        other.until("update").await;
    }
    let told = slow.now();
    assert_eq!(
        (&*told[0].event, &told[0].data),
        ("lagged", &json!({ "lost": 600 - 512 }))
    );
    assert_eq!(told[1].event, "circuits");
    assert_eq!(told[1].circuit("db").expect("there")["state"], "closed");
    let events = told[2..].iter().filter(|it| it.event == "event").count();
    assert_eq!((events, told.len()), (512, 514));
}

// L3: to whom no event was lost, the changes of an hour are told as what there is now.
#[tokio::test(start_paused = true)]
async fn who_has_missed_updates_is_told_of_every_circuit_again() {
    let (registry, _) = registry(&["db"]);
    let router = router(&registry);
    let mut slow = Listening::begun(&router, "").await;
    let mut other = Listening::begun(&router, "").await;
    for _ in 0..8 {
        other.until("update").await;
    }
    let told: Vec<_> = slow.now().into_iter().map(|it| it.event).collect();
    assert_eq!(told, ["update"; 8]);
    // Long enough for a sign of life, which it does not need.
    for _ in 0..11 {
        other.until("update").await;
    }
    let told: Vec<_> = slow.now().into_iter().map(|it| it.event).collect();
    assert_eq!(told, ["circuits"]);
}

// L3
#[tokio::test(start_paused = true)]
async fn a_stream_of_one_circuit_tells_of_that_alone() {
    let (registry, _) = registry(&["db", "mail"]);
    let router = router(&registry);
    let mut stream = Listening::to(&router, "?name=db", None).await;
    let list = stream.until("circuits").await;
    assert_eq!(list.data["circuits"].as_array().map(Vec::len), Some(1));
    let began = Instant::now();
    fail(&registry, "mail");
    // It has nothing to tell, but it is still there.
    let alive = stream.next().await.expect("no end");
    assert!(alive.comment && alive.event.is_empty());
    assert_eq!(began.elapsed(), SECOND * 10);
    assert!(stream.next().await.expect("no end").comment);
    assert_eq!(began.elapsed(), SECOND * 20);

    fail(&registry, "db");
    assert_eq!(stream.next().await.expect("no end").data["circuit"], "db");
    let update = stream.next().await.expect("no end");
    assert_eq!(
        (
            &*update.event,
            update.data["circuits"].as_array().map(Vec::len)
        ),
        ("update", Some(1))
    );
    registry.remove("db");
    assert_eq!(stream.until("event").await.data["kind"], "removed");
    assert_eq!(stream.until("update").await.data["gone"], json!(["db"]));

    for (query, status) in [("?name=dd", 404), ("?name=%ff", 400), ("?since_era=x", 400)] {
        let answer = get(&router, &format!("/stream{query}")).await;
        assert_eq!(answer.status, status, "{query}");
    }
}

// L3
#[tokio::test(start_paused = true)]
async fn a_stream_of_one_circuit_tells_of_a_change_without_a_call() {
    let (registry, _) = registry(&["db", "mail"]);
    let router = router(&registry);
    let mut stream = Listening::begun(&router, "?name=db").await;
    happen(&registry, "db");
    assert_eq!(stream.next().await.expect("no end").event, "event");
    let update = stream.next().await.expect("no end");
    assert_eq!(update.event, "update");
    let (shown, calls) = (update.circuit("db").expect("changed"), update.calls("db"));
    assert_eq!((&shown["mode"], calls), (&json!("forced_open"), None));
}

// L3
#[tokio::test(start_paused = true)]
async fn a_stream_of_one_circuit_resumes_by_its_era() {
    let (registry, _) = registry(&["db", "mail"]);
    let router = router(&registry);
    // Another circuit was in the same eras before.
    for name in ["mail", "db"] {
        (0..4).for_each(|_| happen(&registry, name));
    }
    let told = async |era: &str| {
        let mut stream = Listening::to(&router, &format!("?name=db&since_era={era}"), None).await;
        let messages = stream.now().into_iter();
        let eras = messages.map(|it| (it.event, it.data["era"].clone()));
        eras.skip(1).collect::<Vec<_>>()
    };
    let event = |era: u64| ("event".to_owned(), json!(era));
    let other = |event: &str| (event.to_owned(), Value::Null);
    assert_eq!(told("2").await, [other("circuits"), event(3), event(4)]);
    assert_eq!(told("4").await, [other("circuits")]);
    assert_eq!(told("7").await, [other("reset"), other("circuits")]);
    for _ in 0..512 {
        happen(&registry, "mail");
    }
    assert_eq!(told("2").await, [other("reset"), other("circuits")]);
}

// L3
#[tokio::test(start_paused = true)]
async fn there_are_no_more_streams_than_there_may_be() {
    let (registry, _) = registry(&["db"]);
    let router: Router = View::new(&registry).max_streams(2).router();
    let first = Listening::begun(&router, "").await;
    let _second = Listening::begun(&router, "").await;
    let refused = get(&router, "/stream").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers["retry-after"], "10");
    assert!(refused.json()["error"].is_string());
    drop(first);
    Listening::begun(&router, "").await;
    // Who asks only for the head has none.
    for _ in 0..3 {
        let head = ask(&router, "HEAD", "/stream").await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    }
    let post = ask(&router, "POST", "/stream").await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
}

// L3
#[tokio::test(start_paused = true)]
async fn who_has_read_nothing_for_a_minute_gives_way() {
    let (registry, _) = registry(&["db"]);
    let router: Router = View::new(&registry).max_streams(2).router();
    let mut idle = Listening::begun(&router, "").await;
    let mut reads = Listening::begun(&router, "").await;
    for _ in 0..59 {
        reads.until("update").await;
    }
    assert_eq!(
        ask_for_stream(&router, "", None).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    reads.until("update").await;
    let mut new = Listening::begun(&router, "").await;
    assert!(idle.next().await.is_none());
    reads.until("update").await;
    new.until("update").await;
    // Its place was given away already, and is not given back once more.
    drop(idle);
    assert_eq!(
        ask_for_stream(&router, "", None).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

// L3
#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_registry() {
    let (registry, _) = registry(&["db"]);
    let router = router(&registry);
    let mut stream = Listening::begun(&router, "").await;
    drop((router, registry));
    assert!(stream.next().await.is_none());
}

// L3: and not with its router, of which each connection may have had one of its own.
#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_when_its_router_is_gone() {
    let (registry, _) = registry(&["db"]);
    let mut stream = Listening::begun(&router(&registry), "").await;
    happen(&registry, "db");
    assert_eq!(stream.next().await.expect("no end").event, "event");
    assert_eq!(stream.next().await.expect("no end").event, "update");
}

// L3
#[tokio::test(start_paused = true)]
async fn streams_end_when_they_are_told() {
    let (registry, _) = registry(&["db"]);
    let stopping = Arc::new(AtomicBool::new(false));
    let stops = stopping.clone();
    let view = View::new(&registry).streams_end_when(move || stops.load(Ordering::SeqCst));
    let router: Router = view.router();
    let mut stream = Listening::begun(&router, "").await;
    stream.until("update").await;
    stopping.store(true, Ordering::SeqCst);
    let began = Instant::now();
    assert!(stream.next().await.is_none());
    assert!(began.elapsed() <= TICK);
}

// L3: whatever a name is, it stays within its line.
#[tokio::test(start_paused = true)]
async fn names_that_break_lines_break_no_message() {
    let name = "a\n\ndata: {}\r\n\u{2028}id: 7";
    let registry = Registry::builder().build().expect("valid");
    let router = router(&registry);
    let mut stream = Listening::begun(&router, "").await;
    registry.get_or_create(name).expect("room");
    let event = stream.next().await.expect("no end");
    assert_eq!(
        (&event.data["kind"], &event.data["circuit"]),
        (&json!("added"), &json!(name))
    );
    assert!(stream.until("update").await.circuit(name).is_some());
}
