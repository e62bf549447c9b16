//! README and the guides can be read and pasted: short sentences, the field's words, links that lead somewhere, and
//! Rust blocks that say what they need. `.ci/snippets` compiles those blocks.
//!
//! `PAGES=list cargo test --test pages -- --nocapture` prints each long sentence, with its page and line.

use std::{fs, path::Path};

/// How many words a sentence may have.
const LONG: usize = 30;

/// How many long sentences a page has. It may have no more, and if it has fewer, the number here goes down.
const LONG_SENTENCES: &[(&str, usize)] = &[];

/// Guides that are about the house itself, and work with nothing.
const OF_THE_HOUSE: [&str; 4] = ["architecture", "contract", "proof", "speed"];

/// Our terms, and what they are called elsewhere: said where a page has the first of the words in front.
const TERMS: [(&[&str], &str); 4] = [
    (
        &[
            "open_for",
            "a break",
            "the break",
            "each break",
            "breaks of",
        ],
        "wait duration",
    ),
    (&["permit", "permits"], "permitted calls"),
    (&["era", "eras"], "generation"),
    (&["ramp"], "slow start"),
];

// ---- pages -------------------------------------------------------------------------------------

struct Page {
    path: String,
    text: String,
}

/// What stands on a page between blank lines, list items and headings, and where it begins.
#[derive(Default)]
struct Paragraph {
    line: usize,
    text: String,
}

struct Block {
    line: usize,
    kind: String,
    lines: Vec<String>,
}

impl Page {
    fn read(path: &str) -> Self {
        let text = fs::read_to_string(root().join(path)).expect("a page");
        let path = path.to_owned();
        Self { path, text }
    }

    fn name(&self) -> &str {
        let file = self.path.rsplit('/').next().expect("a name");
        file.trim_end_matches(".md")
    }

    /// Each line with its number, and whether it belongs to a block of code.
    fn lines(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        let mut inside = false;
        self.text.lines().enumerate().map(move |(at, line)| {
            let fence = line.trim_start().starts_with("```");
            let code = inside || fence;
            inside ^= fence;
            (at + 1, line, code)
        })
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut inside = false;
        for (line, text, _) in self.lines().filter(|(.., code)| *code) {
            match text.trim_start().strip_prefix("```") {
                Some(_) if inside => inside = false,
                Some(kind) => {
                    inside = true;
                    let kind = kind.to_owned();
                    blocks.push(Block {
                        line,
                        kind,
                        lines: Vec::new(),
                    });
                }
                None => blocks
                    .last_mut()
                    .expect("begun")
                    .lines
                    .push(text.trim_start().to_owned()),
            }
        }
        blocks
    }

    /// What is neither code nor HTML nor the address of a link. A row of a table is a paragraph that begins with `|`.
    fn paragraphs(&self) -> Vec<Paragraph> {
        let mut all = vec![Paragraph::default()];
        for (line, text, code) in self.lines() {
            let text = text.trim_start().trim_start_matches("> ");
            let ends = code || text.is_empty() || text.starts_with('<') || is_definition(text);
            if ends || text.starts_with('#') || text.starts_with('|') || is_item(text) {
                all.push(Paragraph {
                    line,
                    text: String::new(),
                });
            }
            if !ends {
                let last = all.last_mut().expect("one");
                if last.text.is_empty() {
                    last.line = line;
                }
                last.text = format!("{} {text}", last.text).trim_start().to_owned();
            }
            if text.starts_with('#') {
                all.push(Paragraph::default());
            }
        }
        all.retain(|paragraph| !paragraph.text.is_empty());
        all
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<Page> {
    let guides = fs::read_dir(root().join("src/guide")).expect("a folder");
    let mut paths: Vec<_> = guides
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .into_string()
                .expect("text")
        })
        .map(|name| format!("src/guide/{name}"))
        .chain(["README.md".to_owned()])
        .collect();
    paths.sort();
    paths.iter().map(|path| Page::read(path)).collect()
}

fn is_item(text: &str) -> bool {
    let numbered = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_number = numbered.len() < text.len() && numbered.starts_with(". ");
    text.starts_with("- ") || text.starts_with("* ") || is_number
}

