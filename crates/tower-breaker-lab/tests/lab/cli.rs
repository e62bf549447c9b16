//! The command itself: what it prints and writes, and how it ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const OUTAGE: &str = "\
callers = { rate = 50 }
dependency = { latency = { mean = \"20ms\" } }
phases = [{ for = \"20s\" }, { for = \"20s\", errors = \"100%\" }, { for = \"30s\" }]
";
const SETTINGS: &str = "\
[circuits.zebra]
consecutive_failures = 3

[circuits.ape]
failure_rate = \"30%\"
";

/// A directory of one test's own.
fn directory(test: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join("outage.toml"), OUTAGE).expect("a file");
    fs::write(directory.join("settings.toml"), SETTINGS).expect("a file");
    directory
}

fn lab(directory: &Path, arguments: &[&str]) -> Output {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_breaker-lab"));
    lab.current_dir(directory).args(arguments);
    lab.output().expect("it starts")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// What is printed, of a command that is fine.
#[track_caller]
fn fine(directory: &Path, arguments: &[&str]) -> String {
    let output = lab(directory, arguments);
    assert_eq!((code(&output), err(&output).as_str()), (Some(0), ""));
    out(&output)
}

/// What is told, of a command that is refused.
#[track_caller]
fn refused(directory: &Path, arguments: &[&str]) -> String {
    let output = lab(directory, arguments);
    assert_eq!((code(&output), out(&output).as_str()), (Some(2), ""));
    err(&output)
}

#[track_caller]
fn has(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in:\n{text}");
}

#[test]
fn a_run_prints_one_row_for_each_breaker() {
    let directory = directory("rows");
    let printed = fine(
        &directory,
        &["run", "outage.toml", "--settings", "settings.toml"],
    );
    let names = printed
        .lines()
        .map(|line| line.split(' ').next().unwrap_or(""));
    let names: Vec<_> = names.take(6).collect();
    // Those of the file in its order.
    assert_eq!(
        names,
        ["breaker", "none", "defaults", "throttle", "zebra", "ape"]
    );
    has(&printed, "\n* zebra lost ");
}

#[test]
fn it_is_compared_with_none_even_if_that_is_not_asked_for() {
    let directory = directory("none");
    let of = |against| {
        fine(
            &directory,
            &["run", "outage.toml", "--against", against, "--markdown"],
        )
    };
    let (alone, beside) = (of("defaults"), of("none,defaults"));
    let row = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("| defaults"))
            .map(str::to_owned)
    };
    assert_eq!(row(&alone), row(&beside));
    assert!(!alone.contains("| none") && beside.contains("| none"));
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let directory = directory("bytes");
    let written = |seed: &str| {
        let arguments = [
            "run",
            "outage.toml",
            "--settings",
            "settings.toml",
            "--seed",
            seed,
        ];
        let files = ["--html", "a.html", "--svg", "a.svg", "--json", "a.json"];
        let printed = fine(&directory, &[&arguments[..], &files[..]].concat());
        let read = |name| fs::read_to_string(directory.join(name)).expect("written");
        [printed, read("a.html"), read("a.svg"), read("a.json")]
    };
    let first = written("7");
    assert_eq!(first, written("7"));
    for (one, other) in first.iter().zip(written("8")) {
        assert_ne!(*one, other);
    }
    // Even if the scenario has another.
    has(&first[1], "seed 7.");
}

#[test]
fn json_on_the_standard_output_has_nothing_beside_it() {
    let directory = directory("json");
    let printed = fine(&directory, &["run", "outage.toml", "--json", "-"]);
    let json: serde_json::Value = serde_json::from_str(&printed).expect("JSON alone");
    assert_eq!(json["breakers"].as_array().map(Vec::len), Some(3));
}

#[test]
fn the_exit_code_tells_whether_a_condition_holds() {
    let directory = directory("codes");
    let run = |condition| lab(&directory, &["run", "outage.toml", "--fail-if", condition]);
    let holds = run("defaults: rejected > 1%");
    assert_eq!(code(&holds), Some(1));
    assert_eq!(
        err(&holds),
        "condition holds: defaults: rejected > 1%: defaults: rejected is 41.8 %\n"
    );
    has(&out(&holds), "breaker");
    for fine in [
        "defaults: rejected > 99%",
        "none: rejected > 0",
        "*: succeeded < 0.1",
        "defaults: to_trip >= 5s",
        "defaults: false_trips_a_day > 0",
    ] {
        assert_eq!(code(&run(fine)), Some(0), "{fine}");
    }
    for holds in [
        "*: failed>=0.1%",
        "none: to_trip > 1h",
        "defaults: to_recover < 1m 30s",
        "defaults: spared <= 100 %",
        "defaults: spared > -10%",
        "defaults: probes >= 1",
    ] {
        assert_eq!(code(&run(holds)), Some(1), "{holds}");
    }
}

#[test]
fn a_condition_that_makes_no_sense_is_shown_with_its_column() {
    let directory = directory("conditions");
    let refused = |condition| refused(&directory, &["run", "outage.toml", "--fail-if", condition]);
    has(
        &refused("a: lots > 1%"),
        "column 4: `lots` is no field; there are: succeeded, cached, failed, rejected, not_made, lost, ",
    );
    has(&refused("a: lots > 1%"), "\n  a: lots > 1%\n     ^\n");
    has(
        &refused("a: lost = 1%"),
        "column 9: must be one of: >, >=, <, <=",
    );
    has(
        &refused("a: lost > much"),
        "column 11: must be a share of at most 100 %, such as `1%` or `0.01`",
    );
    // `10` is ten times all calls. Such a check would pass whatever happens.
    for never in ["a: lost > 10", "a: lost > 100.1%"] {
        has(
            &refused(never),
            "column 11: must be a share of at most 100 %",
        );
    }
    has(
        &refused("a: to_trip > 5"),
        "column 14: must be a time, such as `500ms` or `1m 30s`",
    );
    has(
        &refused("a: probes > 5s"),
        "column 13: must be a number, such as `10` or `0.5`",
    );
    has(&refused("ä: : lots > 1"), "column 6: `lots`");
    has(
        &refused("lost > 1%"),
        "column 1: write CONTENDER: FIELD OPERATOR VALUE",
    );
    has(&refused(": lost > 1%"), "column 1: a name is missing");
    has(
        &refused("a: lost > 1%"),
        "there is no \"a\"; there are: none, defaults, throttle",
    );
}

#[test]
fn a_condition_of_an_outage_needs_one() {
    let directory = directory("quiet");
    fs::write(
        directory.join("quiet.toml"),
        OUTAGE.replace(", errors = \"100%\"", ""),
    )
    .expect("a file");
    let error = refused(
        &directory,
        &["run", "quiet.toml", "--fail-if", "*: to_trip > 1s"],
    );
    has(&error, "to_trip says nothing here: no phase is an outage");
}

#[test]
fn what_is_wrong_in_a_file_is_shown_with_its_line_and_column() {
    let directory = directory("files");
    let write = |name: &str, text: &str| fs::write(directory.join(name), text).expect("a file");
    write("bad.toml", &OUTAGE.replace("100%", "200%"));
    has(
        &refused(&directory, &["run", "bad.toml"]),
        "bad.toml: TOML parse error at line 3, column 52",
    );
    let run = ["run", "outage.toml", "--settings", "bad.toml"];
    write(
        "bad.toml",
        &SETTINGS.replace("30%", "300%").replace("= 3\n", "= 0\n"),
    );
    let error = refused(&directory, &run);
    has(&error, "TOML parse error at line 2, column 24");
    has(&error, "bad.toml: TOML parse error at line 5, column 16");
    has(
        &error,
        "circuits.ape.failure_rate: \"300%\", but must be a share above 0 and at most 1",
    );
    write("bad.toml", "[defaults]\n");
    has(&refused(&directory, &run), "there are no `circuits`");
    write("bad.toml", "[circuits\n");
    has(
        &refused(&directory, &run),
        "TOML parse error at line 1, column 10",
    );
    has(
        &refused(&directory, &["run", "nowhere.toml"]),
        "nowhere.toml: ",
    );
    let into = ["run", "outage.toml", "--svg", "nowhere/a.svg"];
    assert_eq!(code(&lab(&directory, &into)), Some(2));
}

#[test]
fn names_are_there_once() {
    let directory = directory("names");
    let refused_of = |name: &str, against| {
        let file = format!("[circuits.{name}]\n");
        fs::write(directory.join("names.toml"), file).expect("a file");
        let run = [
            "run",
            "outage.toml",
            "--settings",
            "names.toml",
            "--against",
            against,
        ];
        refused(&directory, &run)
    };
    has(
        &refused_of("defaults", "none,defaults"),
        "\"defaults\" is there twice",
    );
    has(&refused_of("a", "none,none"), "\"none\" is there twice");
    has(
        &refused_of("none", "defaults"),
        "`none` is the run without a breaker",
    );
    let error = refused_of("a", "nine");
    has(
        &error,
        "--against: \"nine\" is not known; there are: none, defaults, throttle",
    );
}

#[test]
fn a_grid_is_checked_by_the_reader_of_the_crate() {
    let directory = directory("grid");
    let run = |grid: &[&str]| {
        let grid = grid.iter().flat_map(|axis| ["--grid", axis]);
        let arguments: Vec<_> = ["run", "outage.toml", "--against", "none"]
            .into_iter()
            .chain(grid)
            .collect();
        lab(&directory, &arguments)
    };
    let printed = out(&run(&[
        "failure_rate=30%,50%",
        "open_for=5s,{ first = \"1s\", factor = 2.0, max = \"9s\" }",
    ]));
    let rows = printed
        .lines()
        .filter(|line| line.starts_with("ours failure_rate="));
    assert_eq!(rows.count(), 4, "{printed}");
    // A key of a table, beside the rest of it.
    let printed = out(&run(&[
        "shed.multiplier=1.5,2",
        "shed.floor=10%",
        "failure_rate=95%",
    ]));
    let row = "ours shed.multiplier=1.5 shed.floor=10% failure_rate=95%";
    has(&printed, row);
    has(&printed, "sheds 20 % of the calls at 60 % failures");
    let error = |grid: &[&str]| {
        let output = run(grid);
        assert_eq!(code(&output), Some(2));
        err(&output)
    };
    has(
        &error(&["failure_rate=130%"]),
        "--grid failure_rate=130%: circuits.ours.failure_rate: 1.3, but must be",
    );
    has(&error(&["shed.multiplier=2"]), "floor");
    has(&error(&["shed.=2"]), "column 1: \"shed.\" is no key");
    has(&error(&["failure_rte=30%"]), "did you mean `failure_rate`?");
    has(&error(&["permits=1,,3"]), "column 11: a value is missing");
    has(&error(&["permits"]), "write KEY=VALUE,VALUE");
    has(&error(&["open_for=1s,{ first"]), "column 13: ");
    has(
        &error(&["permits=1", "permits=2"]),
        "--grid permits: is there twice",
    );
    let many: Vec<_> = (1..=101).map(|rate| format!("0.{rate:03}")).collect();
    let (rates, times) = (
        format!("failure_rate={}", many.join(",")),
        format!("slow_call_rate={}", many.join(",")),
    );
    has(
        &error(&[&rates, &times]),
        "--grid: 10201 combinations, but must be at most 10000",
    );
    has(
        &error(&[&rates]),
        "102 breakers are more than 100 in one report; `breaker-lab search` ranks them",
    );
}

#[test]
fn a_grid_is_put_on_each_block_as_it_is() {
    let directory = directory("blocks");
    let file = "[defaults]\nopen_for = \"7s\"\n[[matching]]\nnames = \"a\"\npermits = 2\nprobes = 2\n\
                [circuits.a]\n[circuits.b]\n";
    fs::write(directory.join("blocks.toml"), file).expect("a file");
    let arguments = [
        "run",
        "outage.toml",
        "--against",
        "none",
        "--settings",
        "blocks.toml",
        "--json",
        "-",
    ];
    let printed = fine(
        &directory,
        &[&arguments[..], &["--grid", "failure_rate=30%"]].concat(),
    );
    let json: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    let settings = |number: usize| {
        json["breakers"][number]["settings"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    // The pattern matches the name of the block, and not what a grid adds to it.
    has(&settings(1), ".permits(2)");
    has(&settings(2), ".permits(1)");
    for number in [1, 2] {
        has(&settings(number), ".failure_rate(0.3)");
        has(&settings(number), ".open_for(Duration::from_secs(7))");
    }
}

#[test]
fn help_tells_of_exit_codes() {
    let directory = directory("help");
    for arguments in [&["--help"][..], &["run", "--help"]] {
        has(
            &fine(&directory, arguments),
            "Exit codes: 0 if all is fine, 1 if a condition of --fail-if holds, 2",
        );
    }
    assert_eq!(code(&lab(&directory, &[])), Some(2));
    assert_eq!(code(&lab(&directory, &["rn"])), Some(2));
}

#[test]
fn a_search_shows_the_best_first() {
    let directory = directory("search");
    let search = |by: &str, more: &[&str]| {
        let arguments = [
            "search",
            "outage.toml",
            "--against",
            "none",
            "--grid",
            "open_for=1s,5s,25s",
            "--by",
            by,
        ];
        fine(&directory, &[&arguments[..], more].concat())
    };
    let names = |printed: &str| -> Vec<String> {
        let rows = printed
            .lines()
            .filter(|line| line.starts_with("ours ") || line.starts_with("none "));
        let rows = rows.filter(|line| !line.contains("is the best"));
        rows.map(|line| line.split("  ").next().unwrap_or("").to_owned())
            .collect()
    };
    let by_recovery = search("to_recover", &[]);
    // Without a breaker nothing has to recover.
    assert_eq!(names(&by_recovery).len(), 4);
    assert_eq!(names(&by_recovery)[0], "none");
    has(&by_recovery, "\nnone is the best of 4, with 0.\n");
    let by_failures = names(&search("failed", &[]));
    assert_eq!(
        by_failures,
        [
            "ours open_for=25s",
            "ours open_for=5s",
            "ours open_for=1s",
            "none"
        ]
    );
    let turned = names(&search("- failed", &[]));
    assert_eq!(turned[0], "none");
    // What has never happened is last, whatever is added.
    assert_eq!(
        names(&search("0.001 * to_trip + failed - lost", &[]))[3],
        "none"
    );
    assert_eq!(names(&search("0 * to_trip + failed", &[]))[3], "none");
    assert_eq!(names(&search("failed", &["--top", "2"])).len(), 2);
    has(
        &search("failed", &["--markdown"]),
        "| ours open\\_for=25s |",
    );
}

#[test]
fn an_expression_that_makes_no_sense_is_shown_with_its_column() {
    let directory = directory("expressions");
    let refused = |by| refused(&directory, &["search", "outage.toml", "--by", by]);
    has(
        &refused("failed + lots"),
        "column 10: `lots` is no field; there are: succeeded, ",
    );
    has(
        &refused("failed +"),
        "column 9: a field is missing; there are: ",
    );
    has(
        &refused("failed lost"),
        "column 8: must be `+`, `-` or the end",
    );
    has(&refused("2 lost"), "column 3: must be `*` and a field");
    has(&refused("1.2.3 * lost"), "column 1: must be a number");
    has(&refused(""), "column 1: a field is missing");
    has(
        &refused(&["lost"; 51].join("+")),
        "there may be at most 50 terms",
    );
}

/// What the lab has no use for is no reason to refuse the file that is deployed. `cargo test --workspace
/// --all-features` builds all features of the circuit's crate: that the lab asks for those it needs is seen by
/// `cargo test -p tower-breaker-lab`.
#[test]
fn a_file_that_is_deployed_is_read_with_its_layers_and_its_fleet() {
    let directory = directory("deployed");
    let settings = "[circuits.\"/search\"]\nopen_for = '3s'\n\
                    [layers.api]\nkey = 'route'\nfailures = [429]\nretry_after = { maximum = '1m' }\n\
                    [layers.grpc]\nkey = 'grpc_method'\n[fleet]\nnamespace = 'shop'\n";
    fs::write(directory.join("settings.toml"), settings).expect("a file");
    let arguments = ["run", "outage.toml", "--settings", "settings.toml"];
    has(&fine(&directory, &arguments), "\n/search ");
}

/// It did something in the outage, though it never opened.
#[test]
fn a_circuit_that_sheds_is_told_of() {
    let directory = directory("sheds");
    let settings = "[circuits.sheds]\nshed = { multiplier = 2, floor = '10%' }\nfailure_rate = 'off'\n\
                    [circuits.opens]\nshed = { multiplier = 2, floor = '10%' }\nfailure_rate = '95%'\n";
    fs::write(directory.join("settings.toml"), settings).expect("a file");
    let with = ["--settings", "settings.toml", "--against", "none"];
    let explain = ["explain", "--rate", "100", "--errors", "5%"];
    let told = fine(&directory, &[&explain[..], &with].concat());
    let sheds = "sheds 20 % of the calls at 60 % failures, 60 % at 80 %, 90 % at 100 %.";
    let opens = "sheds 20 % of the calls at 60 % failures, 60 % at 80 %, and opens at 95 %.";
    for it in [sheds, opens] {
        assert_eq!(told.matches(&format!("It {it}")).count(), 1, "{told}");
    }
    has(
        &told,
        "If 100 % of the calls fail, it opens after at least ",
    );
    // Only what opens has breaks.
    for once in ["  * It never opens by itself.\n", "  * A break is 30 s: "] {
        assert_eq!(told.matches(once).count(), 1, "{told}");
    }
    let told = fine(&directory, &[&["run", "outage.toml"], &with[..]].concat());
    has(&told, &format!("* sheds {sheds}"));
    has(&told, &format!("* opens {opens}"));
    assert!(!told.contains("never opened"), "{told}");
}

#[test]
fn explanations_have_the_numbers_of_the_formulas() {
    let directory = directory("explain");
    let settings = "[circuits.row]\nconsecutive_failures = 3\n\
                    [circuits.window]\ntime_window = \"10s\"\nopen_for = \"5s\"\nprobe_timeout = \"1s\"\n";
    fs::write(directory.join("settings.toml"), settings).expect("a file");
    let explain = |errors| {
        let arguments = [
            "explain",
            "--rate",
            "100",
            "--settings",
            "settings.toml",
            "--against",
            "none",
        ];
        fine(
            &directory,
            &[&arguments[..], &["--errors", errors]].concat(),
        )
    };
    has(
        &explain("5%"),
        "At 5 % background errors, 3 in a row come about every 8,420 calls: every 84.2 s at 100 calls/s.",
    );
    has(
        &explain("0"),
        "At 0 % background errors, 3 in a row never come about.",
    );
    let quiet = explain("0.01");
    has(&quiet, "Its window holds 1,000 calls, which come in 10 s.");
    has(&quiet, "If 100 % of the calls fail, it opens after 4.95 s.");
    has(
        &quiet,
        "If 60 % of the calls fail, it opens after 8.31 s, and 16.0 % of the calls succeed, of 40 % without",
    );
    has(
        &quiet,
        "If 20 % of the calls fail, it never opens by its failure rate.",
    );
    has(
        &quiet,
        "a probe takes at most 1 s: a dependency that hangs costs 16.7 % of a worker.",
    );
    has(&explain("60%"), "[failure-rate-near-background-errors].");
    assert_eq!(quiet.matches("  * A break is ").count(), 2);
    for wrong in [
        ["0", "5%"],
        ["-1", "5%"],
        ["100", "100%"],
        ["100", "x"],
        ["inf", "0"],
    ] {
        let [rate, errors] = wrong;
        let output = lab(&directory, &["explain", "--rate", rate, "--errors", errors]);
        assert_eq!(code(&output), Some(2), "{wrong:?}");
    }
}

/// A device, or a pipe, does not tell how much there is to come.
#[cfg(unix)]
#[test]
fn a_file_without_an_end_is_refused() {
    let directory = directory("endless");
    for arguments in [
        &["run", "/dev/zero"][..],
        &["run", "outage.toml", "--settings", "/dev/zero"],
    ] {
        let error = refused(&directory, arguments);
        assert_eq!(
            error,
            "error: /dev/zero: it is longer than 16777216 bytes\n"
        );
    }
}

/// Each part of a key is a table within a table.
#[test]
fn a_key_of_a_grid_has_few_parts() {
    let directory = directory("parts");
    let grid = format!("{}=1", vec!["a"; 60_000].join("."));
    let error = refused(&directory, &["run", "outage.toml", "--grid", &grid]);
    has(&error, "a key has at most 8 parts");
    assert!(error.len() < 1_000_000, "{}", error.len());
}

/// Which of them is the best can be read.
#[test]
fn names_of_a_grid_are_shown_in_full() {
    let directory = directory("long-names");
    let axes = [
        "failure_rate=30%,50%",
        "open_for=5s,30s",
        "time_window=10s",
        "minimum_calls=10,20",
        "probe_timeout=1s",
    ];
    let mut arguments = vec!["search", "outage.toml", "--by", "failed", "--against", ""];
    arguments.extend(axes.iter().flat_map(|axis| ["--grid", axis]));
    let printed = fine(&directory, &arguments);
    let name =
        "ours failure_rate=30% open_for=30s time_window=10s minimum_calls=10 probe_timeout=1s";
    has(&printed, &format!("\n{name} "));
    has(&printed, " probe_timeout=1s is the best of 8, with ");
}

/// Not even in what is quoted of files and arguments.
#[test]
fn errors_steer_no_terminal() {
    let directory = directory("errors");
    let write = |text: &str| fs::write(directory.join("bad.toml"), text).expect("a file");
    let check = |arguments: &[&str]| {
        let error = refused(&directory, arguments);
        let is_harmful = |c: char| {
            (c.is_control() && c != '\n')
                || ['\u{61c}', '\u{200f}', '\u{202e}', '\u{2066}'].contains(&c)
        };
        assert!(!error.contains(is_harmful), "{error:?}");
    };
    for text in [
        "# \u{1b}[31m\n",
        "\"\\u001b[31m\\u061c\" = 1\n",
        "'\u{202e}\u{2066}' = 1\n",
    ] {
        write(text);
        check(&["run", "bad.toml"]);
        check(&["run", "outage.toml", "--settings", "bad.toml"]);
    }
    check(&["run", "outage.toml", "--grid", "open_for=\u{1b}[31m"]);
    check(&["run", "outage.toml", "--grid", "open_for=\u{9b}31m,"]);
    check(&["run", "outage.toml", "--fail-if", "\u{202e}: \u{1b}"]);
    check(&["\u{1b}[31m"]);
    check(&["run", "\u{1b}[31m"]);
}

#[test]
fn what_is_read_is_not_written_over() {
    let directory = directory("over");
    let scenario = fs::read_to_string(directory.join("outage.toml")).expect("a scenario");
    fs::write(directory.join("settings.toml"), "").expect("written");
    let settings = ["--settings", "settings.toml"];
    let runs = [
        ["--html", "outage.toml"],
        ["--svg", "./outage.toml"],
        ["--json", "settings.toml"],
    ];
    for run in runs {
        let arguments = [&["run", "outage.toml"][..], &settings, &run].concat();
        let told = format!("{}: {:?} is what is read", run[0], run[1]);
        has(&refused(&directory, &arguments), &told);
    }
    let replayed = [
        "replay",
        "outage.toml",
        "--format",
        "calls",
        "--html",
        "outage.toml",
    ];
    has(
        &refused(&directory, &replayed),
        "--html: \"outage.toml\" is what is read",
    );
    let left = fs::read_to_string(directory.join("outage.toml"));
    assert_eq!(left.expect("still there"), scenario);
}

#[test]
fn one_file_is_not_written_twice() {
    let directory = directory("twice");
    let arguments = ["run", "outage.toml", "--html", "a", "--json", "a"];
    let error = refused(&directory, &arguments);
    has(&error, "--html and --json: both are \"a\"");
    let arguments = ["run", "outage.toml", "--html", "a", "--svg", "./a"];
    let error = refused(&directory, &arguments);
    has(&error, "--html and --svg: both are \"./a\"");
    // Of these nobody knows where they would be. Writing says what is wrong.
    let arguments = ["run", "outage.toml", "--html", "no/a", "--svg", "none/b"];
    let error = refused(&directory, &arguments);
    assert!(!error.contains("both are"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_an_error() {
    let directory = directory("full");
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let full = fs::File::options().write(true).open("/dev/full");
        let mut lab = Command::new(env!("CARGO_BIN_EXE_breaker-lab"));
        lab.current_dir(&directory)
            .args(arguments)
            .stdout(full.expect("Linux has it"));
        let output = lab.output().expect("it starts");
        assert_eq!(code(&output), Some(2), "{arguments:?}");
    }
}

/// Else a machine runs out of memory, or of patience.
#[test]
fn what_takes_too_much_memory_or_time_is_refused() {
    let directory = directory("much");
    let write = |name: &str, text: &str| fs::write(directory.join(name), text).expect("a file");
    let scenario = |instances, lasts| {
        format!(
            "instances = {instances}\ncallers = {{ rate = 0.001 }}\n\
             dependency = {{ latency = {{ mean = \"1ms\" }} }}\nphases = [{{ for = \"{lasts}\" }}]\n"
        )
    };
    write("large.toml", "[circuits.large]\ncount_window = 65536\n");
    write("many.toml", &scenario(1_000_000, "1s"));
    let of_many = ["many.toml", "--settings", "large.toml"];
    let error = refused(&directory, &[&["run"][..], &of_many].concat());
    has(
        &error,
        "large: 1,000,000 circuits with a `count_window` of 65,536 take some 528 GB of memory, and may take 8; let \
         there be fewer instances or targets, or a smaller window",
    );
    let search = ["--by", "failed"];
    let search = [&["search"][..], &of_many, &search].concat();
    assert_eq!(refused(&directory, &search), error);
    write("long.toml", &scenario(1, "999999s"));
    let seconds: Vec<_> = (1..20).map(|seconds| format!("{seconds}s")).collect();
    let grid = format!("open_for={}", seconds.join(","));
    let error = refused(&directory, &["run", "long.toml", "--grid", &grid]);
    has(
        &error,
        "22 breakers with 999,999 steps each are more than 10,000,000 steps in one report; let a step be longer",
    );
    write("slow.toml", &scenario(1_000_000, "999999s"));
    has(
        &refused(&directory, &["run", "slow.toml"]),
        "1000000 steps and phases of 1000000 circuits",
    );
}

/// Each circuit is built once. If all were built for each of them, this would take minutes.
#[test]
fn a_file_with_many_circuits_is_read_soon() {
    let many = 5_000;
    let blocks = (0..many).map(|number| format!("[circuits.a{number}]\n"));
    let file = format!("max_circuits = {many}\n{}", blocks.collect::<String>());
    let candidates = tower_breaker_lab::Candidate::from_toml(&file).expect("settings");
    assert_eq!(candidates.len(), many);
}

#[test]
fn what_is_explained_is_so() {
    let directory = directory("explained");
    let explain = |rate, errors, grid: &[&str]| {
        let arguments = [
            "explain",
            "--against",
            "",
            "--rate",
            rate,
            "--errors",
            errors,
        ];
        fine(&directory, &[&arguments[..], grid].concat())
    };
    has(
        &explain("1", "0.1%", &["--grid", "consecutive_failures=5"]),
        "in a row come about every 1.0e15 calls: less often than every 100 years at 1 calls/s.",
    );
    let seldom = explain("0.01", "5%", &["--grid", "time_window=1m"]);
    has(
        &seldom,
        "Its window holds 1 call, which comes in 1m: fewer than its `minimum_calls` of 20, so that it hardly ever \
         opens by its failure rate.",
    );
    assert!(!seldom.contains("it opens after"), "{seldom}");
    // Soon, too.
    let busy = explain("10000000", "50%", &["--grid", "time_window=1h"]);
    has(
        &busy,
        "The chance that a full window shows 50 % of failures by chance: 0.5.",
    );
}
