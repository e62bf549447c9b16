//! Somebody else's validator, with our schema.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use tower_breaker::config::SCHEMA;

/// Our schema, ready to check files.
pub(crate) struct Validator {
    schemas: Schemas,
    ours: SchemaIndex,
}

impl Validator {
    pub(crate) fn new() -> Self {
        let schema = serde_json::from_str(SCHEMA).expect("is JSON");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let name = "tower-breaker.schema.json";
        compiler.add_resource(name, schema).expect("new");
        let ours = compiler
            .compile(name, &mut schemas)
            .unwrap_or_else(|error| panic!("no schema: {error:#}"));
        Self { schemas, ours }
    }

    /// What it finds wrong.
    pub(crate) fn refuses(&self, file: &Value) -> Option<String> {
        let checked = self.schemas.validate(file, self.ours);
        checked.err().map(|error| format!("{error:#}"))
    }
}
