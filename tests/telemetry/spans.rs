//! What a log and a trace get (rule L7).

mod log;
