//! Runs scenarios with the Rust client: `nacre-interop <server> <strict server> <name>...`.
//!
//! Prints one JSON line per scenario. A line `{"ask": …}` asks the runner for something, which it answers with a line on
//! standard input. `nacre-interop drive <addresses>` is told what to do instead.

mod api;
mod configs;
mod drive;
mod runner;
mod scenarios;

use api::Outcome;
use configs::Configs;
use scenarios::World;
use serde_json::json;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "drive" {
        if let Err(failure) = drive::run(&args[2]).await {
            eprintln!("{failure}");
            std::process::exit(1);
        }
        std::process::exit(0);
    }
    let mut world = None;
    let mut configs = None;
    for name in &args[3..] {
        let (ok, detail) = match run(name, &args, &mut world, &mut configs).await {
            Ok(detail) => (true, detail),
            Err(failure) => (false, failure.to_string()),
        };
        println!("{}", json!({ "name": name, "ok": ok, "detail": detail }));
    }
    // The client's own threads would keep the process.
    std::process::exit(0);
}

/// Connects the half that the scenario belongs to when it is the first of it.
async fn run(
    name: &str,
    args: &[String],
    world: &mut Option<World>,
    configs: &mut Option<Configs>,
) -> Outcome<String> {
    if name.starts_with("config-") {
        if configs.is_none() {
            *configs = Some(Configs::new(&args[1]).await?);
        }
        return configs.as_ref().unwrap().run(name).await;
    }
    if world.is_none() {
        *world = Some(World::new(&args[1], &args[2]).await?);
    }
    world.as_ref().unwrap().run(name).await
}
