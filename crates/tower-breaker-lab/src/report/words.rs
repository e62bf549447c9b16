//! Numbers and names as people read them.

use std::time::Duration;

use tower_breaker::Settings;

use crate::formulas;

/// A name is cut after so many characters. Those of a grid have all their keys.
const LONGEST_NAME: usize = 200;
/// A picture has no room for more.
const LONGEST_DRAWN: usize = 60;
/// A text, such as that of a scenario, is cut after so many.
const LONGEST_TEXT: usize = 100_000;

/// `99.1 %`, `0.25 %`, `<0.01 %`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent.abs() {
        0.0 => "0 %".to_owned(),
        size if size < 0.005 => "<0.01 %".to_owned(),
        size if (size - size.round()).abs() < 1e-9 => format!("{percent:.0} %"),
        size if size < 9.995 => format!("{percent:.2} %"),
        _ => format!("{percent:.1} %"),
    }
}

/// `sheds 20 % of the calls at 60 % failures, 60 % at 80 %, 90 % at 100 %.` If failures open it, up to there: `…, and
/// opens at 95 %.` None if it does not shed.
pub(crate) fn sheds(settings: &Settings) -> Option<String> {
    let (multiplier, floor) = settings.shed()?;
    let opens = settings.failure_rate();
    let shares = [0.2, 0.4, 0.6, 0.8, 1.0]
        .map(|failing| (formulas::shed(failing, multiplier, floor), failing))
        .into_iter()
        .filter(|(share, failing)| *share > 1e-9 && opens.is_none_or(|opens| *failing < opens));
    let mut shown = Vec::new();
    for (share, failing) in shares {
        let of = ["", " of the calls"][usize::from(shown.is_empty())];
        let failures = ["", " failures"][usize::from(shown.is_empty())];
        let (share, failing) = (percent(share), percent(failing));
        shown.push(format!("{share}{of} at {failing}{failures}"));
    }
    if shown.is_empty() {
        shown.push(format!(
            "above {} failures",
            percent(1.0 - 1.0 / multiplier)
        ));
    }
    let opens = opens.map_or(String::new(), |at| {
        format!(", and opens at {}", percent(at))
    });
    Some(format!("sheds {}{opens}.", shown.join(", ")))
}

/// `once`, `12 times`.
pub(crate) fn times(number: u64) -> String {
    match number {
        1 => "once".to_owned(),
        many => format!("{} times", count(many)),
    }
}

/// `480 ms`, `4.95 s`, `2m 5s`, `3h 20m`.
pub(crate) fn time(time: Duration) -> String {
    let whole = time.as_secs_f64().round();
    match time.as_secs_f64() {
        0.0 => "0 s".to_owned(),
        seconds if seconds < 0.001 => format!("{:.3} ms", seconds * 1e3),
        seconds if seconds < 0.9995 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds < 9.995 => format!("{} s", trimmed(seconds, 2)),
        // Marks of an axis are whole minutes.
        seconds if seconds < 99.95 && seconds != 60.0 => format!("{} s", trimmed(seconds, 1)),
        _ if whole < 3_600.0 => two_units(whole, 60.0, "m", "s"),
        _ if whole < 86_400.0 => two_units((whole / 60.0).round(), 60.0, "h", "m"),
        _ => two_units((whole / 3_600.0).round(), 24.0, "d", "h"),
    }
}

fn two_units(number: f64, many: f64, large: &str, small: &str) -> String {
    let (first, rest) = ((number / many).floor(), number % many);
    match rest {
        0.0 => format!("{}{large}", grouped(first)),
        _ => format!("{}{large} {rest:.0}{small}", grouped(first)),
    }
}

/// Without zeros at the end.
fn trimmed(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// `8,420`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn grouped(number: f64) -> String {
    let text = format!("{number:.0}");
    text.parse().map_or(text, count)
}

/// `0`, `0.03`, `20.4`, `8,420`.
pub(crate) fn number(number: f64) -> String {
    match number.abs() {
        size if size.is_infinite() => "∞".to_owned(),
        size if size >= 1e15 => format!("{number:.1e}"),
        size if size >= 99.95 => grouped(number),
        size if size >= 9.995 => trimmed(number, 1),
        size if size >= 0.1 || size == 0.0 => trimmed(number, 2),
        size if size >= 0.0001 => trimmed(number, 4),
        _ => format!("{number:.1e}"),
    }
}

/// One line of bounded length, without anything that could steer a terminal or turn text around.
pub(crate) fn name(name: &str) -> String {
    cut(name, LONGEST_NAME)
}

