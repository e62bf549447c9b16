//! N8: the rights that the documentation gives are enough, and no more than what is needed; and a login that was
//! refused is tried again. (The library's own connection manager stays dead after one.)

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;
use tower_breaker::fleet::wire::{Key, Stamp};
use tower_breaker_redis::{ACL, Redis};

use crate::support::{
    asked::{outage, poll, propose, report},
    handle::Instance,
    instances::{SOON, all, is_attached, is_closed, is_forced, is_open, start_all, within},
    server::{Reply, Server},
    upstream::{Answers, Upstream},
};

const USER: &str = "breaker";
const PASSWORD: &str = "pass word?";
/// As the URL has it.
const ESCAPED: &str = "pass%20word%3F";

fn grant(server: &Server) {
    let password = format!(">{PASSWORD}");
    let mut words = vec!["ACL", "SETUSER", USER, "reset", "on", &password];
    words.extend(ACL.split_whitespace());
    server.tell(&words);
}

/// But for what the library says of itself, which a server that knows it may refuse.
fn denied(server: &Server) -> Vec<String> {
    let mut denied = server.denied();
    denied.retain(|entry| !entry.contains("setinfo"));
    denied
}

fn is_refused(state: &Value) -> bool {
    state["fleet"]["attached"] == false && state["fleet"]["why"] == "refused"
}

#[test]
fn the_rights_are_those_that_the_guide_gives() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let guide = std::fs::read_to_string(format!("{root}/src/guide/fleet.md")).expect("a guide");
    let words: Vec<&str> = guide.split_whitespace().collect();
    let rights: Vec<&str> = ACL.split_whitespace().collect();
    assert!(
        words.windows(rights.len()).any(|words| words == rights),
        "the guide gives others than {ACL}"
    );
}

// N8: everything that a circuit does in its life: reports, opens, probes, closes, is forced open, released, reset.
#[tokio::test(flavor = "multi_thread")]
async fn the_rights_are_enough_for_all_that_circuits_do() {
    let server = Server::start();
    grant(&server);
    server.tell(&["ACL", "LOG", "RESET"]);
    let upstream = Upstream::start().await.expect("a port");
    let url = server.url_of(USER, ESCAPED);
    let instances = start_all(2, &upstream, &url, 5.0);
    all(&instances, "attached", is_attached).await;

    upstream.set(Answers::Fails);
    all(&instances, "open", is_open).await;
    upstream.set(Answers::Ok);
    all(&instances, "closed", is_closed).await;
    instances[0].tell("force");
    all(&instances, "forced open", is_forced).await;
    instances[1].tell("release");
    all(&instances, "released", is_closed).await;
    instances[1].tell("reset");
    heard(&instances[1], 2).await;
    assert_eq!(denied(&server), Vec::<String>::new());
}

async fn heard(instance: &Instance, answers: usize) {
    within(SOON, "an act is answered", async || {
        let lines = instance.lines();
        let heard = lines
            .iter()
            .filter(|line| line.get("heard").is_some())
            .count();
        if heard >= answers {
            Ok(())
        } else {
            Err(format!("{lines:?}"))
        }
    })
    .await;
}

// Each of them, by what is denied without it.
#[tokio::test(flavor = "multi_thread")]
async fn each_right_is_needed_by_something() {
    let server = Server::start();
    let commands = ACL
        .split_whitespace()
        .filter_map(|right| right.strip_prefix('+'));
    // The first two are sent by somebody else: see there. This server answers a `HELLO` to whoever comes.
    let others = ["client|setname", "ping", "hello"];
    for command in commands.filter(|command| !others.contains(command)) {
        server.tell(&["FLUSHALL"]);
        // Else the script would be known, and not be sent.
        server.tell(&["SCRIPT", "FLUSH"]);
        grant(&server);
        server.tell(&["ACL", "SETUSER", USER, &format!("-{command}")]);
        server.tell(&["ACL", "LOG", "RESET"]);
        live(&server).await;
        let denied = server.denied();
        let is_denied = denied
            .iter()
            .any(|entry| entry.contains(&format!("Text({command:?})")));
        assert!(is_denied, "{command} is not needed: {denied:?}");
    }
    server.tell(&["SCRIPT", "FLUSH"]);
    grant(&server);
    server.tell(&["ACL", "LOG", "RESET"]);
    live(&server).await;
    assert_eq!(denied(&server), Vec::<String>::new());
}

