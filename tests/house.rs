//! The walls of the house: which room of `src` may use which. Arrows point down only.
//!
//! A room is a folder or a file right under `src`. `lib.rs` and the guides are no rooms: they show what there is.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A room, the rooms it may use, and the packages it may use.
struct Room {
    name: &'static str,
    below: &'static [&'static str],
    packages: &'static [&'static str],
}

/// From the ground up. Who adds a room adds a line.
const ROOMS: [Room; 15] = [
    room("util", &[], &[]),
    room("machine", &["util"], &["loom"]),
    room(
        "circuit",
        &["machine", "util"],
        &["pin_project_lite", "tokio"],
    ),
    room("clock", &["circuit"], &["coarsetime"]),
    room(
        "service",
        &["circuit", "machine", "util"],
        &[
            "http",
            "httpdate",
            "pin_project_lite",
            "tokio",
            "tonic",
            "tower_layer",
            "tower_service",
        ],
    ),
    room(
        "body",
        &["service", "circuit", "machine", "util"],
        &[
            "bytes",
            "http",
            "http_body",
            "pin_project_lite",
            "tokio",
            "tower_layer",
            "tower_service",
        ],
    ),
    room(
        "grpc",
        &["body", "service", "circuit", "machine", "util"],
        &["http", "tonic"],
    ),
    room(
        "config",
        &["keyed", "registry", "service", "circuit", "machine", "util"],
        &["http", "humantime", "serde", "serde_json", "strsim"],
    ),
    room("registry", &["circuit", "machine", "util"], &["papaya"]),
    room(
        "fleet",
        &["config", "registry", "circuit", "machine", "util"],
        &["tokio"],
    ),
    room(
        "keyed",
        &["registry", "body", "service", "circuit", "machine", "util"],
        &["axum", "http", "reqwest", "tower_layer", "tower_service"],
    ),
    room(
        "degrade",
        &[
            "keyed", "registry", "grpc", "body", "service", "circuit", "machine", "util",
        ],
        &[
            "bytes",
            "http",
            "http_body",
            "httpdate",
            "pin_project_lite",
            "quick_cache",
            "reqwest",
            "tokio",
            "tower",
            "tower_layer",
            "tower_service",
        ],
    ),
    room(
        "telemetry",
        &["registry", "service", "circuit", "machine", "util"],
        &[
            "metrics",
            "pin_project_lite",
            "tokio",
            "tower_layer",
            "tower_service",
            "tracing",
        ],
    ),
    room(
        "admin",
        &[
            "telemetry",
            "config",
            "registry",
            "circuit",
            "machine",
            "util",
        ],
        &[
            "axum",
            "bytes",
            "http",
            "http_body",
            "humantime",
            "pin_project_lite",
            "serde",
            "serde_json",
            "tokio",
        ],
    ),
    room(
        "reqwest_client",
        &["body", "service", "circuit", "machine", "util"],
        &["http", "reqwest"],
    ),
];

const fn room(
    name: &'static str,
    below: &'static [&'static str],
    packages: &'static [&'static str],
) -> Room {
    Room {
        name,
        below,
        packages,
    }
}

/// Every package that some room uses.
fn packages() -> BTreeSet<&'static str> {
    ROOMS
        .iter()
        .flat_map(|room| room.packages)
        .copied()
        .collect()
}

/// The code of a file, without comments, doctests and what is quoted on one line.
fn code_of(text: &str) -> String {
    let code = |line: &str| {
        let unquoted: String = line.split('"').step_by(2).collect();
        let end = unquoted.find("//").unwrap_or(unquoted.len());
        format!("{}\n", &unquoted[..end])
    };
    text.lines().map(code).collect()
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| c != '_' && !c.is_alphanumeric());
    &text[..end.unwrap_or(text.len())]
}

/// What is named between the braces that `text` begins after, at the outermost level.
fn names_of_group(text: &str) -> Vec<&str> {
    let (mut depth, mut at_name, mut names) = (0_u32, true, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => at_name = true,
            _ if at_name && !c.is_whitespace() => {
                names.push(identifier(&text[at..]));
                at_name = false;
            }
            _ => {}
        }
    }
    names
}

