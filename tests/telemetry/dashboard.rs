//! The files in `examples/monitoring`, as far as that can be said without Prometheus and Grafana. `.ci/monitoring` runs
//! every query.

use std::{collections::BTreeSet, fs, ops::Range};

use boon::{Compiler, Schemas};
use serde_json::{Value, json};

fn text(name: &str) -> String {
    let path = format!("examples/monitoring/{name}");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn json(name: &str) -> Value {
    serde_json::from_str(&text(name)).expect("is JSON")
}

fn yaml(name: &str) -> Value {
    yaml_serde::from_str(&text(name)).expect("is YAML")
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.unwrap_or_else(|| panic!("there is no list {pointer}"))
}

fn str<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("there is no text {pointer} in {value}"))
}

fn number(value: &Value, pointer: &str) -> u64 {
    let found = value.pointer(pointer).and_then(Value::as_u64);
    found.unwrap_or_else(|| panic!("there is no number {pointer} in {value}"))
}

fn panels(dashboard: &Value) -> &[Value] {
    list(dashboard, "/panels")
}

fn targets(panel: &Value) -> &[Value] {
    let targets = panel.get("targets").and_then(Value::as_array);
    targets.map(Vec::as_slice).unwrap_or_default()
}

/// All that stand under `field`, wherever.
fn all<'a>(value: &'a Value, field: &str, into: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| all(item, field, into)),
        Value::Object(fields) => {
            into.extend(fields.get(field).and_then(Value::as_str));
            fields.values().for_each(|value| all(value, field, into));
        }
        _ => {}
    }
}

fn what_the_schema_refuses(dashboard: &Value) -> Option<String> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let name = "dashboard.schema.json";
    compiler.add_resource(name, json(name)).expect("new");
    let ours = compiler
        .compile(name, &mut schemas)
        .unwrap_or_else(|error| panic!("no schema: {error:#}"));
    let checked = schemas.validate(dashboard, ours);
    checked.err().map(|error| format!("{error:#}"))
}

#[test]
fn the_dashboard_is_as_its_schema_has_it() {
    assert_eq!(what_the_schema_refuses(&json("dashboard.json")), None);
}

// Grafana passes over what it does not know. So a schema that does, too, would find nothing.
#[test]
fn the_schema_refuses_a_slip() {
    let uid = json!({"type": "prometheus", "uid": "PBFA97CFB590B2093"});
    let slips = [
        ("/uid", json!("abc")),
        ("/id", json!(7)),
        ("/panel", json!([])),
        ("/schemaVersion", json!("39")),
        ("/templating/lists", json!([])),
        ("/templating/list/1/datasource", uid.clone()),
        ("/templating/list/1/query/query", json!("label_value(x)")),
        ("/annotations/list/0/exprs", json!("circuit_breaker_state")),
        ("/panels/0/gridPos/h", json!(2)),
        ("/panels/1/gridPos/x", json!(24)),
        ("/panels/1/type", json!("singlestat")),
        ("/panels/1/datasource", uid),
        ("/panels/1/options/reduceOptions/calcs", json!(["last"])),
        ("/panels/2/targets/0/format", json!("time_series")),
        ("/panels/2/targets/0/query", json!("circuit_breaker_state")),
        ("/panels/2/fieldConfig/defaults/units", json!("s")),
        (
            "/panels/2/fieldConfig/overrides/0/properties/0/id",
            json!("mapping"),
        ),
        ("/panels/4/fieldConfig/defaults/unit", json!("seconds")),
    ];
    for (pointer, slip) in slips {
        let mut dashboard = json("dashboard.json");
        let (parent, field) = pointer.rsplit_once('/').expect("has one");
        let parent = dashboard.pointer_mut(parent).expect(pointer);
        parent[field] = slip;
        assert!(what_the_schema_refuses(&dashboard).is_some(), "{pointer}");
    }
}

/// Where it is, in columns and in rows.
fn place(panel: &Value) -> [Range<u64>; 2] {
    [("x", "w"), ("y", "h")].map(|(from, size)| {
        let from = number(panel, &format!("/gridPos/{from}"));
        from..from + number(panel, &format!("/gridPos/{size}"))
    })
}

#[test]
fn no_panel_lies_over_another_one_or_has_its_id() {
    let dashboard = json("dashboard.json");
    let panels = panels(&dashboard);
    for (number, one) in panels.iter().enumerate() {
        let [columns, rows] = place(one);
        assert!(columns.end <= 24, "{one}");
        for other in &panels[..number] {
            let [its_columns, its_rows] = place(other);
            let apart = |a: &Range<u64>, b: &Range<u64>| a.end <= b.start || b.end <= a.start;
            assert!(
                apart(&columns, &its_columns) || apart(&rows, &its_rows),
                "{one} and {other}"
            );
            assert_ne!(one["id"], other["id"]);
        }
    }
}

/// The labels in a legend, as in `{{circuit}} threshold`.
fn named_in(legend: &str) -> BTreeSet<&str> {
    let names = legend
        .split("{{")
        .skip(1)
        .filter_map(|rest| rest.split("}}").next());
    names.map(str::trim).collect()
}

