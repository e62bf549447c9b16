//! That reports say what happened, do no harm, and are the same for the same seed.

use std::time::Duration;

use tower_breaker_lab::{Candidate, Report, Scenario, Throttle};

fn report(text: &str, mut candidates: Vec<Candidate>) -> Report {
    let scenario = Scenario::from_toml(text).unwrap_or_else(|error| panic!("{error}"));
    Report::new(&scenario, text, &mut candidates, &mut |_, _| {})
}

fn of_settings(text: &str, settings: &str) -> Report {
    let candidates = Candidate::from_toml(settings).unwrap_or_else(|error| panic!("{error}"));
    report(text, candidates)
}

const OUTAGE: &str = r#"
    callers = { rate = 50 }
    dependency = { latency = { mean = "20ms" } }
    phases = [{ for = "20s" }, { for = "20s", errors = "100%" }, { for = "30s" }]
"#;

const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onload='alert(1)",
    "]]>&amp;&#0;<!--",
    "\u{0}\u{1b}[31m\u{7f}\u{fffe}\r\n",
    "\u{202e}\u{61c}txt.exe | **bold** `code`",
    "",
];

fn hostile() -> Report {
    let long = "very long ".repeat(1_000);
    let names = HOSTILE.into_iter().chain([long.as_str()]);
    let throttle = |name: &str| Throttle::new(name, 2.0, Duration::from_secs(10));
    let candidates = names
        .enumerate()
        .map(|(at, name)| Candidate::new(throttle(name), *HOSTILE.get(at).unwrap_or(&"long")))
        .collect();
    let text = format!("name = '''{}'''\n# ]]></pre><script>\n{OUTAGE}", HOSTILE[1]);
    report(&text, candidates)
}

/// The elements of what has to be well-formed.
fn elements(xml: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(xml).unwrap_or_else(|error| panic!("{error}"));
    let elements = document.descendants().filter(roxmltree::Node::is_element);
    elements
        .map(|element| element.tag_name().name().to_owned())
        .collect()
}

fn html(report: &Report) -> String {
    let html = report.html();
    html.strip_prefix("<!DOCTYPE html>\n")
        .expect("it begins so")
        .to_owned()
}

#[test]
fn hostile_names_are_text_in_pictures_and_pages() {
    let report = hostile();
    for xml in [report.svg(), html(&report)] {
        for element in elements(&xml) {
            let is_harmless = !["script", "img", "i", "a", "object"].contains(&element.as_str());
            assert!(is_harmless, "<{element}>");
        }
        let document = roxmltree::Document::parse(&xml).expect("parsed above");
        for attribute in document.descendants().flat_map(|node| node.attributes()) {
            assert!(!attribute.name().starts_with("on"), "{attribute:?}");
        }
        assert!(xml.contains("&lt;script&gt;alert(1)"), "it is shown");
        assert!(!xml.contains([
            '\u{0}', '\u{1b}', '\u{7f}', '\u{202e}', '\u{61c}', '\u{fffe}', '\r'
        ]));
        assert!(!xml.contains(&"very long ".repeat(21)));
    }
    // What is drawn has less room.
    let svg = report.svg();
    let document = roxmltree::Document::parse(&svg).expect("parsed above");
    let drawn = document
        .descendants()
        .filter(|it| it.tag_name().name() == "text");
    let names: Vec<_> = drawn
        .filter_map(|it| it.text())
        .filter(|it| it.contains("very long "))
        .collect();
    assert!(!names.is_empty());
    assert!(
        names.iter().all(|it| !it.contains(&"very long ".repeat(7))),
        "{names:?}"
    );
}

#[test]
fn hostile_names_steer_no_terminal_and_end_no_cell() {
    let report = hostile();
    assert!(
        !report
            .table()
            .contains(['\u{0}', '\u{1b}', '\u{7f}', '\u{202e}', '\u{61c}', '\r'])
    );
    let rows = report.markdown();
    let rows = rows.lines().filter(|line| line.starts_with('|'));
    for row in rows {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 11, "{row}");
        assert!(!row.contains("<script>"));
    }
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let page = of_settings(OUTAGE, "[circuits.a]").html();
    let without_names = page.replace("http://www.w3.org/2000/svg", "");
    for loads in [
        "http:", "https:", "url(", "@import", "<script", "<link", "src=", "href=",
    ] {
        assert!(!without_names.contains(loads), "{loads}");
    }
}

