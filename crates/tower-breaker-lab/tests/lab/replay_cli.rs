//! `breaker-lab replay`: what it prints and writes of recordings in each format, and how it ends.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A directory of one test's own, with a recording in it.
fn directory(test: &str, recording: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("replay")
        .join(test);
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join("log"), recording).expect("a file");
    directory
}

fn lab(directory: &Path, arguments: &str) -> Output {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_breaker-lab"));
    lab.current_dir(directory).args(arguments.split(' '));
    lab.output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// What is printed, of a command that is fine.
#[track_caller]
fn fine(directory: &Path, arguments: &str) -> String {
    let output = lab(directory, arguments);
    assert_eq!(
        (output.status.code(), &*text(&output.stderr)),
        (Some(0), "")
    );
    text(&output.stdout)
}

/// What is told, of a command that is refused.
#[track_caller]
fn refused(directory: &Path, arguments: &str) -> String {
    let output = lab(directory, arguments);
    assert_eq!(
        (output.status.code(), &*text(&output.stdout)),
        (Some(2), "")
    );
    text(&output.stderr)
}

#[track_caller]
fn has(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in:\n{text}");
}

/// A minute at 20 calls a second. From 20 s to 40 s all fail. Each is written by its number, its time since 06:00 and
/// whether it fails.
fn recording(line: impl Fn(u32, f64, bool) -> String) -> String {
    (0..1_200).fold(String::new(), |mut text, number| {
        let at = f64::from(number) / 20.0;
        writeln!(text, "{}", line(number, at, (20.0..40.0).contains(&at))).expect("memory");
        text
    })
}

/// 2025-11-28T06:00:00Z.
const BEGINS: f64 = 1_764_309_600.0;

fn access_log() -> String {
    recording(|_, at, fails| {
        let status = if fails { 503 } else { 200 };
        let at = BEGINS + at + 0.05;
        format!("a - - [{at:.3}] \"GET / HTTP/1.1\" {status} 5 \"-\" \"curl\" 0.050")
    })
}

fn calls() -> String {
    recording(|_, at, fails| {
        let end = if fails { "failure" } else { "success" };
        format!(
            "{{\"at\":\"2025-11-28T06:00:{at:06.3}Z\",\"circuit\":\"a\",\"kind\":\"call\",\"end\":\"{end}\",\
             \"took_seconds\":0.01}}"
        )
    })
}

/// The circuit opens soon after the outage begins, and rejects most of it.
#[track_caller]
fn is_the_outage(printed: &str) {
    let row = printed.lines().find(|line| line.starts_with("defaults "));
    let row = row.unwrap_or_else(|| panic!("no row in:\n{printed}"));
    assert!(!row.contains("never"), "{row}");
    has(printed, "log: 1,200 calls in ");
    has(printed, ", from 2025-11-28T06:00:00Z on.");
    has(printed, "The outage is from 20 s to 40 s.");
}

#[test]
fn an_access_log_is_replayed() {
    let directory = directory("access-log", &access_log());
    is_the_outage(&fine(&directory, "replay log --format access-log"));
    // As Apache: microseconds, and the times are of the beginning.
    let apache = access_log().replace("\"curl\" 0.050", "rt=\"50000\" 7");
    fs::write(directory.join("log"), apache).expect("a file");
    let options = "--unit us --stamp-of beginning --duration-key rt";
    is_the_outage(&fine(
        &directory,
        &format!("replay log --format access-log {options}"),
    ));
}

#[test]
fn lines_of_json_are_replayed() {
    let log = recording(|_, at, fails| {
        let status = if fails { 503 } else { 200 };
        let at = BEGINS + at + 0.05;
        format!("{{\"ts\":{at:.3},\"answer\":{{\"status\":{status}}},\"ms\":50}}")
    });
    let directory = directory("json-lines", &log);
    let fields = "--time-field ts --status-field answer.status --duration-field ms --unit ms";
    is_the_outage(&fine(
        &directory,
        &format!("replay log --format json-lines {fields}"),
    ));
    let error = refused(&directory, "replay log --format json-lines");
    has(&error, "error: log: line 1, column ");
    has(&error, "expected a field `time`, found the end of the line");
}

#[test]
fn calls_of_a_circuit_are_replayed() {
    let directory = directory("calls", &calls());
    let printed = fine(
        &directory,
        "replay log --format calls --circuit a --instances 3",
    );
    has(&printed, "The outage is from 20 s to 40 s.");
    let error = refused(&directory, "replay log --format calls --circuit b");
    assert_eq!(
        error,
        "error: log: there is no call of circuit \"b\" in it\n"
    );
}

#[test]
fn an_answer_of_prometheus_is_replayed() {
    let values = |of: fn(u32) -> u32| {
        let values: Vec<_> = (1..=12)
            .map(|step| format!("[{}, \"{}\"]", 1_764_309_600 + step * 5, of(step)))
            .collect();
        values.join(",")
    };
    let series = [
        (
            "200",
            values(|step| if (5..=8).contains(&step) { 0 } else { 100 }),
        ),
        (
            "503",
            values(|step| if (5..=8).contains(&step) { 100 } else { 0 }),
        ),
    ];
    let series = series.map(|(status, values)| {
        format!("{{\"metric\":{{\"code\":\"{status}\"}},\"values\":[{values}]}}")
    });
    let answer = format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{}]}}}}",
        series.join(",")
    );
    let directory = directory("prometheus", &answer);
    let replay = "replay log --format prometheus --status-label code --took 50ms";
    let printed = fine(&directory, replay);
    has(&printed, "log: 1,200 calls in ");
    has(&printed, "The outage is from 20 s to 40 s.");
    let error = refused(&directory, "replay log --format prometheus");
    has(
        &error,
        "log: data.result[0].metric: expected a label `status`",
    );
}