/// Everything that a store is asked to do, whatever it answers: instances come, report and go, and there is an outage.
async fn live(server: &Server) {
    let redis = Redis::new(&server.url_of(USER, ESCAPED)).expect("a URL");
    let (name, window) = (Key::of("payments"), Duration::from_millis(20));
    for instance in 0..20 {
        drop(report(&redis, instance, &name, Stamp::default(), window).await);
    }
    sleep(3 * window).await;
    drop(report(&redis, 0, &name, Stamp::default(), window).await);
    drop(poll(&redis).await);
    let mut stamp = Stamp::default();
    for what in outage() {
        if let Ok(decided) = propose(&redis, 1, &name, stamp, what).await {
            stamp = decided.standing.stamp;
        }
    }
    drop(poll(&redis).await);
}

#[test]
fn what_is_not_needed_is_refused() {
    let server = Server::start();
    grant(&server);
    for words in [
        &["GET", "{tb1:shop::0}:s:payments"][..],
        &["SET", "{tb1:shop::0}:s:payments", "x"],
        &["HSET", "{tb1:other::0}:s:payments", "S", "x"],
        &["PUBLISH", "elsewhere", "x"],
        &["KEYS", "*"],
        &["FLUSHALL"],
        &["CONFIG", "GET", "*"],
        &["SCRIPT", "LOAD", "return 1"],
        &[
            "EVAL",
            "return redis.call('HGETALL', KEYS[1])",
            "1",
            "{tb1:other::0}:s:payments",
        ],
    ] {
        let reply = server.ask_as(USER, PASSWORD, words);
        assert!(
            matches!(&reply, Reply::Error(error) if error.contains("NOPERM")),
            "{words:?}: {reply:?}"
        );
    }
}

// N7, N9: the trap of the library's manager, which never connects again.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_was_refused_is_tried_until_it_is_granted() {
    let server = Server::start();
    let upstream = Upstream::start().await.expect("a port");
    let instances = start_all(2, &upstream, &server.url_of(USER, ESCAPED), 5.0);
    all(&instances, "refused", is_refused).await;
    all(&instances, "calls go on", |state| {
        state["ok"].as_u64() > Some(5)
    })
    .await;
    grant(&server);
    all(&instances, "attached", is_attached).await;
}

// N7: rights that are taken away while all is well; and, later, a user that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn rights_may_be_taken_away_and_given_back() {
    let server = Server::start();
    grant(&server);
    let upstream = Upstream::start().await.expect("a port");
    let instances = start_all(2, &upstream, &server.url_of(USER, ESCAPED), 5.0);
    all(&instances, "attached", is_attached).await;
    server.tell(&["ACL", "SETUSER", USER, "-evalsha", "-eval"]);
    all(&instances, "refused", is_refused).await;
    grant(&server);
    all(&instances, "attached again", is_attached).await;

    server.tell(&["ACL", "DELUSER", USER]);
    all(&instances, "refused once more", is_refused).await;
    grant(&server);
    all(&instances, "attached once more", is_attached).await;
}

// N7: the password is in nothing that anybody reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_in_no_text() {
    let server = Server::start();
    let store = Redis::new(&server.url_of(USER, ESCAPED)).expect("a URL");
    let text = format!("{store:?}");
    assert!(!text.contains("pass"), "{text}");
    for wrong in [
        format!("redis://{USER}:{ESCAPED}@"),
        format!("http://{USER}:{ESCAPED}@host"),
    ] {
        let error = Redis::new(&wrong).expect_err("no URL");
        assert!(!format!("{error} {error:?}").contains("pass"), "{error:?}");
    }
}
