//! Runs scenarios with the Rust client: `nacre-interop <server> <strict server> <name>...`.
//!
//! Prints one JSON line per scenario. `{"ask":"restart"}` asks the runner to kill and restart the server; the line
//! `restarted` on standard input says that it has.

mod api;
mod scenarios;

use scenarios::World;
use serde_json::json;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let world = World::new(&args[1], &args[2]).await.expect("the client connects");
    for name in &args[3..] {
        let (ok, detail) = match world.run(name).await {
            Ok(detail) => (true, detail),
            Err(failure) => (false, failure.to_string()),
        };
        println!("{}", json!({ "name": name, "ok": ok, "detail": detail }));
    }
    // The client's own threads would keep the process.
    std::process::exit(0);
}
