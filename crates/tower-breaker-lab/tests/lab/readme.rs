//! What the README shows is what happens: its commands are run, and its files are those of `examples`.
//!
//! So is it of the guide *outages* of `tower-breaker`, whose files stand on the page itself.
//!
//! `BLESS=1 cargo test -p tower-breaker-lab readme` writes files, outputs and the picture anew. It is for Linux only:
//! elsewhere a logarithm may have another last digit.

#![cfg(target_os = "linux")]

use std::{env, fs, path::Path, process::Command};

/// It checks itself, and makes the recording that the README replays.
#[path = "../../examples/walk.rs"]
mod walk;

#[path = "../../examples/table/main.rs"]
mod table;

/// As seen from `examples`.
const FILES: [&str; 5] = [
    "outage.toml",
    "settings.toml",
    "shadow.toml",
    "live.toml",
    "../scenarios/metastable/cache.toml",
];

const HOME: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(HOME).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a shell prints of a command of the README, in a copy of `examples`.
fn printed(command: &str) -> String {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    fs::create_dir_all(&directory).expect("a directory");
    for file in FILES {
        let name = Path::new(file).file_name().expect("a name");
        fs::write(directory.join(name), read(Path::new("examples").join(file))).expect("a file");
    }
    let calls = walk::recorded().expect("a recording");
    fs::write(directory.join("calls.jsonl"), calls).expect("a file");
    printed_in(&directory, command)
}

/// What a shell prints of a command in this directory.
fn printed_in(directory: &Path, command: &str) -> String {
    let lab = Path::new(env!("CARGO_BIN_EXE_breaker-lab"));
    let mut paths = vec![lab.parent().expect("a directory").to_owned()];
    paths.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("{{ {command}\n}} 2>&1"))
        .current_dir(directory);
    shell.env("PATH", env::join_paths(paths).expect("paths"));
    let output = shell.output().expect("a shell");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    match output.status.code() {
        Some(0) => printed,
        code => format!("{printed}(exit code {})\n", code.expect("no signal")),
    }
}

/// The README as it should be.
fn expected(readme: &str) -> String {
    let (mut text, mut lines, mut file) = (String::new(), readme.lines(), None);
    while let Some(line) = lines.next() {
        text.push_str(&format!("{line}\n"));
        if line == "<!-- table: outages -->" {
            text.push_str(&table::outages::excerpt().expect("a table"));
            lines
                .by_ref()
                .find(|line| line.is_empty())
                .expect("the table ends");
            text.push('\n');
        }
        let named = line.strip_prefix("<!-- file: ");
        file = named.and_then(|name| name.strip_suffix(" -->")).or(file);
        let block = match (line, file) {
            ("```console", _) => {
                let command = lines.next().expect("a command");
                let run = command.strip_prefix("$ ").expect("`$ ` before a command");
                format!("{command}\n{}", printed(run))
            }
            ("```toml", Some(name)) => read(Path::new("examples").join(name)),
            _ => continue,
        };
        file = None;
        text.push_str(&block);
        lines
            .by_ref()
            .find(|line| *line == "```")
            .expect("the block ends");
        text.push_str("```\n");
    }
    text
}

#[test]
fn the_readme_shows_what_happens() {
    let readme = read("README.md");
    let expected = expected(&readme);
    assert!(
        expected.matches("\n$ breaker-lab ").count() >= 5,
        "{expected}"
    );
    if env::var_os("BLESS").is_some() {
        fs::write(Path::new(HOME).join("README.md"), expected).expect("written");
        return;
    }
    assert!(
        readme == expected,
        "BLESS=1 writes it anew; it should be:\n{expected}"
    );
}

/// The guide as it should be. Its files are written as they stand there, and what makes a file is run.
fn expected_guide(guide: &str, directory: &Path) -> String {
    fs::create_dir_all(directory).expect("a directory");
    let (mut text, mut lines, mut file) = (String::new(), guide.lines(), "");
    while let Some(line) = lines.next() {
        text.push_str(&format!("{line}\n"));
        let named = line.strip_prefix("<!-- file: ");
        file = named
            .and_then(|name| name.strip_suffix(" -->"))
            .unwrap_or(file);
        if !line.starts_with("```") {
            continue;
        }
        let block = lines.by_ref().take_while(|line| *line != "```");
        let mut block: String = block.map(|line| format!("{line}\n")).collect();
        match (line, block.strip_prefix("$ ")) {
            ("```toml", _) => fs::write(directory.join(file), &block).expect("a file"),
            ("```sh", _) if !block.starts_with("cargo ") => {
                assert_eq!(printed_in(directory, block.trim_end()), "", "{block}");
            }
            ("```text", Some(rest)) => {
                let command = rest.lines().next().expect("a command");
                block = format!("$ {command}\n{}", printed_in(directory, command));
            }
            _ => {}
        }
        text.push_str(&format!("{block}```\n"));
    }
    text
}

#[test]
fn the_guide_of_outages_shows_what_happens() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide");
    let path = "../../src/guide/outages.md";
    let guide = read(path);
    let expected = expected_guide(&guide, &directory);
    assert!(
        expected.matches("\n$ breaker-lab ").count() >= 3,
        "{expected}"
    );
    if env::var_os("BLESS").is_some() {
        fs::write(Path::new(HOME).join(path), expected).expect("written");
        return;
    }
    assert!(
        guide == expected,
        "BLESS=1 writes it anew; it should be:\n{expected}"
    );
}

/// The rows that take little time. `.ci/run` holds all of them with the example.
#[test]
fn the_readme_of_the_repository_shows_what_users_got() {
    let stale = table::users::stale().expect("tables");
    let write = "BLESS=1 cargo run --release -p tower-breaker-lab --example table -- --users";
    assert!(
        stale.is_empty(),
        "{write} writes anew:\n{}",
        stale.join("\n")
    );
}

#[test]
fn the_picture_of_the_readme_is_that_of_its_scenario() {
    let svg = printed("breaker-lab run outage.toml --against defaults --svg a.svg >&2; cat a.svg");
    let svg = svg
        .split_once("<svg ")
        .map(|(_, svg)| format!("<svg {svg}"))
        .expect("a picture");
    if env::var_os("BLESS").is_some() {
        fs::write(Path::new(HOME).join("examples/outage.svg"), svg).expect("written");
        return;
    }
    assert!(read("examples/outage.svg") == svg, "BLESS=1 writes it anew");
}

#[test]
fn the_walk_from_shadow_to_live_ends_as_the_replay_said() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("walk");
    walk::walk(&directory).unwrap_or_else(|error| panic!("{error}"));
}