#[test]
fn a_page_tells_how_to_run_it_again() {
    let text = format!("name = \"gone\"\nseed = 77\n{OUTAGE}");
    let page = of_settings(&text, "[circuits.a]\nfailure_rate = 0.3").html();
    for part in [
        "<title>gone</title>",
        "seed 77",
        "seed = 77",
        ".failure_rate(0.3)",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains(concat!("breaker-lab ", env!("CARGO_PKG_VERSION"))));
    assert!(
        page.contains("phases = [{ for = &quot;20s&quot; }"),
        "the scenario itself"
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let outputs = |seed: u64| {
        let text = format!("seed = {seed}\n{OUTAGE}");
        let report = of_settings(
            &text,
            "[circuits.a]\n[circuits.b]\nconsecutive_failures = 3",
        );
        [
            report.table(),
            report.markdown(),
            report.svg(),
            report.html(),
            report.json(),
        ]
    };
    let first = outputs(1);
    assert_eq!(first, outputs(1));
    for (one, other) in first.iter().zip(outputs(2)) {
        assert_ne!(*one, other);
    }
}

#[test]
fn a_picture_of_many_steps_is_as_small_as_any() {
    let text = r#"
        step = "100ms"
        callers = { rate = 2 }
        dependency = { latency = { mean = "20ms" } }
        phases = [{ for = "30m" }, { for = "30m", errors = "100%" }]
    "#;
    let report = of_settings(text, "[circuits.a]");
    assert_eq!(report.entries()[0].run.steps.len(), 36_000);
    let svg = report.svg();
    assert!(svg.len() < 100_000, "{} bytes", svg.len());
    let line = svg
        .lines()
        .find(|line| line.contains("path class=\"bl-offered\""));
    assert_eq!(line.expect("a line").matches('H').count(), 600);
}

#[test]
fn a_picture_shows_what_was_counted() {
    let svg = of_settings(OUTAGE, "[circuits.a]").svg();
    let classes = ["ok", "failed", "rejected", "open", "load", "offered"];
    for class in classes {
        assert!(
            svg.contains(&format!("<path class=\"bl-{class}\"")),
            "{class}"
        );
    }
    // From 20 to 40 of 70 seconds, over a width of 864.
    assert!(
        svg.contains("<rect class=\"bl-outage\" x=\"318.9\" y=\"98\" width=\"246.9\""),
        "{svg}"
    );
}

/// It refuses 60 % of its calls while 80 % fail.
const SHEDS: &str = "shed = { multiplier = 2, floor = \"10%\" }\nfailure_rate = \"off\"";

/// What is between these two, once.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in:\n{text}"));
    rest.split_once(after).expect("it ends").0
}

#[test]
fn a_picture_shows_the_share_that_a_closed_circuit_sheds() {
    let text = OUTAGE.replace("100%", "80%");
    let report = of_settings(&text, &format!("[circuits.a]\n{SHEDS}"));
    let most = report.entries()[0]
        .run
        .steps
        .iter()
        .map(|step| step.shed)
        .max();
    let most = most.expect("steps");
    assert!((600_000..800_000).contains(&most), "{most}");
    // 22 high from 352 up, and the highest of it at that share.
    let svg = report.svg();
    let highest = 352.0 - 22.0 * most as f64 / 1e6;
    let path = between(&svg, "<path class=\"bl-shed\" d=\"", "\"");
    assert!(
        path.contains(&format!("V{highest:.1}H")),
        "{highest} in {path}"
    );
    assert!(!svg.contains("<path class=\"bl-open\""), "it never opens");
    // In words, as a description and to be read, with a legend.
    let words = format!(
        "closed circuits shed up to {:.1} % of all calls<",
        most as f64 / 1e4
    );
    assert_eq!(svg.matches(&words).count(), 2, "{words}");
    assert!(svg.contains(&format!("<desc>{words}/desc>")));
    assert!(svg.contains(">share shed</text>"));
    assert!(html(&report).contains(&words));
    elements(&svg);
    let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
    let shares = json["breakers"][0]["shed_share"]
        .as_array()
        .expect("shares");
    assert_eq!(shares.len(), 70);
    assert!(shares.contains(&(most as f64 / 1e6).into()));
}