fn cut(name: &str, longest: usize) -> String {
    let mut shown: String = name.chars().take(longest).map(harmless).collect();
    if name.chars().nth(longest).is_some() {
        shown.push('…');
    }
    shown
}

/// The same without a bound.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(harmless).collect()
}

/// The same of several lines.
pub(crate) fn visible_lines(text: &str) -> String {
    let lines = text.lines().map(|line| visible(&line.replace('\t', " ")));
    lines.collect::<Vec<_>>().join("\n")
}

fn harmless(c: char) -> char {
    match is_harmful(c) || c == '\n' || c == '\t' {
        true => '\u{fffd}',
        false => c,
    }
}

/// Controls, what XML does not allow, and marks that change the direction of text.
fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// For XML and HTML, within elements and attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\r' => {}
            c if is_harmful(c) => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// A name for XML and HTML.
pub(crate) fn escaped_name(name: &str) -> String {
    escaped(&self::name(name))
}

/// A name that is drawn.
pub(crate) fn escaped_drawn(name: &str) -> String {
    escaped(&cut(name, LONGEST_DRAWN))
}

/// A long text for XML and HTML.
pub(crate) fn escaped_text(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((at, _)) => format!("{}\n… (it is cut here)", escaped(&text[..at])),
        None => escaped(text),
    }
}

/// Text for a cell of Markdown: nothing in it is markup.
pub(crate) fn markdown(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' | '$' => {
                safe.extend(['\\', c]);
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shed_is_told_from_where_it_begins() {
        let opens = |multiplier: f64, rate: Option<f64>| {
            let mut settings = Settings::default();
            settings.set_shed((multiplier, 0.1)).set_failure_rate(rate);
            sheds(&settings)
        };
        let told = |multiplier| opens(multiplier, None);
        let text = "sheds 20 % of the calls at 60 % failures, 60 % at 80 %, 90 % at 100 %.";
        assert_eq!(told(2.0).as_deref(), Some(text));
        let text = "sheds 90 % of the calls at 100 % failures.";
        assert_eq!(told(100.0).as_deref(), Some(text));
        assert_eq!(sheds(&Settings::default()), None);
        // What it would shed beyond that, it does not.
        let text = "sheds 20 % of the calls at 60 % failures, 60 % at 80 %, and opens at 95 %.";
        assert_eq!(opens(2.0, Some(0.95)).as_deref(), Some(text));
        let text = "sheds 20 % of the calls at 60 % failures, and opens at 80 %.";
        assert_eq!(opens(2.0, Some(0.8)).as_deref(), Some(text));
        let text = "sheds above 50 % failures, and opens at 60 %.";
        assert_eq!(opens(2.0, Some(0.6)).as_deref(), Some(text));
    }

    fn ms(ms: u64) -> String {
        time(Duration::from_millis(ms))
    }

    #[test]
    fn shares() {
        let shown = [0.0, 0.00001, 0.0025, 0.05, 0.0512, 0.991, 1.0, -0.5].map(percent);
        let expected = [
            "0 %", "<0.01 %", "0.25 %", "5 %", "5.12 %", "99.1 %", "100 %", "-50 %",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn times() {
        let shown = [0, 480, 1_000, 4_950, 84_200, 125_000, 7_200_000, 90_000_000].map(ms);
        assert_eq!(
            shown,
            [
                "0 s", "480 ms", "1 s", "4.95 s", "84.2 s", "2m 5s", "2h", "1d 1h"
            ]
        );
    }

    #[test]
    fn numbers() {
        let shown = [0.0, 0.03, 2.5, 20.44, 8_420.0, 6e-24].map(number);
        assert_eq!(shown, ["0", "0.03", "2.5", "20.4", "8,420", "6.0e-24"]);
        assert_eq!(count(1_010_100), "1,010,100");
        assert_eq!(count(999), "999");
    }

    #[test]
    fn names_do_no_harm() {
        assert_eq!(
            name("a\u{1b}[31m\nb\u{202e}c"),
            "a\u{fffd}[31m\u{fffd}b\u{fffd}c"
        );
        assert_eq!(name(&"x".repeat(1_000)).chars().count(), LONGEST_NAME + 1);
        assert_eq!(
            escaped("<script>\"'&\0"),
            "&lt;script&gt;&quot;&#39;&amp;\u{fffd}"
        );
        assert_eq!(markdown("a|b<i>`"), "a\\|b&lt;i&gt;\\`");
    }
}
