//! What people search for by the name that another circuit breaker has for it, they find: each name that the guide
//! `coming_from` translates is a `doc(alias)` on the item that its line links to.

use std::{collections::BTreeSet, fs, path::Path};

const PAGE: &str = "src/guide/coming_from.md";

/// Names that people look for, of no crate in particular.
const ASKED_FOR: [(&str, &str); 8] = [
    ("failure_threshold", "consecutive_failures"),
    ("fail_max", "consecutive_failures"),
    ("reset_timeout", "open_for"),
    ("half_open_target", "success_threshold"),
    ("success_threshold", "success_threshold"),
    ("half_open_max_calls", "permits"),
    ("wait_duration", "open_for"),
    ("window_size", "count_window"),
];

/// A name, and the item that has it: in small letters, as rustdoc searches.
type Alias = (String, String);

fn alias(name: &str, item: &str) -> Alias {
    (name.to_lowercase(), item.to_lowercase())
}

fn read(path: &Path) -> String {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&full).unwrap_or_else(|error| panic!("{}: {error}", full.display()))
}

// ---- the sources -------------------------------------------------------------------------------

fn aliases_below(folder: &Path, found: &mut BTreeSet<Alias>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            aliases_below(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            aliases_in(&read(&path), found);
        }
    }
}

fn aliases_in(source: &str, found: &mut BTreeSet<Alias>) {
    let mut waiting = Vec::new();
    for line in source.lines().map(str::trim) {
        if let Some(name) = aliased(line) {
            waiting.push(name);
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            let item = item(line);
            found.extend(waiting.drain(..).map(|name| alias(name, item)));
        }
    }
}

fn aliased(line: &str) -> Option<&str> {
    line.strip_prefix("#[doc(alias = \"")?.strip_suffix("\")]")
}

/// What a line declares: a function, a type, a variant, a setting.
fn item(line: &str) -> &str {
    let words = line.split(|it: char| !it.is_alphanumeric() && it != '_');
    let mut names =
        words.filter(|it| !["pub", "const", "async", "fn", "struct", "enum"].contains(it));
    names.next().unwrap_or_default()
}

// ---- the page ----------------------------------------------------------------------------------

/// The names in the first column of each table whose second is `here`, with the items in that.
fn translated(page: &str) -> Vec<Alias> {
    let mut is_ours = None;
    let mut all = Vec::new();
    for line in page.lines() {
        let Some(row) = line.strip_prefix('|') else {
            is_ours = None;
            continue;
        };
        let mut cells = row.split('|').map(str::trim);
        let (theirs, ours) = (cells.next().unwrap_or(""), cells.next().unwrap_or(""));
        if *is_ours.get_or_insert(ours == "here") {
            let of_row =
                in_backticks(theirs).flat_map(|name| linked(ours).map(move |it| alias(name, it)));
            all.extend(of_row);
        }
    }
    all
}

fn in_backticks(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The last part of each linked item: of `Outcome::Ignored`, that is `Ignored`.
fn linked(cell: &str) -> impl Iterator<Item = &str> {
    let links = cell.split("[`").skip(1);
    let items = links.filter_map(|link| link.split('`').next());
    items.filter_map(|item| item.rsplit("::").next())
}

// ---- both --------------------------------------------------------------------------------------

#[test]
fn what_others_call_a_setting_leads_to_ours() {
    let mut found = BTreeSet::new();
    aliases_below(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );

    let mut wanted = translated(&read(Path::new(PAGE)));
    assert!(wanted.len() > 100, "{PAGE} has {} names", wanted.len());
    wanted.extend(ASKED_FOR.map(|(name, item)| alias(name, item)));

    let is_missing = |it: &&Alias| it.0 != it.1 && !found.contains(*it);
    let missing: BTreeSet<_> = wanted.iter().filter(is_missing).collect();
    assert!(
        missing.is_empty(),
        "no #[doc(alias)], as (name, item): {missing:#?}"
    );
}

#[test]
fn the_page_and_the_sources_are_read_as_they_are_written() {
    let page = "
| theirs | here | the difference |
|---|---|---|
| `a` / `b` | [`open_for`] | `c` |
| `d` | [`Outcome::Ignored`] or [`probes`](crate::x) | |

| theirs | elsewhere |
|---|---|
| `e` | [`f`] |
";
    let all = [
        ("a", "open_for"),
        ("b", "open_for"),
        ("d", "ignored"),
        ("d", "probes"),
    ];
    assert_eq!(translated(page), all.map(|(name, item)| alias(name, item)));

    let source = "
    #[doc(alias = \"a\")]
    #[must_use]
    pub const fn one(&self) {}
    pub fn two(&self) {}
    #[doc(alias = \"b\")]
    TripFor(Duration),
";
    let mut found = BTreeSet::new();
    aliases_in(source, &mut found);
    assert_eq!(
        found,
        BTreeSet::from([alias("a", "one"), alias("b", "TripFor")])
    );
}
