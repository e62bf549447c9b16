//! The tables of the guide's page, written from the table of keys.

use std::{fmt::Write as _, fs};

use super::{
    fleet::LONGEST_PART,
    keys::{ALLOW, CAP, CIRCUIT, EXTENDS, FLEET, Key, LAYER, NAMES, PARTS, Shape, Unsaid},
    schema::hold,
};
use crate::circuit::settings::Settings;

const FILE: &str = "src/guide/configuration.md";
const BEGIN: &str = "<!-- keys: begin -->\n";
const END: &str = "<!-- keys: end -->\n";

const LEGEND: &str = "\
* A **time** is text such as `\"30s\"`, `\"250ms\"`, `\"1m 30s\"` or `\"1.5h\"`, above zero. A month is `\"1month\"`, \
since `M` looks like a minute.
* A **share** is `0.5` or `\"50%\"`, above 0 and at most 1.
* The value `\"off\"` turns a setting **off**, also one that an earlier block has set.
";

fn tables() -> String {
    let circuit = || CIRCUIT.iter().map(|(key, _)| key);
    let mut tables = format!("{LEGEND}\n## What a file is made of\n\n");
    table(&mut tables, "", PARTS.iter());
    tables += "\nAn entry of `matching`, and any block:\n\n";
    table(&mut tables, "", [&NAMES, &EXTENDS, &ALLOW].into_iter());
    tables += "\nAn entry of `caps`:\n\n";
    table(&mut tables, "", CAP.iter());
    tables += "\nA layer in `layers`:\n\n";
    table(&mut tables, "", LAYER.iter());
    tables += "\nThe `fleet`:\n\n";
    table(&mut tables, "", FLEET.iter());
    tables += "\n## Settings of a circuit\n\nEach key links to the method of the builder, which tells more.\n\n";
    table(&mut tables, "crate::CircuitBuilder::", circuit());
    tables += "\n## Tables in place of a value\n";
    for key in circuit().chain(&LAYER) {
        for shape in key.shapes {
            if let Shape::Table(keys) = shape {
                write!(tables, "\n`{}`:\n\n", key.name).expect("text");
                table(&mut tables, "", keys.iter());
            }
        }
    }
    tables
}

fn table<'a>(to: &mut String, link: &str, keys: impl Iterator<Item = &'a Key>) {
    *to += "| key | value | where it is left out | |\n|---|---|---|---|\n";
    for key in keys {
        let name = match (link, key.name) {
            ("", name) => format!("`{name}`"),
            (_, "tags") => format!("[`tags`]({link}tag)"),
            (_, name) => format!("[`{name}`]({link}{name})"),
        };
        let shapes: Vec<_> = key.shapes.iter().map(of_shape).collect();
        let default = match key.unsaid {
            Unsaid::Required => "must be there".to_owned(),
            Unsaid::Nothing => "–".to_owned(),
            Unsaid::Is(default) => format!("`{}`", default(&Settings::default())),
        };
        let value = shapes.join(", or ");
        writeln!(to, "| {name} | {value} | {default} | {} |", key.about).expect("text");
    }
}

fn of_shape(shape: &Shape) -> String {
    match *shape {
        Shape::Off => "`\"off\"`".to_owned(),
        Shape::Whole(u64::MAX) | Shape::Count(0, u32::MAX) => "a whole number".to_owned(),
        Shape::Whole(most) => format!("a whole number from 0 to {most}"),
        Shape::Count(least, u32::MAX) => format!("a whole number of at least {least}"),
        Shape::Count(least, most) => format!("a whole number from {least} to {most}"),
        Shape::Number(least) => format!("a number of at least {least}"),
        Shape::NumberTo(least, most) => format!("a number from {least} to {most}"),
        Shape::Share => "a share".to_owned(),
        Shape::Time => "a time".to_owned(),
        Shape::TimeOf(least, most) => {
            let written = humantime::format_duration;
            format!("a time from {} to {}", written(least), written(most))
        }
        Shape::NoShare => "0".to_owned(),
        Shape::NoTime => "`\"0s\"`".to_owned(),
        Shape::Switch => "`true`, or `false`".to_owned(),
        Shape::Word(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(", ")
        }
        Shape::Probes => "`\"2 of 3\"`".to_owned(),
        Shape::Text => "a text".to_owned(),
        Shape::Part(_) => {
            format!("letters, digits, `_`, `.` and `-`, at most {LONGEST_PART} of them")
        }
        Shape::Name => "a name, or a pattern".to_owned(),
        Shape::Texts => "a table of texts".to_owned(),
        Shape::Table(keys) => {
            let keys: Vec<_> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
            format!("a table with {}", keys.join(", "))
        }
        Shape::List(_) => "a list of tables".to_owned(),
        Shape::Tables(_) => "a table of names, each with a table".to_owned(),
        Shape::HeaderName => "the name of a header".to_owned(),
        Shape::Statuses => "a list of statuses".to_owned(),
        Shape::Circuit => "settings of a circuit".to_owned(),
        Shape::Circuits | Shape::Bases => {
            "a table of names, each with settings of a circuit".to_owned()
        }
        Shape::Lints => "a list of [lints](crate::config::lint)".to_owned(),
        Shape::Patterns => "a list, each with `names` and settings of a circuit".to_owned(),
    }
}

// I7
#[test]
fn the_guide_says_what_the_table_of_keys_says() {
    let page = fs::read_to_string(FILE).expect("there");
    let (before, rest) = page.split_once(BEGIN).expect("begins somewhere");
    let (_, after) = rest.split_once(END).expect("ends somewhere");
    let said = format!("{before}{BEGIN}\n{}\n{END}{after}", tables());
    hold(FILE, &said, |now| now == said);
}
