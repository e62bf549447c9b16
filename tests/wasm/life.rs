//! What tests/support/no_runtime.rs says, for an engine of WebAssembly to call. A panic stops the engine with an error.

#[path = "../support/no_runtime.rs"]
mod no_runtime;

fn main() {
    no_runtime::guards_open_and_close_a_circuit();
    no_runtime::a_call_that_need_not_wait_needs_no_executor();
    no_runtime::a_registry_makes_circuits();
}
