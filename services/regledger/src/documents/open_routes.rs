//! The routes that every process has, open to everybody.

use serde_json::{Map, Value, json};

use super::components::reference;

/// Their operations, by path.
pub(super) fn paths() -> Map<String, Value> {
    let schema_name = json!([{
        "name": "name",
        "in": "path",
        "required": true,
        "description": "Name of the schema; the `dataschema` of an event ends with it",
        "schema": { "type": "string" },
        "example": "client.schema.json"
    }]);
    let routes = [
        (
            "/healthz",
            get(
                "isAlive",
                "Says that the process is alive",
                json!({
                    "200": text("It is", "text/plain; charset=utf-8", "ok\n")
                }),
            ),
        ),
        (
            "/readyz",
            get(
                "isReady",
                "Says whether what the process needs answers, each thing by name",
                json!({
                    "200": json_answer("Everything answers", &reference("Readiness")),
                    "503": json_answer("Something does not answer", &reference("Readiness"))
                }),
            ),
        ),
        (
            "/metrics",
            get(
                "readMetrics",
                "Reads the metrics for Prometheus",
                json!({
                    "200": text(
                        "Prometheus text format",
                        "text/plain; version=0.0.4; charset=utf-8",
                        "regledger_ledger_position{partition=\"0\"} 17\n",
                    )
                }),
            ),
        ),
        (
            "/openapi.json",
            get(
                "readOpenApi",
                "Reads this document",
                json!({
                    "200": json_answer("OpenAPI 3.1", &json!({ "type": "object" }))
                }),
            ),
        ),
        (
            "/asyncapi.json",
            get(
                "readAsyncApi",
                "Reads the description of the change stream",
                json!({
                    "200": json_answer("AsyncAPI 3.0", &json!({ "type": "object" }))
                }),
            ),
        ),
        (
            "/schemas/{name}",
            with(
                get(
                    "readSchema",
                    "Reads a JSON Schema",
                    json!({
                        "200": answer("JSON Schema", "application/schema+json", &json!({ "type": "object" }))
                    }),
                ),
                "parameters",
                schema_name,
            ),
        ),
    ];
    routes.map(|(path, operation)| (path.to_owned(), json!({ "get": operation }))).into_iter().collect()
}

fn get(id: &str, summary: &str, responses: Value) -> Value {
    json!({
        "operationId": id,
        "summary": summary,
        "tags": ["process"],
        "security": [],
        "responses": responses
    })
}

fn with(mut operation: Value, member: &str, value: Value) -> Value {
    operation[member] = value;
    operation
}

fn text(description: &str, media_type: &str, example: &str) -> Value {
    let mut answer = answer(description, media_type, &json!({ "type": "string" }));
    answer["content"][media_type]["example"] = json!(example);
    answer
}

fn json_answer(description: &str, schema: &Value) -> Value {
    answer(description, "application/json", schema)
}

fn answer(description: &str, media_type: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { media_type: { "schema": schema } } })
}