/// What code names right under the root of the crate.
fn named_at_root(code: &str) -> Vec<&str> {
    let paths = code.match_indices("crate::");
    paths
        .flat_map(
            |(at, path)| match code[at + path.len()..].strip_prefix('{') {
                Some(group) => names_of_group(group),
                None => vec![identifier(&code[at + path.len()..])],
            },
        )
        .collect()
}

fn mentions(code: &str, package: &str) -> bool {
    code.match_indices(&format!("{package}::")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        before.is_none_or(|c| c != '_' && c != ':' && !c.is_alphanumeric())
    })
}

/// Whether a chain of `super`s leads out of the room, from a file that lies so deep in it. What is indented may
/// be in a module within the file, which is one deeper.
fn climbs_out(code: &str, depth: usize) -> bool {
    code.lines().any(|line| {
        let indented = usize::from(line.starts_with(' '));
        line.contains(&"super::".repeat(depth + indented + 1))
    })
}

/// What a file does that its room may not.
fn trespasses(room: &Room, depth: usize, text: &str) -> Vec<String> {
    let code = code_of(text);
    let may_use = |name: &&str| *name == room.name || room.below.contains(name);
    let mut found: Vec<String> = named_at_root(&code)
        .into_iter()
        .filter(|name| !may_use(name))
        .map(|name| format!("crate::{name}"))
        .collect();
    let foreign = packages()
        .into_iter()
        .filter(|package| !room.packages.contains(package));
    found.extend(
        foreign
            .filter(|package| mentions(&code, package))
            .map(String::from),
    );
    if climbs_out(&code, depth) {
        found.push("super:: out of its room".to_owned());
    }
    found
}

fn files_under(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).expect("a folder");
    let mut files: Vec<_> = entries
        .flat_map(|entry| files_under(&entry.expect("readable").path()))
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    files
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// How many modules lie between a file and its room.
fn depth(room: &Path, file: &Path) -> usize {
    let within = file.strip_prefix(room).expect("in its room");
    let is_mod = within.file_name().is_some_and(|name| name == "mod.rs");
    within.components().count() - usize::from(is_mod)
}

#[test]
fn no_room_uses_one_above_it() {
    let mut found = Vec::new();
    for room in &ROOMS {
        let folder = src().join(room.name);
        let path = if folder.is_dir() {
            folder
        } else {
            folder.with_extension("rs")
        };
        let files = files_under(&path);
        assert!(!files.is_empty(), "{} is empty", room.name);
        for file in files {
            let text = fs::read_to_string(&file).expect("readable");
            let all = trespasses(room, depth(&path, &file), &text);
            found.extend(
                all.into_iter()
                    .map(|one| format!("{}: {one}", file.display())),
            );
        }
    }
    assert!(
        found.is_empty(),
        "these reach up or out:\n{}",
        found.join("\n")
    );
}

#[test]
fn every_room_is_in_the_list() {
    let entries = fs::read_dir(src()).expect("a folder");
    let stem = |path: PathBuf| {
        path.file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    };
    let there: BTreeSet<_> = entries
        .map(|entry| stem(entry.expect("readable").path()))
        .collect();
    let listed = ROOMS.iter().map(|room| room.name).chain(["lib", "guide"]);
    assert_eq!(there, listed.map(String::from).collect());
}

#[test]
fn a_planted_import_is_found() {
    let circuit = &ROOMS[2];
    let planted = [
        (
            "use crate::service::layer::CircuitBreakerLayer;",
            "crate::service",
        ),
        (
            "use crate::{\n    machine::Outcome,\n    service::{shared::Shared, layer::Layer},\n};",
            "crate::service",
        ),
        (
            "let layer = crate::CircuitBreakerLayer::new(circuit);",
            "crate::CircuitBreakerLayer",
        ),
        ("fn mark_response(response: http::Response<()>) {}", "http"),
        (
            "use super::super::service::Shared;",
            "super:: out of its room",
        ),
    ];
    for (code, found) in planted {
        assert_eq!(trespasses(circuit, 1, code), [found], "{code}");
    }
    let fine = [
        "/// See [`Layer`](crate::CircuitBreakerLayer).",
        "use crate::machine::Outcome; // crate::service",
        "use super::{guard::Guard, error::{Reason, Rejected}};",
        "use crate::{circuit::name::Name, util::{digits}};",
    ]
    .join("\n");
    assert!(trespasses(circuit, 1, &fine).is_empty());
}
