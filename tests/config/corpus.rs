//! Files with one mistake each, as TOML, and what is told of it.

/// What is wrong by its kind, its range or its name: an editor that has the schema marks it.
pub(crate) const BY_ITSELF: &[(&str, &str)] = &[
    // Keys.
    (
        "defalts.failure_rate = 0.5",
        "defalts: `defalts` is not known; did you mean `defaults`?",
    ),
    (
        "circuit.a.permits = 1",
        "circuit: `circuit` is not known; did you mean `circuits`?",
    ),
    (
        "xyz = 1",
        "xyz: `xyz`, but must be one of these keys: `defaults`, `matching`, `circuits`, `bases`, `caps`, `layers`, \
         `fleet`, `max_circuits`, `allow`, `$schema`",
    ),
    (
        "fleet.namespace = 1",
        "fleet.namespace: 1, but must be a text",
    ),
    ("fleet = true", "fleet: true, but must be a table"),
    (
        "fleet.scope = \"a\"",
        "fleet.namespace: not there, but must be the name of your application",
    ),
    (
        "fleet.namespace = \"\"",
        "fleet.namespace: \"\", but must be 1 to 64 of the letters a to z and A to Z, digits, `_`, `.` and `-`",
    ),
    (
        "fleet = { namespace = \"shop\", scope = \"{a}\" }",
        "fleet.scope: \"{a}\", but must be 0 to 64 of the letters a to z and A to Z, digits, `_`, `.` and `-`",
    ),
    (
        "fleet = { namespace = \"shop\", scopes = \"a\" }",
        "fleet.scopes: `scopes` is not known; did you mean `scope`?",
    ),
    (
        "fleet = { namespace = \"shop\", shards = 257 }",
        "fleet.shards: 257, but must be 1 to 256",
    ),
    (
        "fleet = { namespace = \"shop\", budget = 0 }",
        "fleet.budget: 0, but must be at least 1",
    ),
    (
        "fleet = { namespace = \"shop\", poll = \"0s\" }",
        "fleet.poll: \"0s\", but must be 10 ms to an hour",
    ),
    (
        "fleet = { namespace = \"shop\", interval = 100 }",
        "fleet.interval: 100, but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "fleet = { namespace = \"shop\", label = 7 }",
        "fleet.label: 7, but must be a text",
    ),
    (
        "layers.a.ky = \"route\"",
        "layers.a.ky: `ky` is not known; did you mean `key`?",
    ),
    (
        "layers.a.key = \"rout\"",
        "layers.a.key: `rout` is not known; did you mean `route`?",
    ),
    (
        "layers.a.key = { header = \"not a header\" }",
        "layers.a.key.header: \"not a header\", but must be the name of a header",
    ),
    (
        "layers.a.key = {}",
        "layers.a.key.header: not there, but must be the name of a header",
    ),
    (
        "layers.a.failures = 429",
        "layers.a.failures: 429, but must be a list of statuses",
    ),
    (
        "layers.a.failures = [42]",
        "layers.a.failures.0: 42, but must be a status from 100 to 999",
    ),
    (
        "layers.a.failures = [429, 429]",
        "layers.a.failures.1: 429, but must be a status that is there once",
    ),
    (
        "layers.a.known_keys_only = 1",
        "layers.a.known_keys_only: 1, but must be true or false",
    ),
    (
        "circuits.a.failure_rte = 0.5",
        "circuits.a.failure_rte: `failure_rte` is not known; did you mean `failure_rate`?",
    ),
    (
        "circuits.a.FAILURE_RATE = 0.5",
        "circuits.a.FAILURE_RATE: `FAILURE_RATE` is not known; did you mean `failure_rate`?",
    ),
    (
        "circuits.\"a.b\".permit = 1",
        "circuits.\"a.b\".permit: `permit` is not known; did you mean `permits`?",
    ),
    (
        "bases.b.mod = \"normal\"",
        "bases.b.mod: `mod` is not known; did you mean `mode`?",
    ),
    (
        "[[matching]]\nnames = \"*\"\nopen_fr = \"1s\"",
        "matching.0.open_fr: `open_fr` is not known; did you mean `open_for`?",
    ),
    // Tables and lists.
    ("defaults = 1", "defaults: 1, but must be a table"),
    ("circuits = \"a\"", "circuits: \"a\", but must be a table"),
    ("circuits.a = true", "circuits.a: true, but must be a table"),
    (
        "matching.a.permits = 1",
        "matching: a table, but must be a list of tables",
    ),
    ("matching = [1]", "matching.0: 1, but must be a table"),
    (
        "[[matching]]\npermits = 1",
        "matching.0.names: not there, but must be a name, in which `*` stands for any characters",
    ),
    (
        "[[matching]]\nnames = 1",
        "matching.0.names: 1, but must be a text",
    ),
    (
        "max_circuits = -1",
        "max_circuits: -1, but must be a whole number",
    ),
    (
        "max_circuits = \"9\"",
        "max_circuits: \"9\", but must be a whole number",
    ),
    // Counts.
    (
        "circuits.a.consecutive_failures = \"5\"",
        "circuits.a.consecutive_failures: \"5\", but must be a whole number",
    ),
    (
        "circuits.a.consecutive_failures = \"5000000000\"",
        "circuits.a.consecutive_failures: \"5000000000\", but must be a whole number",
    ),
    (
        "circuits.a.consecutive_failures = 2.5",
        "circuits.a.consecutive_failures: 2.5, but must be a whole number",
    ),
    (
        "circuits.a.consecutive_failures = -1",
        "circuits.a.consecutive_failures: -1, but must be a whole number",
    ),
    (
        "circuits.a.consecutive_failures = 0",
        "circuits.a.consecutive_failures: 0, but must be 1 to 4194303",
    ),
    (
        "circuits.a.minimum_calls = 0",
        "circuits.a.minimum_calls: 0, but must be at least 1",
    ),
    (
        "circuits.a.count_window = 5000000000",
        "circuits.a.count_window: 5000000000, but must be 1 to 65536",
    ),
    (
        "circuits.a.count_window = 65537",
        "circuits.a.count_window: 65537, but must be 1 to 65536 calls",
    ),
    (
        "circuits.a.count_window = [1]",
        "circuits.a.count_window: a list, but must be a whole number",
    ),
    (
        "circuits.a.permits = 0",
        "circuits.a.permits: 0, but must be 1 to 1, the number of `probes`",
    ),
    (
        "circuits.a = { time_window = \"1m\", time_window_buckets = 101 }",
        "circuits.a.time_window_buckets: 101, but must be 1 to 100",
    ),
    (
        "circuits.a.totals = 1",
        "circuits.a.totals: 1, but must be true or false",
    ),
    // Shares.
    (
        "circuits.a.failure_rate = 0",
        "circuits.a.failure_rate: 0.0, but must be a share above 0 and at most 1",
    ),
    (
        "circuits.a.failure_rate = 50",
        "circuits.a.failure_rate: 50, but must be a share above 0 and at most 1; did you mean \"50%\"?",
    ),
    (
        "circuits.a.failure_rate = \"50\"",
        "circuits.a.failure_rate: \"50\", but must be a share such as 0.5 or \"50%\"",
    ),
    (
        "circuits.a.failure_rate = \"half\"",
        "circuits.a.failure_rate: \"half\", but must be a share such as 0.5 or \"50%\"",
    ),
    (
        "circuits.a.failure_rate = \"150%\"",
        "circuits.a.failure_rate: 1.5, but must be a share above 0 and at most 1",
    ),
    (
        "circuits.a.failure_rate = true",
        "circuits.a.failure_rate: true, but must be a share such as 0.5 or \"50%\"",
    ),
    (
        "circuits.a.spread_retry_after = 2.0",
        "circuits.a.spread_retry_after: 2.0, but must be a share above 0 and at most 1; did you mean \"2%\"?",
    ),
    (
        "circuits.a.failure_rate = 12.5",
        "circuits.a.failure_rate: 12.5, but must be a share above 0 and at most 1; did you mean \"12.5%\"?",
    ),
    (
        "circuits.a.failure_rate = 1.5",
        "circuits.a.failure_rate: 1.5, but must be a share above 0 and at most 1",
    ),
    (
        "circuits.a.failure_rate = 101",
        "circuits.a.failure_rate: 101.0, but must be a share above 0 and at most 1",
    ),
    // Times.
    (
        "circuits.a.open_for = 30",
        "circuits.a.open_for: 30, but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits.a.open_for = \"30\"",
        "circuits.a.open_for: \"30\", but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits.a.open_for = \"soon\"",
        "circuits.a.open_for: \"soon\", but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits.a.open_for = \"-5s\"",
        "circuits.a.open_for: \"-5s\", but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits.a.open_for = \"0s\"",
        "circuits.a.open_for: 0ns, but must be a time above zero",
    ),
    (
        "circuits.a.slow_call_duration = \"0s\"",
        "circuits.a.slow_call_duration: 0ns, but must be a time above zero",
    ),
    (
        "circuits.a.half_open_timeout = \"0s\"",
        "circuits.a.half_open_timeout: 0ns, but must be a time above zero",
    ),
    (
        "circuits.a.probe_timeout = \"0s\"",
        "circuits.a.probe_timeout: 0ns, but must be a time above zero",
    ),
    (
        "circuits.a.open_for = \"1 0s\"",
        "circuits.a.open_for: \"1 0s\", but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits.a.failure_rate = \"5e1%\"",
        "circuits.a.failure_rate: \"5e1%\", but must be a share such as 0.5 or \"50%\"",
    ),
    ("\"$schema\" = 1", "\"$schema\": 1, but must be a text"),
    // Breaks that grow.
    (
        "circuits.a.open_for = {}",
        "circuits.a.open_for.first: not there, but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits.a.open_for = { first = 1 }",
        "circuits.a.open_for.first: 1, but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits.a.open_for = { first = \"1s\", factor = 0.5 }",
        "circuits.a.open_for.factor: 0.5, but must be a finite number of at least 1",
    ),
    (
        "circuits.a.open_for = { first = \"1s\", factor = \"2\" }",
        "circuits.a.open_for.factor: \"2\", but must be a number",
    ),
    (
        "circuits.a.open_for = { first = \"1s\", jiter = \"full\" }",
        "circuits.a.open_for.jiter: `jiter` is not known; did you mean `jitter`?",
    ),
    (
        "circuits.a.open_for = { first = \"1s\", jitter = \"ful\" }",
        "circuits.a.open_for.jitter: `ful` is not known; did you mean `full`?",
    ),
    (
        "circuits.a.open_for = { first = \"1s\", max = \"1m\" }",
        "circuits.a.open_for.factor: not there, but must be a number above 1, because there is a `max`",
    ),
    // Longer than any that one would write: by a digit, and by a byte.
    (
        "circuits.a.open_for = \"1000000000000000ns\"",
        "circuits.a.open_for: \"1000000000000000ns\", but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits.a.open_for = \"1s                                                            1ms\"",
        "circuits.a.open_for: \"1s                                                            1ms\", but must be a \
         time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    // What humantime would panic at, and a month that looks like a minute.
    (
        "circuits.a.open_for = \"1M\"",
        "circuits.a.open_for: \"1M\", but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits.a.open_for = \"18446744073709551615s 1000ms\"",
        "circuits.a.open_for: \"18446744073709551615s 1000ms\", but must be a time such as \
         \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    // Probes, ramps, words.
    (
        "circuits.a.probes = \"2/3\"",
        "circuits.a.probes: \"2/3\", but must be a number such as 3, or \"2 of 3\"",
    ),
    (
        "circuits.a.probes = 64",
        "circuits.a.probes.of: 64, but must be 1 to 63",
    ),
    (
        "circuits.a.ramp = \"10s\"",
        "circuits.a.ramp: \"10s\", but must be a table such as { over = \"10s\", from = \"10%\" }",
    ),
    (
        "circuits.a.ramp = { over = \"10s\" }",
        "circuits.a.ramp.from: not there, but must be a share such as 0.5 or \"50%\"",
    ),
    (
        "circuits.a.ramp = { over = \"0s\", from = 0.1 }",
        "circuits.a.ramp: 0ns, but must be a time above zero",
    ),
    (
        "circuits.a.ramp = { over = \"1s\", from = 0 }",
        "circuits.a.ramp.from: 0.0, but must be a share above 0 and at most 1",
    ),
    (
        "circuits.a.shed = 2.0",
        "circuits.a.shed: 2.0, but must be a table such as { multiplier = 1.5, floor = \"10%\" }",
    ),
    (
        "circuits.a.shed = { multiplier = 2 }",
        "circuits.a.shed.floor: not there, but must be a share such as 0.5 or \"50%\"",
    ),
    (
        "circuits.a.shed = { floor = 0.1 }",
        "circuits.a.shed.multiplier: not there, but must be a number such as 1.5",
    ),
    (
        "circuits.a = { consecutive_failures = 5, shed = { multiplier = 0.5, floor = 0.1 } }",
        "circuits.a.shed.multiplier: 0.5, but must be 1 to 100",
    ),
    (
        "circuits.a = { consecutive_failures = 5, shed = { multiplier = 101, floor = 0.1 } }",
        "circuits.a.shed.multiplier: 101.0, but must be 1 to 100",
    ),
    (
        "circuits.a = { consecutive_failures = 5, shed = { multiplier = \"50%\", floor = 0.1 } }",
        "circuits.a.shed.multiplier: \"50%\", but must be a number",
    ),
    (
        "circuits.a = { consecutive_failures = 5, shed = { multiplier = 2, floor = 0 } }",
        "circuits.a.shed.floor: 0.0, but must be a share above 0 and below 1",
    ),
    (
        "circuits.a = { consecutive_failures = 5, shed = { multiplier = 2, floor = 0.1, flor = 0.1 } }",
        "circuits.a.shed.flor: `flor` is not known; did you mean `floor`?",
    ),
    // What is around the breaker.
    (
        "circuits.a.call_timeout = \"0s\"",
        "circuits.a.call_timeout: 0ns, but must be a time above zero",
    ),
    (
        "circuits.a.bulkhead = 0",
        "circuits.a.bulkhead.places: 0, but must be 1 to 1000000",
    ),
    (
        "circuits.a.bulkhead = { wait = \"50ms\" }",
        "circuits.a.bulkhead.places: not there, but must be a whole number of at least 1",
    ),
    (
        "circuits.a.bulkhead = { places = 2, wiat = \"1s\" }",
        "circuits.a.bulkhead.wiat: `wiat` is not known; did you mean `wait`?",
    ),
    (
        "circuits.a.retries = 101",
        "circuits.a.retries.at_most: 101, but must be 1 to 100",
    ),
    (
        "circuits.a.retries = { share = 0.1 }",
        "circuits.a.retries.at_most: not there, but must be a whole number of at least 1",
    ),
    (
        "circuits.a.retries = { at_most = 1, max_wait = \"0s\" }",
        "circuits.a.retries.max_wait: 0ns, but must be a time above zero",
    ),
    (
        "circuits.a.shared = 2",
        "circuits.a.shared: 2, but must be true or false",
    ),
    (
        "circuits.a.shared = { instances = 0 }",
        "circuits.a.shared.instances: 0, but must be 1 to 10000",
    ),
    (
        "circuits.a.shared = { instances = 10001 }",
        "circuits.a.shared.instances: 10001, but must be 1 to 10000",
    ),
    (
        "circuits.a.shared = { share = 1.1 }",
        "circuits.a.shared.share: 1.1, but must be a share above 0 and at most 1",
    ),
    (
        "circuits.a.shared = { revision = \"four\" }",
        "circuits.a.shared.revision: \"four\", but must be a whole number",
    ),
    (
        "circuits.a.shared = { revision = 4503599627370497 }",
        "circuits.a.shared.revision: 4503599627370497, but must be 0 to 4503599627370496",
    ),
    (
        "circuits.a.shared = { trip_now = 1 }",
        "circuits.a.shared.trip_now: 1, but must be true or false",
    ),
    (
        "circuits.a.shared = { instance = 3 }",
        "circuits.a.shared.instance: `instance` is not known; did you mean `instances`?",
    ),
    (
        "circuits.a.mode = \"forced-open\"",
        "circuits.a.mode: `forced-open` is not known; did you mean `forced_open`?",
    ),
    (
        "circuits.a.mode = 1",
        "circuits.a.mode: 1, but must be a text",
    ),
    (
        "circuits.a.mode = \"on\"",
        "circuits.a.mode: `on`, but must be one of these words: `normal`, `shadow`, `disabled`, `forced_open`",
    ),
    (
        "circuits.a.abandoned = \"fail\"",
        "circuits.a.abandoned: `fail`, but must be one of these words: `ignore`, `failure`, `failure_if_slow`",
    ),
    (
        "circuits.a.abandoned = { failure_after = \"0s\" }",
        "circuits.a.abandoned: FailureAfter(0ns), but must be after a time above zero",
    ),
    (
        "circuits.a.tags = [\"a\"]",
        "circuits.a.tags: a list, but must be a table",
    ),
    (
        "circuits.a.tags.tier = 1",
        "circuits.a.tags.tier: 1, but must be a text",
    ),
    (
        "circuits.a.abandoned = {}",
        "circuits.a.abandoned.failure_after: not there, but must be a time such as \"30s\", \
         \"250ms\" or \"1m 30s\"",
    ),
    (
        "max_circuits = 0",
        "max_circuits: 0, but must be at least 1",
    ),
    (
        "bases.b.failure_rate = 2.0",
        "bases.b.failure_rate: 2.0, but must be a share above 0 and at most 1; did you mean \"2%\"?",
    ),
    (
        "circuits.a.jitter_seed = -1",
        "circuits.a.jitter_seed: -1, but must be a whole number",
    ),
    (
        "circuits.a.ramp = { over = \"1s\", from = 0.5, form = 0.5 }",
        "circuits.a.ramp.form: `form` is not known; did you mean `from`?",
    ),
    (
        "circuits.a.abandoned = { failure_after = \"2s\", after = \"1s\" }",
        "circuits.a.abandoned.after: `after`, but must be one of these keys: `failure_after`",
    ),
    // What nobody extends.
    (
        "bases.b.permits = 64",
        "bases.b.permits: 64, but must be 1 to 63, the number of `probes`",
    ),
    (
        "bases.b.time_window_buckets = 101",
        "bases.b.time_window_buckets: 101, but must be 1 to 100",
    ),
    // Names and bases.
    (
        "[circuits.\"\"]",
        "circuits.\"\": \"\", but must be a name that can be read",
    ),
    (
        "circuits.a.extends = 1",
        "circuits.a.extends: 1, but must be a text",
    ),
    // Lints.
    (
        "allow = [\"window-never-fils\"]",
        "allow.0: `window-never-fils` is not known; did you mean `window-never-fills`?",
    ),
    (
        "defaults.allow = \"window-never-fills\"",
        "defaults.allow: \"window-never-fills\", but must be a list of names of lints",
    ),
    (
        "bases.b.allow = [\"trips-on-background-errors\", 1]",
        "bases.b.allow.1: 1, but must be a text",
    ),
];

/// What no schema can say: what makes no sense together, which of two times is longer, what is named elsewhere.
pub(crate) const TOGETHER: &[(&str, &str)] = &[
    (
        "circuits.a.retries = { at_most = 1, share = 0, per_second = 0 }",
        "circuits.a.retries.per_second: 0, but must be above 0 where `retries.share` is 0: no call would ever be \
         repeated",
    ),
    (
        "fleet = { namespace = \"shop\", detach_after = \"2h\" }",
        "fleet.detach_after: \"2h\", but must be 10 ms to an hour",
    ),
    (
        "fleet = { namespace = \"shop\", detach_after = \"1s\" }",
        "fleet.detach_after: 1s, but must be at least twice `poll`",
    ),
    (
        "fleet = { namespace = \"shop\", poll = \"2s\" }",
        "fleet.poll: 2s, but must be at most 1/2 of `detach_after`, which is 3s",
    ),
    (
        "fleet = { namespace = \"shop\", interval = \"1s\", detach_after = \"3900ms\" }",
        "fleet.detach_after: 3.9s, but must be at least four times `interval`",
    ),
    (
        "circuits.a = { shared = true, totals = false }",
        "circuits.a.totals: off, but must be on where the circuit is `shared`",
    ),
    (
        "circuits.a = { shared = true, probes = 32 }",
        "circuits.a.probes.of: 32, but must be 1 to 31 where the circuit is `shared`",
    ),
    (
        "layers.a = { failures = [429], ignored = [429] }",
        "layers.a.ignored.0: 429, but must be a status that is there once",
    ),
    (
        "circuits.a = { time_window = \"1m\", count_window = 50 }",
        "circuits.a.time_window: 60s, but must be left out where there is a `count_window`: a circuit has one window",
    ),
    (
        "circuits.a.failure_rate = \"off\"",
        "circuits.a.failure_rate: off, but must be set where there is neither `consecutive_failures` nor `shed` nor \
         `trip_when`",
    ),
    (
        "circuits.a.shed = { multiplier = 2, floor = \"10%\" }",
        "circuits.a.failure_rate: 0.5, but must be above 0.5, from where a `shed.multiplier` of 2 sheds, or off; left \
         out, it is 0.5",
    ),
    (
        "circuits.a = { failure_rate = 0.33, shed = { multiplier = 1.5, floor = \"10%\" } }",
        "circuits.a.failure_rate: 0.33, but must be above 0.333334, from where a `shed.multiplier` of 1.5 sheds, or \
         off; left out, it is 0.5",
    ),
    (
        "defaults.shed = { multiplier = 1.25, floor = \"10%\" }\ncircuits.a.failure_rate = 0.2",
        "circuits.a.failure_rate: 0.2, but must be above 0.2, from where a `shed.multiplier` of 1.25 sheds, or off; \
         left out, it is 0.5",
    ),
    (
        "circuits.a = { consecutive_failures = 5, shed = { multiplier = 2, floor = 1 } }",
        "circuits.a.shed.floor: 1.0, but must be a share above 0 and below 1",
    ),
    (
        "circuits.a.minimum_calls = 101",
        "circuits.a.minimum_calls: 101, but must be 1 to 100, the size of the `count_window`",
    ),
    (
        "circuits.a.time_window_buckets = 5",
        "circuits.a.time_window_buckets: 5, but must be left out where there is no `time_window`",
    ),
    (
        "circuits.a.permits = 2",
        "circuits.a.permits: 2, but must be 1 to 1, the number of `probes`",
    ),
    (
        "circuits.a.slow_call_rate = 0.5",
        "circuits.a.slow_call_duration: not set, but must be set together with `slow_call_rate`",
    ),
    (
        "circuits.a.time_window = \"2days\"",
        "circuits.a.time_window: 172800s, but must be 1ms to 86400s",
    ),
    (
        "circuits.a.consecutive_failures_span = \"1s\"",
        "circuits.a.consecutive_failures_span: 1s, but must be left out where there is no `consecutive_failures`",
    ),
    (
        "circuits.a.open_for = { first = \"2s\", factor = 2, max = \"1s\" }",
        "circuits.a.open_for.max: 1s, but must be at least the first open time",
    ),
    (
        "circuits.a.probes = \"3 of 2\"",
        "circuits.a.probes.successes: 3, but must be 1 to 2, the number of probes",
    ),
    (
        "max_circuits = 1\n[circuits.a]\n[circuits.b]",
        "max_circuits: 1, but must be at least 2, the number of `circuits`",
    ),
    (
        "circuits.a.extends = \"b\"",
        "circuits.a.extends: `b`, but must be one of the `bases`, of which there is none",
    ),
    (
        "circuits.a.extends = \"critcal\"\n[bases.critical]",
        "circuits.a.extends: `critcal` is not known; did you mean `critical`?",
    ),
    (
        "bases.a.extends = \"a\"",
        "bases.a.extends: `a`, which extends itself, but must be a base that ends somewhere",
    ),
];

/// What can be wrong in TOML only. Of what is told in the format's own words, `…`, only the place is compared: the rest
/// may be another in its next release.
pub(crate) const IN_TOML: &[(&str, &str)] = &[
    (
        "circuits.a.failure_rate = nan",
        "circuits.a.failure_rate: NaN, but must be a share above 0 and at most 1",
    ),
    (
        "circuits.a.failure_rate = inf",
        "circuits.a.failure_rate: inf, but must be a share above 0 and at most 1",
    ),
    (
        "circuits.a.failure_rate = -0.0",
        "circuits.a.failure_rate: -0.0, but must be a share above 0 and at most 1",
    ),
    (
        "circuits.a.open_for = 07:32:00",
        "circuits.a.open_for: \"07:32:00\", but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits.a.open_for = 1979-05-27",
        "circuits.a.open_for: \"1979-05-27\", but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits.a.permits = 1\ncircuits.a.permits = 1",
        "… line 2, column 12",
    ),
    ("circuits.a.permits = ", "… line 1, column 22"),
    ("circuits.a.failure_rate = 50%", "… line 1, column 27"),
    ("circuits.a.open_for = 30s", "… line 1, column 23"),
    ("[circuits.a\npermits = 1", "… line 1, column 12"),
    ("[circuits.a]\n[circuits.a]", "… line 2, column 11"),
    (
        "[matching]\nnames = \"*\"",
        "matching: a table, but must be a list of tables",
    ),
    (
        "circuits.a.permits = 99999999999999999999",
        "circuits.a.permits: 99999999999999999999, but must be 1 to 63",
    ),
];

/// What can be wrong in JSON only.
pub(crate) const IN_JSON: &[(&str, &str)] = &[
    ("", "… line 1 column 0"),
    ("null", "nothing, but must be a table"),
    ("[]", "a list, but must be a table"),
    ("{} {}", "… line 1 column 4"),
    (
        r#"{ "defaults": null }"#,
        "defaults: nothing, but must be a table",
    ),
    (
        r#"{ "circuits": { "a": null } }"#,
        "circuits.a: nothing, but must be a table",
    ),
    (
        r#"{ "circuits": { "a": { "failure_rate": null } } }"#,
        "circuits.a.failure_rate: nothing, but must be a share such as 0.5 or \"50%\"",
    ),
    (
        r#"{ "circuits": { "a": { "permits": 1, "permits": 1 } } }"#,
        "circuits.a.permits: there twice, but must be there once",
    ),
    (
        r#"{ "circuits": {}, "circuits": {} }"#,
        "circuits: there twice, but must be there once",
    ),
    (
        r#"{ "circuits": { "a": { "permits": 1.0 } } }"#,
        "circuits.a.permits: 1.0, but must be a whole number",
    ),
    (
        r#"{ "circuits": { "a": { "permits": 1e2 } } }"#,
        "circuits.a.permits: 100.0, but must be a whole number",
    ),
    (
        r#"{ "circuits": { "a": { "permits": 99999999999999999999 } } }"#,
        "circuits.a.permits: 1e20, but must be 1 to 63",
    ),
    (
        r#"{ "circuits": { "a": { "failure_rate": 1e400 } } }"#,
        "… line 1 column 44",
    ),
    (
        r#"{ "circuits": { "a": { "permits": 1, } } }"#,
        "… line 1 column 38",
    ),
    (
        r#"{ "circuits": { "a": { permits: 1 } } }"#,
        "… line 1 column 24",
    ),
    ("{ // the defaults\n}", "… line 1 column 3"),
    (
        r#"{ "circuits": { "a": { "failure_rate": 50% } } }"#,
        "… line 1 column 42",
    ),
    (
        r#"{ "circuits": { "a": { "mode": "\ud800" } } }"#,
        "… line 1 column 39",
    ),
    (
        r#"{ "circuits": { "a": { "permits": "1" "#,
        "… line 1 column 38",
    ),
];

/// What can be wrong in YAML only.
pub(crate) const IN_YAML: &[(&str, &str)] = &[
    ("- a", "a list, but must be a table"),
    ("~", "nothing, but must be a table"),
    ("defaults:", "defaults: nothing, but must be a table"),
    (
        "circuits:\n  a:",
        "circuits.a: nothing, but must be a table",
    ),
    (
        "circuits:\n  a:\n    failure_rate:",
        "circuits.a.failure_rate: nothing, but must be a share such as 0.5 or \"50%\"",
    ),
    (
        "circuits:\n  a:\n    failure_rate: .nan",
        "circuits.a.failure_rate: NaN, but must be a share above 0 and at most 1",
    ),
    (
        "circuits:\n  a:\n    failure_rate: .inf",
        "circuits.a.failure_rate: inf, but must be a share above 0 and at most 1",
    ),
    (
        "circuits:\n  a:\n    totals: yes",
        "circuits.a.totals: \"yes\", but must be true or false",
    ),
    (
        "circuits:\n  a:\n    ramp: no",
        "circuits.a.ramp: \"no\", but must be a table such as { over = \"10s\", from = \"10%\" }",
    ),
    (
        "circuits:\n  a:\n    open_for: 1:30",
        "circuits.a.open_for: \"1:30\", but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits:\n  a:\n    open_for: 30",
        "circuits.a.open_for: 30, but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
    ),
    (
        "circuits:\n  a:\n    permits: 1_000",
        "circuits.a.permits: \"1_000\", but must be a whole number",
    ),
    (
        "circuits:\n  a:\n    permits: 1\n    permits: 1",
        "circuits.a.permits: there twice, but must be there once",
    ),
    (
        "circuits:\n  a: {}\n  a: {}",
        "circuits.a: there twice, but must be there once",
    ),
    (
        "circuits:\n  1: { permits: 0 }",
        "circuits.1.permits: 0, but must be 1 to 1, the number of `probes`",
    ),
    ("circuits:\n  ? [a]\n  : {}", "… line 2 column 5"),
    (
        "circuits:\n  a:\n  permits: 1",
        "circuits.a: nothing, but must be a table\ncircuits.permits: 1, but must be a table",
    ),
    ("circuits:\n\ta: {}", "… line 2 column 1"),
    ("circuits:\n  a: { permits: 1", "… line 2 column 6"),
    ("circuits:\n  a: *unknown", "… line 2 column 6"),
    (
        "a: &a\n  permits: 0\ncircuits:\n  b: *a",
        "a: `a`, but must be one of these keys: `defaults`, `matching`, `circuits`, `bases`, `caps`, `layers`, \
         `fleet`, `max_circuits`, `allow`, `$schema`\n\
         circuits.b.permits: 0, but must be 1 to 1, the number of `probes`",
    ),
    (
        "defaults: &d { permits: 1 }\ncircuits:\n  a:\n    <<: *d",
        "circuits.a.\"<<\": `<<`, but must be one of these keys: `failure_rate`, `consecutive_failures`, \
         `consecutive_failures_span`, `slow_call_rate`, `slow_call_duration`, `minimum_calls`, \
         `count_window`, `time_window`, `time_window_buckets`, `open_for`, `jitter_seed`, \
         `permits`, `probes`, `half_open_timeout`, `probe_timeout`, `call_timeout`, `bulkhead`, `retries`, \
         `shared`, `ramp`, `shed`, `spread_retry_after`, `abandoned`, `mode`, `totals`, `durations`, `event_log`, \
         `tags`, `extends`, `allow`",
    ),
    ("circuits:\n  a: !mine { permits: 1 }", "… line 2 column 6"),
    (
        "defaults: {}\n---\ndefaults: {}",
        "… more than one document",
    ),
    (
        "matching:\n  names: \"*\"",
        "matching: a table, but must be a list of tables",
    ),
    ("matching:\n  - names: *", "… line 2 column 12"),
];