/// Three quarters of the circuits may be closed, and one of them sheds: it is a share of all of them.
#[test]
fn a_share_that_is_shed_is_of_all_circuits() {
    let text = format!("instances = 4\n{}", OUTAGE.replace("100%", "80%"));
    let report = of_settings(&text, &format!("[circuits.a]\n{SHEDS}"));
    let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
    let shares = json["breakers"][0]["shed_share"]
        .as_array()
        .expect("shares")
        .iter();
    let most = shares
        .filter_map(serde_json::Value::as_f64)
        .fold(0.0, f64::max);
    assert!((0.5..0.8).contains(&most), "{most}");
    let words = format!("shed up to {:.1} % of all calls<", most * 100.0);
    assert!(report.svg().contains(&words), "{words}");
}

#[test]
fn a_picture_without_shedding_has_no_word_of_it() {
    let report = of_settings(OUTAGE, &format!("[circuits.a]\n{SHEDS}\n[circuits.b]"));
    let svg = report.svg();
    // What is before the first one, and the file itself, are no pictures.
    let pictures = svg.split("<svg xmlns").skip(2);
    let have: Vec<_> = pictures.map(|picture| picture.contains("shed")).collect();
    assert_eq!(have, [true, false]);
    let alone = of_settings(OUTAGE, "[circuits.b]");
    assert!(!alone.html().contains("shed") && !alone.json().contains("shed"));
}

#[test]
fn json_has_all_counts_and_changes() {
    let report = of_settings(OUTAGE, "[circuits.a]");
    let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
    let (breaker, run) = (&json["breakers"][0], &report.entries()[0].run);
    assert_eq!(breaker["name"], "a");
    assert_eq!(
        breaker["steps"]["offered"].as_array().map(Vec::len),
        Some(run.steps.len())
    );
    assert_eq!(breaker["total"]["lost"], run.total().lost);
    assert_eq!(
        breaker["changes"].as_array().map(Vec::len),
        Some(run.changes.len())
    );
    assert_eq!(breaker["changes"][0]["to"], "open");
    assert_eq!(json["scenario"]["outage"], serde_json::json!([20.0, 40.0]));
    assert_eq!(json["scenario"]["seed"], 1);
}

/// What a report says of the breaker `a`.
fn advice(text: &str, settings: &str) -> Vec<String> {
    of_settings(text, &format!("[circuits.a]\n{settings}")).advice()
}

#[track_caller]
fn says(text: &str, settings: &str, sentence: &str) {
    let advice = advice(text, settings);
    assert!(advice.iter().any(|said| said == sentence), "{advice:#?}");
}

