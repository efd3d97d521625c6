//! The runner of this program, which does things from outside when it is asked on standard output.

use crate::api::Outcome;
use serde_json::{json, Value};

/// `fields` is an object of what the request needs.
pub async fn ask(what: &str, mut fields: Value) -> Outcome<Value> {
    fields["ask"] = json!(what);
    println!("{fields}");
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    })
    .await??;
    let answer: Value = serde_json::from_str(&line)?;
    match answer.get("error") {
        Some(error) => Err(format!("{what}: {error}").into()),
        None => Ok(answer),
    }
}
