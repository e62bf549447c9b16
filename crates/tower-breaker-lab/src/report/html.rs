//! One page with everything, fit to be put into a post-mortem. Nothing in it has to be loaded, and nothing runs.

use std::fmt::{self, Write};

use super::{Report, svg::Pictures, words};

const STYLE: &str = "\
<style>
:root{color-scheme:light dark}
body{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;max-width:72rem;margin:2rem auto;
padding:0 1rem;color:#222;background:#fff;line-height:1.45}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}
th,td{padding:.25rem .55rem;border-bottom:1px solid #8884;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
pre{overflow-x:auto;padding:.7rem 1rem;background:#8882;white-space:pre-wrap;overflow-wrap:anywhere}
figure{margin:1.5rem 0}
figure>svg{width:100%;height:auto}
@media (prefers-color-scheme:dark){body{color:#d6d9de;background:#14171c}}
</style>";

impl Report {
    /// One page of HTML: the table, the pictures, the advice, and all that it takes to run it again. It loads nothing,
    /// and has no script.
    #[must_use]
    pub fn html(&self) -> String {
        let mut html = String::new();
        // Writing to a string never fails.
        let _ = self.write_html(&mut html);
        html
    }

    fn write_html(&self, html: &mut String) -> fmt::Result {
        let name = words::escaped_name(&self.subject.name);
        writeln!(
            html,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width\"/>\n<title>{name}</title>\n{STYLE}\n</head>\n<body>"
        )?;
        writeln!(html, "<h1>{name}</h1>")?;
        self.write_table(html)?;
        self.write_notes(html)?;
        self.write_advice(html)?;
        let pictures = Pictures::of(self);
        for number in 0..self.entries.len() {
            writeln!(html, "<figure>\n{}</figure>", pictures.picture(number, 0.0))?;
        }
        self.write_settings(html)?;
        self.write_again(html)?;
        writeln!(html, "</body>\n</html>")
    }

    fn write_table(&self, html: &mut String) -> fmt::Result {
        let row = |cells: &[String], cell: &str| {
            let cells = cells
                .iter()
                .map(|text| format!("<{cell}>{}</{cell}>", words::escaped(text)));
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        let table = self.rows();
        let header = row(&table.header, "th");
        let rows: String = table.rows.iter().map(|cells| row(cells, "td")).collect();
        writeln!(
            html,
            "<div class=\"wide\">\n<table>\n<thead>\n{header}</thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>"
        )?;
        let legend: Vec<_> = table
            .legend
            .iter()
            .map(|line| words::escaped(line))
            .collect();
        writeln!(html, "<p>{}</p>", legend.join("<br/>\n"))
    }

    fn write_notes(&self, html: &mut String) -> fmt::Result {
        write_sentences(html, "The recording", self.notes())
    }

    fn write_advice(&self, html: &mut String) -> fmt::Result {
        write_sentences(html, "What the numbers say", self.advice())
    }

    fn write_settings(&self, html: &mut String) -> fmt::Result {
        writeln!(html, "<h2>Settings</h2>")?;
        for entry in &self.entries {
            let name = words::escaped_name(&entry.run.breaker);
            let about = words::escaped_text(&entry.about);
            writeln!(html, "<h3>{name}</h3>\n<pre>{about}</pre>")?;
        }
        Ok(())
    }

    fn write_again(&self, html: &mut String) -> fmt::Result {
        let (version, seed) = (env!("CARGO_PKG_VERSION"), self.subject.seed);
        let what = self.subject.what();
        writeln!(
            html,
            "<h2>To run it again</h2>\n<p>breaker-lab {version}, seed {seed}. The same {what}, settings, seed and \
             version give the same numbers.</p>"
        )?;
        writeln!(
            html,
            "<pre>{}</pre>",
            words::escaped_text(&self.subject.text)
        )
    }
}

fn write_sentences(html: &mut String, title: &str, sentences: Vec<String>) -> fmt::Result {
    if sentences.is_empty() {
        return Ok(());
    }
    writeln!(html, "<h2>{title}</h2>\n<ul>")?;
    for sentence in sentences {
        writeln!(html, "<li>{}</li>", words::escaped(&sentence))?;
    }
    writeln!(html, "</ul>")
}