/// 100 calls a second, of which so many fail on a quiet day, and then this phase.
fn with(errors: &str, phase: &str) -> String {
    format!(
        "callers = {{ rate = 100 }}
         dependency = {{ latency = {{ mean = \"10ms\" }}, errors = \"{errors}\" }}
         phases = [{{ for = \"20s\" }}, {{ for = \"20s\", {phase} }}, {{ for = \"20s\" }}]"
    )
}

#[test]
fn it_says_how_often_failures_in_a_row_come_about() {
    says(
        &with("5%", "errors = \"5%\""),
        "consecutive_failures = 3",
        "a: at 5 % background errors, 3 in a row trips every 84.2 s at 100 calls/s.",
    );
    let advice = advice(&with("0%", "errors = \"5%\""), "consecutive_failures = 3");
    assert!(
        !advice.iter().any(|said| said.contains("in a row")),
        "{advice:#?}"
    );
}

#[test]
fn it_says_what_was_lost_and_spared() {
    let text = with("0%", "errors = \"100%\"");
    says(
        &text,
        "",
        "a lost 1,063 calls that would have succeeded (18.1 % of all).",
    );
    says(
        &text,
        "",
        "a spared the dependency 97.3 % of the calls in the outage.",
    );
}

#[test]
fn it_says_why_a_breaker_never_opened() {
    says(
        &with("0%", "errors = \"20%\""),
        "",
        "a never opened in the outage, although 19.2 % of the calls failed: its `failure_rate` is 50 %.",
    );
    says(
        &with("0%", "errors = \"100%\""),
        "consecutive_failures = 10000",
        "a never opened in the outage, although 99.8 % of the calls failed.",
    );
    let callers = "rate = 100, slow_after = \"1s\"";
    let slow = with("0%", "slower_by = \"2s\"").replace("rate = 100", callers);
    says(
        &slow,
        "",
        "a never opened in the outage, although 99.8 % of the calls were slow: it has no `slow_call_rate`.",
    );
    says(
        &slow,
        "slow_call_duration = \"5s\"\nslow_call_rate = \"50%\"",
        "a never opened in the outage, although 99.8 % of the calls were slow: its `slow_call_rate` is 50 %.",
    );
    says(
        &with("0%", "hangs = true"),
        "",
        "a never opened in the outage: calls hang, and nobody gives up on them, so that it learns of none; \
         set a `call_timeout`.",
    );
}

#[test]
fn it_says_what_is_refused_of_a_partial_outage() {
    says(
        &with("0%", "errors = \"60%\""),
        "",
        "a refused good calls of a partial outage: 1.95 % of the calls succeeded with it, and 39.7 % without a \
         breaker.",
    );
}

#[test]
fn it_says_that_a_circuit_that_sheds_has_opened() {
    let text = with("0%", "errors = \"80%\"");
    let shed = "shed = { multiplier = 1.5, floor = \"10%\" }";
    says(
        &text,
        shed,
        "a sheds, and opened all the same, once in the outage: 81.0 % of the calls failed without it, and its \
         `failure_rate` is 50 %. While it is open, it refuses all calls.",
    );
    says(
        &text,
        &format!("{shed}\nfailure_rate = \"off\"\nconsecutive_failures = 10"),
        "a sheds, and opened all the same, once in the outage: 81.0 % of the calls failed without it, and 10 failures \
         in a row open it. While it is open, it refuses all calls.",
    );
    for fine in [SHEDS, ""] {
        let advice = advice(&text, fine);
        assert!(
            !advice
                .iter()
                .any(|said| said.contains("opened all the same")),
            "{advice:#?}"
        );
    }
}

#[test]
fn it_says_how_long_callers_were_kept_out() {
    let text = with("0%", "errors = \"100%\"");
    says(
        &text,
        "open_for = \"15s\"",
        "The longest break of a kept callers out for 10.6 s after the end of the outage.",
    );
    says(
        &text,
        "open_for = \"1m\"",
        "a was not closed at the end of the run, 20 s after the outage.",
    );
    says(
        &format!("instances = 3\n{text}"),
        "open_for = \"1m\"",
        "3 of the 3 circuits of a were not closed at the end of the run, 20 s after the outage.",
    );
}

/// Clients that give up sooner call sooner again.
#[test]
fn it_says_that_the_dependency_got_more() {
    let callers = "clients = 2, timeout = \"1s\"";
    says(
        &with("0%", "hangs = true").replace("rate = 100", callers),
        "call_timeout = \"100ms\"\nconsecutive_failures = 10000",
        "a gave the dependency 892.5 % more calls in the outage.",
    );
}

#[test]
fn it_says_what_probes_hold_of_workers() {
    let callers = "rate = 100, workers = 20, timeout = \"1s\"";
    says(
        &with("0%", "hangs = true").replace("rate = 100", callers),
        "open_for = \"5s\"",
        "While the dependency hangs, probes of a hold a worker for 16.7 % of the time, for each circuit: \
         a probe takes 1 s, and a break 5 s.",
    );
}

/// They are in no other share, and the table must not look as if all were well.
#[test]
fn it_says_which_calls_found_no_worker() {
    let callers = "rate = 100, workers = 2, patience = \"100ms\", timeout = \"1s\"";
    let text = with("0%", "hangs = true").replace("rate = 100", callers);
    let settings = "consecutive_failures = 10000";
    says(
        &text,
        settings,
        "With a, 1,901 calls found no free worker in time (32.3 % of all).",
    );
    let report = of_settings(&text, &format!("[circuits.a]\n{settings}"));
    for table in [report.table(), report.markdown(), report.html()] {
        assert!(
            table.contains("not made") && table.contains("32.3 %"),
            "{table}"
        );
    }
    let report = of_settings(&with("0%", "hangs = true"), "[circuits.a]");
    assert!(!report.table().contains("not made"));
}

/// What came of the dependency itself shows in no other column.
#[test]
fn it_says_which_calls_the_cache_has_answered() {
    let cache =
        "latency = { mean = \"10ms\" }, cache = { entries = 10, alpha = 0, lifetime = \"1h\" }";
    let text = with("0%", "hangs = true").replace("latency = { mean = \"10ms\" }", cache);
    let report = of_settings(&text, "[circuits.a]");
    for table in [report.table(), report.markdown(), report.html()] {
        assert!(table.contains("cached: answered by the cache"), "{table}");
    }
    let report = of_settings(&with("0%", "hangs = true"), "[circuits.a]");
    assert!(!report.table().contains("cached"));
}

#[test]
fn it_says_how_often_a_circuit_opened_for_nothing() {
    says(
        &with("40%", "errors = \"100%\""),
        "consecutive_failures = 3\nopen_for = \"1s\"",
        "a opened 25 times while nothing was wrong: 54,000 times a day for each circuit.",
    );
}

#[test]
fn it_says_what_the_lints_of_the_crate_say() {
    says(
        &with("0%", "errors = \"100%\"").replace("rate = 100", "rate = 1"),
        "time_window = \"10s\"",
        "a: a `time_window` of 10s holds 10 calls at 1 call a second, and rates count from `minimum_calls` of 20 on; \
         take a `time_window` of at least 20s, or at most 10 as `minimum_calls` [window-never-fills].",
    );
}

#[test]
fn it_says_what_the_lab_does_not_do() {
    says(
        &with("0%", "errors = \"100%\""),
        "bulkhead = { places = 10 }\nretries = { at_most = 3 }",
        "a: the lab does not act on `bulkhead`, `retries`.",
    );
}

#[test]
fn a_run_says_how_far_it_is_at_each_step() {
    let scenario = Scenario::from_toml(OUTAGE).unwrap_or_else(|error| panic!("{error}"));
    let mut candidates = [Candidate::built_in("defaults").expect("it is there")];
    let mut told = Vec::new();
    let mut hear = |name: &str, now: Duration| told.push((name.to_owned(), now.as_secs()));
    drop(Report::new(&scenario, OUTAGE, &mut candidates, &mut hear));
    // The run without a breaker comes after those that were asked for.
    let expected = ["defaults", "none"].map(|name| (0..70).map(move |at| (name.to_owned(), at)));
    assert_eq!(told, expected.into_iter().flatten().collect::<Vec<_>>());
}

/// A dependency that gets no call of either is spared none.
#[test]
fn without_calls_nothing_is_spared() {
    for (rate, phases) in [
        // No call at all, and none in the outage.
        (
            "0.000001",
            r#"{ for = "2s" }, { for = "2s", errors = "100%" }"#,
        ),
        (
            "0.5",
            r#"{ for = "20s" }, { for = "1ms", errors = "100%" }, { for = "20s" }"#,
        ),
        // An outage in which no step begins.
        (
            "50",
            r#"{ for = "10200ms" }, { for = "500ms", errors = "100%" }, { for = "10s" }"#,
        ),
    ] {
        let text = format!(
            "callers = {{ rate = {rate} }}\ndependency = {{ latency = {{ mean = '1ms' }} }}\nphases = [{phases}]\n"
        );
        let candidates =
            ["none", "defaults"].map(|name| Candidate::built_in(name).expect("it is there"));
        let report = report(&text, candidates.into());
        for entry in report.entries() {
            assert_eq!(entry.summary.spared(report.none()), 0.0, "{text}");
        }
        let advice = report.advice();
        assert!(!advice.iter().any(|it| it.contains("spared")), "{advice:?}");
    }
}