/// `[name]: address`
fn is_definition(text: &str) -> bool {
    text.starts_with('[') && text.contains("]: ")
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

// ---- sentences ---------------------------------------------------------------------------------

/// Without the addresses of links, and with each piece of code as one word.
fn prose(text: &str) -> String {
    let code = text.split('`').enumerate();
    let words: String = code
        .map(|(at, part)| if at % 2 == 1 { "Code" } else { part })
        .collect();
    let mut prose = String::new();
    let mut rest = words.as_str();
    while let Some((before, after)) = rest.split_once("](") {
        prose.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    prose.push_str(rest);
    prose.retain(|c| !matches!(c, '[' | ']' | '*' | '_'));
    prose
}

/// Sentences may begin with these, too.
const SMALL_NAMES: [&str; 8] = [
    "axum",
    "gobreaker",
    "http",
    "hyper",
    "reqwest",
    "tokio",
    "tonic",
    "tower",
];

fn begins_small(word: &str) -> bool {
    word.starts_with(char::is_lowercase) && !SMALL_NAMES.iter().any(|name| word.starts_with(name))
}

/// A sentence ends with a full stop, a question or an exclamation mark before a word that does not begin small.
fn sentences(prose: &str) -> Vec<String> {
    let words: Vec<&str> = prose.split_whitespace().collect();
    let ends = |at: usize| {
        let word = words[at].trim_end_matches([')', '"', '”']);
        let next = words.get(at + 1);
        word.ends_with(['.', '?', '!', '…']) && next.is_none_or(|next| !begins_small(next))
    };
    let mut all = vec![Vec::new()];
    for (at, word) in words.iter().enumerate() {
        all.last_mut().expect("one").push(*word);
        if ends(at) {
            all.push(Vec::new());
        }
    }
    all.retain(|sentence| !sentence.is_empty());
    all.iter().map(|words| words.join(" ")).collect()
}

fn words(sentence: &str) -> usize {
    let words = sentence.split_whitespace();
    words
        .filter(|word| word.contains(char::is_alphanumeric))
        .count()
}

/// The long sentences of a page, each with its line.
fn long_sentences(page: &Page) -> Vec<(usize, String)> {
    let paragraphs = page.paragraphs().into_iter();
    let prose_only = paragraphs.filter(|paragraph| !paragraph.text.starts_with(['|', '#']));
    prose_only
        .flat_map(|paragraph| {
            let all = sentences(&prose(&paragraph.text)).into_iter();
            all.map(move |sentence| (paragraph.line, sentence))
        })
        .filter(|(_, sentence)| words(sentence) > LONG)
        .collect()
}

#[test]
fn sentences_are_short() {
    let list = std::env::var("PAGES").is_ok_and(|value| value == "list");
    let mut found = Vec::new();
    for page in pages() {
        let long = long_sentences(&page);
        let allowed = LONG_SENTENCES.iter().find(|(path, _)| *path == page.path);
        let allowed = allowed.map_or(0, |(_, count)| *count);
        let wrong = long.len() != allowed;
        if wrong {
            found.push(format!(
                "{}: {} long sentences, not {allowed}",
                page.path,
                long.len()
            ));
        }
        if list || wrong {
            println!("{}: {} long sentences", page.path, long.len());
        }
        for (line, sentence) in long.iter().filter(|_| list || wrong) {
            println!(
                "{}:{line}: {} words: {sentence}",
                page.path,
                words(sentence)
            );
        }
    }
    assert_none(&found);
}

#[test]
fn a_sentence_is_cut_where_it_ends() {
    let text = "It takes 1.5 s, e.g. here. `open` is [one](src/a.md) of them. **What** is it? 2 are. tonic's, i.e. so";
    let cut = [
        "It takes 1.5 s, e.g. here.",
        "Code is one of them.",
        "What is it?",
        "2 are.",
        "tonic's, i.e. so",
    ];
    assert_eq!(sentences(&prose(text)), cut);
    assert_eq!(words("a – b: `c`, 1."), 4);
}

// ---- terms -------------------------------------------------------------------------------------

fn has_word(text: &str, word: &str) -> bool {
    let text = &text.replace('*', "").to_lowercase();
    let inside = |c: char| c == '_' || c.is_alphanumeric();
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(inside) && !text[at + word.len()..].starts_with(inside)
    })
}

#[test]
fn our_terms_stand_beside_the_common_ones() {
    let mut found = Vec::new();
    for page in pages() {
        for (ours, common) in TERMS {
            let paragraphs = page.paragraphs().into_iter();
            let mut having = paragraphs
                .filter(|paragraph| ours.iter().any(|word| has_word(&paragraph.text, word)));
            if let Some(first) = having.next().filter(|first| !first.text.contains(common)) {
                let (path, line) = (&page.path, first.line);
                found.push(format!(
                    "{path}:{line}: has {ours:?} first, and not `{common}` beside it"
                ));
            }
        }
    }
    assert_none(&found);
}

#[test]
fn each_guide_says_what_it_works_with() {
    let says = |page: &Page| {
        let before_first_part = page.text.split("\n## ").next().unwrap_or_default();
        before_first_part
            .lines()
            .any(|line| line.starts_with("Works with ") && line.ends_with('.'))
    };
    let found: Vec<_> = pages()
        .iter()
        .filter(|page| page.path != "README.md" && !says(page))
        .filter(|page| !OF_THE_HOUSE.contains(&page.name()))
        .map(|page| {
            format!(
                "{}: no line `Works with … .` above its first part",
                page.path
            )
        })
        .collect();
    assert_none(&found);
}

// ---- blocks ------------------------------------------------------------------------------------

impl Block {
    fn is_rust(&self) -> bool {
        let others = ["text", "toml", "json", "yaml", "sh", "compile_fail"];
        let kind = self.kind.split(',').next().expect("one");
        !others.contains(&kind)
    }

