//! The server as seen over its HTTP API, which the client has no hand in, and waiting for what is expected there.

use serde_json::Value;
use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Clone)]
pub struct Api {
    base: String,
    http: reqwest::Client,
}

impl Api {
    /// Of several servers the first is asked.
    pub fn new(servers: &str) -> Self {
        let server = servers.split(',').next().unwrap_or(servers);
        Api { base: format!("http://{server}/nacos/v1/ns/instance"), http: reqwest::Client::new() }
    }

    pub async fn hosts(&self, namespace: &str, group: &str, service: &str) -> Outcome<Vec<Value>> {
        let url = format!("{}/list?namespaceId={namespace}&groupName={group}&serviceName={service}", self.base);
        let text = self.http.get(url).send().await?.error_for_status()?.text().await?;
        let info: Value = serde_json::from_str(&text)?;
        Ok(info["hosts"].as_array().cloned().unwrap_or_default())
    }

    /// Sorted `ip:port` of the instances.
    pub async fn addresses(&self, namespace: &str, group: &str, service: &str) -> Outcome<String> {
        let hosts = self.hosts(namespace, group, service).await?;
        let found = hosts.iter().map(|h| format!("{}:{}", h["ip"].as_str().unwrap_or(""), h["port"]));
        Ok(sorted(found.collect()))
    }

    pub async fn publish(&self, service: &str, ip: &str, port: u16, more: &str) -> Outcome<()> {
        let url = format!("{}?serviceName={service}&ip={ip}&port={port}&{more}", self.base);
        self.http.post(url).send().await?.error_for_status()?;
        Ok(())
    }
}

pub fn sorted(mut addresses: Vec<String>) -> String {
    addresses.sort();
    addresses.join(" ")
}

/// Waits until `actual` gives `want`; its errors meanwhile count as "not yet".
pub async fn eventually<T, F, Fut>(seconds: u64, what: &str, want: T, actual: F) -> Outcome<()>
where
    T: PartialEq + Debug,
    F: Fn() -> Fut,
    Fut: Future<Output = Outcome<T>>,
{
    let give_up_at = Instant::now() + Duration::from_secs(seconds);
    loop {
        let got = actual().await;
        if matches!(&got, Ok(value) if *value == want) {
            return Ok(());
        }
        if Instant::now() > give_up_at {
            return Err(format!("not within {seconds} s: {what}: want <{want:?}>, last <{got:?}>").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
