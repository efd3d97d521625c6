//! Runs scenarios with tonic: `nacre-grpc-client <plain> <tls> <gzip> <pings> <ca file> <name>...`, where the servers are
//! `host:port`. Prints `ok NAME` or `not ok NAME reason` for each.

mod echo;
mod scenarios;

use scenarios::World;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let world = World {
        plain: args[0].clone(),
        tls: args[1].clone(),
        gzip: args[2].clone(),
        pings: args[3].clone(),
        ca_file: args[4].clone(),
    };
    for name in &args[5..] {
        match world.run(name).await {
            Ok(()) => println!("ok {name}"),
            Err(failure) => {
                let words: Vec<String> = failure
                    .to_string()
                    .split_whitespace()
                    .map(String::from)
                    .collect();
                println!("not ok {name} {}", words.join(" "));
            }
        }
    }
}
