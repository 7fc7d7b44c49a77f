//! The JSON Schema of fleet specs, as published for editors and as used to read them.

use ghostnet_core::spec::RawFleetSpec;
use serde_json::Value;

/// The schema. `infra/fleet.schema.json` is this, kept equal by a test.
pub(crate) fn published() -> Value {
    let mut schema = schemars::schema_for!(RawFleetSpec).to_value();
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("title".to_owned(), Value::from("GhostNet fleet"));
    }
    schema
}

/// The schema as a file.
pub(crate) fn text() -> String {
    let mut text = serde_json::to_string_pretty(&published()).unwrap_or_default();
    text.push('\n');
    text
}