#[test]
fn what_cannot_be_read_is_shown_with_line_and_column() {
    let mut log = access_log();
    log.insert_str(0, "a - - [yesterday] \"GET /\" 200 1 0.1\n");
    let directory = directory("bad", &log);
    let error = refused(&directory, "replay log --format access-log");
    let expected =
        "error: log: line 1, column 7: expected a time from 1970 to 2261, found \"yesterday\"\n";
    assert_eq!(error, expected);
    let printed = fine(&directory, "replay log --format access-log --skip-bad 1");
    has(&printed, "1 line is left out for making no sense.");
    has(
        &refused(&directory, "replay nowhere --format calls"),
        "error: nowhere: ",
    );
    has(
        &refused(&directory, "replay . --format calls"),
        "error: .: ",
    );
    has(
        &refused(&directory, "replay log --format access-log --circuit a"),
        "--circuit: is an option of --format calls",
    );
    let options = "replay log --format access-log --skip-bad 1";
    for (option, why) in [
        (
            "--outage 3s..2s",
            "must be FROM..TO, such as `1m..2m 45s`, or `none`",
        ),
        (
            "--outage 2m..3m",
            "begins after the end of the recording, which is 1m long",
        ),
        ("--instances 0", "instances: from 1 to 1000000"),
        (
            "--instances 1000000 --grid count_window=65536",
            "1,000,000 circuits with a `count_window` of 65,536 take some 528 GB of memory",
        ),
        (
            "--instances 1000000 --step 100us",
            "600000 steps of 1000000 circuits",
        ),
        (
            "--step 61us --grid open_for=1s,2s,3s,4s,5s,6s,7s,8s,9s,10s",
            "steps each are more than 10,000,000 steps in one report; let a step be longer",
        ),
        ("--unit h", "must be one of: s, ms, us, ns"),
        ("--took 1s", "--took: is an option of --format prometheus"),
        ("--top 3", "--by"),
        ("--by lost --json -", "cannot be used with"),
        (
            "--outage none --by to_trip",
            "to_trip says nothing here: there is no outage in the recording",
        ),
    ] {
        has(&refused(&directory, &format!("{options} {option}")), why);
    }
}

#[test]
fn what_a_recording_does_not_tell_is_said_in_text_page_and_data() {
    let mut log: Vec<_> = calls().lines().map(str::to_owned).collect();
    for line in &mut log[500..800] {
        let (at, _) = line.split_once(",\"circuit\"").expect("calls");
        *line = format!("{at},\"circuit\":\"a\",\"kind\":\"rejected\",\"reason\":\"open\"}}");
    }
    log.swap(100, 1_100);
    let log = format!("{}\n{{\"at\":\"2025-11", log.join("\n"));
    let directory = directory("notes", &log);
    let replay = "replay log --format calls --against none,defaults --html a.html";
    let printed = fine(&directory, replay);
    let json = fine(&directory, &replay.replace("--html a.html", "--json -"));
    let page = fs::read_to_string(directory.join("a.html")).expect("written");
    for sentence in [
        "300 calls had been rejected (25 % of all): nobody knows how they would have ended.",
        "The last line is cut off, and left out.",
        "older than lines before, and sorted: a clock went back, or several machines wrote them.",
        "none let 300 calls through that had been rejected (25 % of all): how they end is drawn from calls beside \
         them.",
    ] {
        for text in [&printed, &json, &page] {
            has(text, sentence);
        }
    }
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON alone");
    let recording = &json["recording"];
    assert_eq!(
        (&recording["unknown"], &recording["calls"]),
        (&300.into(), &1_200.into())
    );
    assert_eq!(recording["truncated_last_line"], true);
    assert_eq!(json["breakers"][0]["drawn"], 300);
    let ranked = fine(&directory, "replay log --format calls --by lost");
    has(&ranked, "300 calls had been rejected");
    has(
        &page,
        "breaker-lab replay log --format calls --against none,defaults --html a.html",
    );
}