    fn complaints(&self) -> Vec<(usize, &'static str)> {
        let first = self.lines.first().map_or("", String::as_str);
        let needs = first.starts_with("// needs: ");
        let without = (!needs).then_some((self.line, "no line `// needs: …`"));
        let lines = self.lines.iter().zip(self.line + 1..);
        let hidden = lines.filter(|(line, _)| *line == "#" || line.starts_with("# "));
        let hidden = hidden.map(|(_, at)| {
            (
                at,
                "a hidden line, which who pastes the block does not have",
            )
        });
        without.into_iter().chain(hidden).collect()
    }
}

#[test]
fn each_rust_block_says_what_it_needs_and_hides_nothing() {
    let mut found = Vec::new();
    for page in &pages() {
        for block in page.blocks().iter().filter(|block| block.is_rust()) {
            let all = block.complaints().into_iter();
            found.extend(all.map(|(line, what)| format!("{}:{line}: {what}", page.path)));
        }
    }
    assert_none(&found);
}

// ---- links -------------------------------------------------------------------------------------

/// The addresses of all links of a Markdown text, or of the docs in a file of Rust; each with its line.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let inline = line.split("](").skip(1);
        found.extend(inline.filter_map(|after| Some((at + 1, after.split(')').next()?))));
        let bare = line.trim_start_matches(['/', '!', ' ']);
        let definition = bare.split_once("]: ").filter(|_| is_definition(bare));
        found.extend(definition.map(|(_, target)| (at + 1, target)));
    }
    found
}

/// What a heading is called in links.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| {
        if c == ' ' {
            '-'
        } else {
            c.to_ascii_lowercase()
        }
    })
    .collect()
}

fn has_heading(page: &Page, wanted: &str) -> bool {
    page.lines().any(|(_, line, code)| {
        let heading = line.trim_start_matches('#');
        !code && heading.len() < line.len() && anchor(prose_of_heading(heading).trim()) == wanted
    })
}

/// Code keeps its words in a heading.
fn prose_of_heading(heading: &str) -> String {
    prose(&heading.replace('`', ""))
}

/// The file that a link leads to, seen from the page that has it, and the heading in it. Of rustdoc's links only those
/// to guides: it looks itself whether items exist.
fn leads_to(from: &str, link: &str) -> Option<(String, String)> {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let (_, guide) = path.rsplit_once("guide::").unwrap_or_default();
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let file = match path {
        "" => from.to_owned(),
        _ if !guide.is_empty() => format!("src/guide/{guide}.md"),
        _ if path.contains("::") || path.contains("://") || path.contains(' ') => return None,
        _ if from.starts_with("src/") => return None,
        _ => format!("{folder}/{path}")
            .trim_start_matches('/')
            .to_owned(),
    };
    Some((file, heading.to_owned()))
}

fn resolves(from: &str, link: &str) -> bool {
    let Some((file, heading)) = leads_to(from, link) else {
        return true;
    };
    if !root().join(&file).exists() {
        return false;
    }
    let has = |file: &str| has_heading(&Page::read(file), &heading);
    // These two are one page of the docs.
    let one_page = file == "src/guide/clients.md" && has("src/guide/reqwest.md");
    heading.is_empty() || !file.ends_with(".md") || has(&file) || one_page
}

fn files_with_links(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("readable").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files_with_links(&path),
            false => vec![
                path.strip_prefix(root())
                    .expect("below")
                    .display()
                    .to_string(),
            ],
        })
        .filter(|path| path.ends_with(".md") || path.ends_with(".rs"))
        .collect()
}

#[test]
fn links_to_guides_and_headings_lead_somewhere() {
    let pages = [
        "README.md",
        "CHANGELOG.md",
        "tests/README.md",
        ".github/CONTRIBUTING.md",
    ]
    .map(String::from);
    let there = pages.into_iter().filter(|path| root().join(path).exists());
    let mut found = Vec::new();
    for path in there.chain(files_with_links(&root().join("src"))) {
        let text = fs::read_to_string(root().join(&path)).expect("text");
        let of_items = |link: &str| path.ends_with(".rs") && !link.contains("guide::");
        let dead = links(&text)
            .into_iter()
            .filter(|(_, link)| !of_items(link) && !resolves(&path, link));
        found.extend(dead.map(|(line, link)| format!("{path}:{line}: {link} leads nowhere")));
    }
    assert_none(&found);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let dead = [
        "#no-such-heading",
        "src/guide/no_such.md",
        "src/guide/many.md#no-such-heading",
        "crate::guide::no_such",
    ];
    for link in dead {
        assert!(!resolves("README.md", link), "{link}");
    }
    let alive = [
        "#on-axum",
        "https://docs.rs",
        "src/guide/many.md",
        "crate::guide::clients#reqwest",
        "crate::Circuit",
    ];
    for link in alive {
        assert!(resolves("README.md", link), "{link}");
    }
    assert_eq!(
        links("a [b](c#d) [e](f)\n//! [g]: h"),
        [(1, "c#d"), (1, "f"), (2, "h")]
    );
    assert_eq!(anchor("H5, `a_b`: what?"), "h5-a_b-what");
}
