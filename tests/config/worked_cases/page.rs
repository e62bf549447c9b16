//! The page, and what stands on it.

use std::{env, fs, sync::Mutex};

use tower_breaker::Settings;

use super::{super::read, Row};

const PATH: &str = "src/guide/settings.md";

/// Tests run side by side, and each writes its table.
static WRITING: Mutex<()> = Mutex::new(());

pub(super) struct Page(String);

impl Page {
    pub(super) fn read() -> Self {
        Self(fs::read_to_string(PATH).expect("the page"))
    }

    /// What its file says of the circuit of this name.
    pub(super) fn settings(&self, name: &str) -> Settings {
        let head = format!("```toml\n[circuits.{name}]\n");
        let (_, rest) = self.0.split_once(&head).expect("a block of the circuit's");
        let (keys, _) = rest.split_once("```").expect("an end");
        let config = read(&format!("[circuits.{name}]\n{keys}")).expect("makes sense");
        let registry = config.registry().build().expect("valid");
        registry.get(name).expect("there").settings()
    }

    /// The function of this name stands on it as it does in this code.
    #[track_caller]
    pub(super) fn shows(&self, name: &str, code: &str) {
        let head = format!("pub fn {name}()");
        let (_, rest) = code.split_once(&head).expect("a function");
        let (body, _) = rest.split_once("\n}\n").expect("an end");
        let snippet = format!("{head}{body}\n}}\n```\n");
        assert!(self.0.contains(&snippet), "{PATH} shows another {name}");
    }

    /// The table of this name has these rows. With `BLESS=1` it gets them.
    #[track_caller]
    pub(super) fn holds(name: &str, heads: &[&str], rows: &[Row]) {
        let _alone = WRITING.lock();
        let Self(page) = Self::read();
        let begin = format!("<!-- {name}: written by tests/config/worked_cases.rs -->\n");
        let end = format!("<!-- end of {name} -->");
        let (before, rest) = page.split_once(&begin).expect("the table is there");
        let (there, after) = rest.split_once(&end).expect("the table has an end");
        let table = table(heads, rows);
        if env::var_os("BLESS").is_some() {
            fs::write(PATH, format!("{before}{begin}{table}{end}{after}")).expect("written");
        } else {
            assert!(
                there == table,
                "{PATH} has other numbers; with BLESS=1 these:{table}"
            );
        }
    }
}

fn table(heads: &[&str], rows: &[Row]) -> String {
    let mut table = format!(
        "\n| | {} |\n|---|{}\n",
        heads.join(" | "),
        "--:|".repeat(heads.len())
    );
    for (label, cells) in rows {
        table += &format!("| {label} | {} |\n", cells.join(" | "));
    }
    table + "\n"
}