#[test]
fn names_are_text_in_pages_and_pictures() {
    let name = "<script>alert(1)<!--";
    let directory = directory("hostile", &calls());
    fs::copy(directory.join("log"), directory.join(name)).expect("a copy");
    let replay = format!("replay {name} --format calls --html a.html --svg a.svg");
    let printed = fine(&directory, &replay);
    has(&printed, name);
    for file in ["a.html", "a.svg"] {
        let written = fs::read_to_string(directory.join(file)).expect("written");
        let xml = written
            .strip_prefix("<!DOCTYPE html>\n")
            .unwrap_or(&written);
        let document = roxmltree::Document::parse(xml).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            document
                .descendants()
                .all(|node| !node.has_tag_name("script"))
        );
        has(xml, "&lt;script&gt;alert(1)&lt;!--");
    }
}

#[test]
fn the_same_recording_writes_the_same_bytes() {
    let directory = directory("bytes", &access_log());
    let written = || {
        let files = "--html a.html --svg a.svg --json a.json";
        let printed = fine(
            &directory,
            &format!("replay log --format access-log {files}"),
        );
        let read = |name| fs::read_to_string(directory.join(name)).expect("written");
        [printed, read("a.html"), read("a.svg"), read("a.json")]
    };
    assert_eq!(written(), written());
}

/// All fail for 20 of 60 s, and the floor of 10 % is let through.
#[test]
fn what_is_shed_is_in_the_picture_of_a_recording() {
    let directory = directory("shed", &access_log());
    let settings =
        "[circuits.a]\nshed = { multiplier = 2, floor = \"10%\" }\nfailure_rate = \"off\"";
    fs::write(directory.join("a.toml"), settings).expect("a file");
    let replay = "replay log --format access-log --settings a.toml --against none --svg a.svg";
    fine(&directory, replay);
    let svg = fs::read_to_string(directory.join("a.svg")).expect("written");
    has(&svg, "closed circuits shed up to 90 % of all calls");
}

#[test]
fn durations_in_another_unit_than_the_log_has_are_noticed() {
    let log = access_log().replace(" 0.050\n", " 50000\n");
    let directory = directory("unit", &log);
    let replay = "replay log --format access-log --against none";
    let odd = "is the unit of durations right?";
    has(
        &fine(&directory, replay),
        "* A call takes 13h 53m on average, more than half of the recording: is the unit of durations right?\n",
    );
    let right = fine(&directory, &format!("{replay} --unit us"));
    assert!(!right.contains(odd), "{right}");
    // A single call is all of its recording.
    let one = log.lines().next().expect("a line");
    fs::write(directory.join("log"), one).expect("a file");
    let one = fine(&directory, replay);
    assert!(!one.contains(odd), "{one}");
}

#[test]
fn the_standard_input_is_read() {
    let directory = directory("stdin", "");
    let mut lab = Command::new(env!("CARGO_BIN_EXE_breaker-lab"));
    lab.args(["replay", "-", "--format", "calls", "--markdown"])
        .current_dir(directory);
    let lab = lab.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut lab = lab.expect("it starts");
    let mut input = lab.stdin.take().expect("piped");
    input.write_all(calls().as_bytes()).expect("it reads");
    drop(input);
    let output = lab.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    has(&text(&output.stdout), "- standard input: 1,200 calls in ");
}

#[test]
fn a_grid_is_ranked_and_a_condition_tells() {
    let directory = directory("grid", &access_log());
    let grid = "--against none --grid open_for=2s,30s";
    let replay = format!("replay log --format access-log {grid}");
    let ranked = fine(&directory, &format!("{replay} --by failed+lost --top 1"));
    has(&ranked, "\nours open_for=2s is the best of 3, with ");
    let output = lab(&directory, &format!("{replay} --fail-if *:rejected>1%"));
    assert_eq!(output.status.code(), Some(1));
    has(
        &text(&output.stderr),
        "condition holds: *:rejected>1%: ours open_for=2s: rejected is ",
    );
    let error = refused(
        &directory,
        &format!("{replay} --outage none --fail-if *:to_trip>1s"),
    );
    has(
        &error,
        "to_trip says nothing here: there is no outage in the recording",
    );
}

/// Four million values in 32 MB, of which 16 bytes each are kept. As texts they would take more than 400 MB in all.
#[cfg(target_os = "linux")]
#[test]
fn an_answer_of_prometheus_takes_a_few_times_its_length_in_memory() {
    let values: Vec<_> = (0..4_000_000)
        .map(|at| format!("[{},\"{}\"]", at % 10, u8::from(at == 0)))
        .collect();
    let answer = format!(
        "{{\"data\":{{\"resultType\":\"matrix\",\"result\":[{{\"metric\":{{\"status\":\"200\"}},\"values\":[{}]}}]}}}}",
        values.join(",")
    );
    let directory = directory("long", &answer);
    let mut limited = Command::new("sh");
    limited.current_dir(&directory).args([
        "-c",
        "ulimit -v 300000 && exec \"$0\" replay log --format prometheus --against none",
        env!("CARGO_BIN_EXE_breaker-lab"),
    ]);
    let output = limited.output().expect("a shell");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    has(&text(&output.stdout), "1 call in ");
}