/// The labels that an aggregation leaves.
fn left_by(expr: &str) -> BTreeSet<&str> {
    let lists = expr
        .split(" by (")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    lists
        .flat_map(|list| list.split(',').map(str::trim))
        .collect()
}

#[test]
fn a_legend_names_labels_that_its_query_leaves() {
    let dashboard = json("dashboard.json");
    for target in panels(&dashboard).iter().flat_map(targets) {
        let (expr, legend) = (str(target, "/expr"), target["legendFormat"].as_str());
        let (named, left) = (named_in(legend.unwrap_or_default()), left_by(expr));
        assert!(named.is_subset(&left), "{legend:?} of {expr}");
    }
    let opened = &list(&dashboard, "/annotations/list")[0];
    let named: BTreeSet<_> = ["/titleFormat", "/textFormat"]
        .iter()
        .flat_map(|format| named_in(str(opened, format)))
        .collect();
    assert!(named.is_subset(&left_by(str(opened, "/expr"))), "{opened}");
}

#[test]
fn a_table_has_a_column_for_each_of_its_queries() {
    let dashboard = json("dashboard.json");
    let tables = panels(&dashboard)
        .iter()
        .filter(|panel| panel["type"] == "table");
    let mut seen = 0;
    for table in tables {
        let columns = table.pointer("/transformations/1/options/renameByName");
        let columns = columns.and_then(Value::as_object).expect("columns");
        let names: BTreeSet<_> = columns.values().filter_map(Value::as_str).collect();
        for target in targets(table) {
            let value = format!("Value #{}", str(target, "/refId"));
            assert!(columns.contains_key(&value), "{value}");
        }
        for override_ in list(table, "/fieldConfig/overrides") {
            let column = str(override_, "/matcher/options");
            assert!(names.contains(column), "{column}");
        }
        assert_eq!(columns.len(), targets(table).len() + 1, "and the circuit");
        seen += 1;
    }
    assert_eq!(seen, 1);
}

#[test]
fn a_query_of_one_panel_has_a_letter_of_its_own() {
    let dashboard = json("dashboard.json");
    for panel in panels(&dashboard) {
        let letters: BTreeSet<_> = targets(panel)
            .iter()
            .map(|target| str(target, "/refId"))
            .collect();
        assert_eq!(letters.len(), targets(panel).len(), "{panel}");
    }
}

/// All queries of both files, in one line each.
fn queries() -> Vec<String> {
    let (dashboard, rules) = (json("dashboard.json"), yaml("rules.yml"));
    let mut found = Vec::new();
    all(&dashboard, "expr", &mut found);
    all(&rules, "expr", &mut found);
    let one_line = |query: &str| query.split_whitespace().collect::<Vec<_>>().join(" ");
    found.into_iter().map(one_line).collect()
}

// Without that, `result="failure"` finds nothing to be divided by.
#[test]
fn both_sides_of_a_division_are_summed_by_the_same() {
    let mut divisions = 0;
    for query in queries() {
        let sides: Vec<_> = query.split(" / ").map(left_by).collect();
        for pair in sides.windows(2) {
            assert!(pair[0].contains("circuit"), "{query}");
            assert_eq!(pair[0], pair[1], "{query}");
            divisions += 1;
        }
    }
    assert!(divisions >= 4, "only {divisions}");
}

// The other way round, the restart of one instance looks like a burst of all that the others have counted.
#[test]
fn a_counter_is_never_summed_before_its_rate() {
    for query in queries() {
        for range in ["rate(", "increase("] {
            for of in query.split(range).skip(1) {
                assert!(of.starts_with("circuit_breaker_"), "{query}");
            }
        }
    }
}

#[test]
fn every_panel_follows_the_choice_of_circuits() {
    let dashboard = json("dashboard.json");
    for target in panels(&dashboard).iter().flat_map(targets) {
        let expr = str(target, "/expr");
        let of_all = expr == "sum by (state) (circuit_breaker_circuits)";
        assert!(of_all || expr.contains(r#"circuit=~"$circuit""#), "{expr}");
    }
}

/// The names of the alerts.
fn alerts(rules: &Value) -> BTreeSet<&str> {
    let rules = list(rules, "/groups/0/rules").iter();
    rules.map(|rule| str(rule, "/alert")).collect()
}

#[test]
fn each_alert_says_what_it_is_and_how_bad() {
    let rules = yaml("rules.yml");
    for rule in list(&rules, "/groups/0/rules") {
        let severity = str(rule, "/labels/severity");
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{severity}"
        );
        for annotation in ["/annotations/summary", "/annotations/description"] {
            assert!(!str(rule, annotation).is_empty());
        }
    }
}

#[test]
fn each_alert_is_tested_where_it_fires_and_where_it_does_not() {
    let (rules, tests) = (yaml("rules.yml"), yaml("rules_test.yml"));
    let tested = |fires: bool| -> BTreeSet<_> {
        let cases = list(&tests, "/tests").iter();
        cases
            .flat_map(|test| list(test, "/alert_rule_test"))
            .filter(|case| list(case, "/exp_alerts").is_empty() != fires)
            .map(|case| str(case, "/alertname"))
            .collect()
    };
    assert_eq!(tested(true), alerts(&rules));
    assert_eq!(tested(false), alerts(&rules));
}
