//! An application that does what it is told on standard input for as long as that is open, with the addresses of a
//! whole cluster: see test/cluster/lib/driver.ts.

use crate::api::Outcome;
use nacos_sdk::api::naming::{
    NamingChangeEvent, NamingEventListener, NamingService, NamingServiceBuilder, ServiceInstance,
};
use nacos_sdk::api::props::ClientProps;
use serde_json::{json, Value};
use std::sync::Arc;

pub async fn run(addresses: &str) -> Outcome<()> {
    let props = ClientProps::new().server_addr(addresses).namespace("").naming_push_empty_protection(false);
    let naming = NamingServiceBuilder::new(props).build().await?;
    println!("{}", json!({ "ready": true }));
    while let Some(line) = tokio::task::spawn_blocking(next_line).await?? {
        let order: Value = serde_json::from_str(&line)?;
        match follow(&naming, &order).await {
            Ok(()) => println!("{}", json!({ "done": order["id"] })),
            Err(failure) => println!("{}", json!({ "done": order["id"], "error": failure.to_string() })),
        }
    }
    Ok(())
}

fn next_line() -> std::io::Result<Option<String>> {
    let mut line = String::new();
    Ok((std::io::stdin().read_line(&mut line)? > 0).then_some(line))
}

async fn follow(naming: &NamingService, order: &Value) -> Outcome<()> {
    let text = |name: &str| order[name].as_str().unwrap_or_default().to_string();
    let service = text("service");
    let port = order["port"].as_i64().unwrap_or_default() as i32;
    let instance = ServiceInstance { ip: text("ip"), port, ..Default::default() };
    match text("do").as_str() {
        "register" => naming.register_instance(service, None, instance).await?,
        "deregister" => naming.deregister_instance(service, None, instance).await?,
        "subscribe" => {
            let shown = Arc::new(Shown { service: service.clone() });
            naming.subscribe(service, None, Vec::new(), shown).await?
        }
        other => return Err(format!("nobody knows how to {other}").into()),
    }
    Ok(())
}

struct Shown {
    service: String,
}

impl NamingEventListener for Shown {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        let instances = event.instances.clone().unwrap_or_default();
        let hosts: Vec<Value> =
            instances.iter().map(|i| json!({ "address": i.ip_and_port(), "healthy": i.healthy })).collect();
        println!("{}", json!({ "service": self.service, "hosts": hosts }));
    }
}
