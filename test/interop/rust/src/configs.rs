use crate::api::{eventually, Outcome};
use crate::runner::ask;
use nacos_sdk::api::config::{ConfigChangeListener, ConfigResponse, ConfigService, ConfigServiceBuilder};
use nacos_sdk::api::error::Error;
use nacos_sdk::api::props::ClientProps;
use serde_json::{json, Value};
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Instant;

const GROUP: &str = "DEFAULT_GROUP";
/// The client takes messages of 4 MiB, and the content stands in one.
const LARGE_BYTES: usize = 4_000_000;
const MANY: usize = 3000;
/// How many of them change: it reads one after the other, each with the wait of 40 ms described below.
const CHANGED: usize = 500;
/// Listeners that are added at a time: one after the other each waits 40 ms, as the client lets its system gather what
/// it sends.
const LISTENING: usize = 100;
/// What a listener holds before it was called.
const NOTHING: &str = "(nothing heard)";
/// After a reconnection the client asks for its configurations with its next round, which it makes each minute.
const ROUND_SECONDS: u64 = 75;

/// What an application does with the configuration half; each scenario gives a short detail or fails.
pub struct Configs {
    server: String,
    publisher: ConfigService,
    reader: ConfigService,
}

/// What a listener was told last.
struct Heard(Mutex<String>);

impl ConfigChangeListener for Heard {
    fn notify(&self, config: ConfigResponse) {
        *self.0.lock().unwrap() = config.content().clone();
    }
}

impl Heard {
    fn latest(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

async fn connect(server: &str, namespace: &str, labels: &[(&str, &str)]) -> Outcome<ConfigService> {
    let labels: HashMap<String, String> = labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let props = ClientProps::new().server_addr(server).namespace(namespace).labels(labels);
    Ok(ConfigServiceBuilder::new(props).build().await?)
}

async fn put(client: &ConfigService, data_id: &str, content: &str) -> Outcome<()> {
    same(data_id, true, client.publish_config(data_id.into(), GROUP.into(), content.into(), None).await?)?;
    ask("settled", json!({})).await?;
    Ok(())
}

async fn remove(client: &ConfigService, data_id: &str) -> Outcome<bool> {
    let removed = client.remove_config(data_id.into(), GROUP.into()).await?;
    ask("settled", json!({})).await?;
    Ok(removed)
}

/// `None` when there is none.
async fn get(client: &ConfigService, data_id: &str) -> Outcome<Option<ConfigResponse>> {
    match client.get_config(data_id.into(), GROUP.into()).await {
        Ok(found) => Ok(Some(found)),
        Err(Error::ConfigNotFound(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

async fn reads(client: &ConfigService, data_id: &str, want: Option<&str>) -> Outcome<()> {
    let found = get(client, data_id).await?;
    same(data_id, want, found.as_ref().map(|each| each.content().as_str()))
}

async fn show(data_id: &str) -> Outcome<Value> {
    ask("show", json!({ "dataId": data_id })).await
}

async fn put_from_outside(data_id: &str, content: &str) -> Outcome<()> {
    ask("put", json!({ "dataId": data_id, "content": content })).await.map(|_| ())
}

async fn add_listener(client: &ConfigService, data_id: &str) -> Outcome<Arc<Heard>> {
    let heard = Arc::new(Heard(Mutex::new(NOTHING.into())));
    client.add_listener(data_id.into(), GROUP.into(), heard.clone()).await?;
    Ok(heard)
}

/// The client tells the server that it listens after it has added the listener, and does not look at the answer.
async fn heard_by_server(data_id: &str, namespace: &str) -> Outcome<()> {
    eventually(10, "the server knows that it listens", true, || async {
        let answer = ask("listening", json!({ "dataId": data_id, "namespaceId": namespace })).await?;
        Ok(answer["clients"] != json!(0))
    })
    .await
}

async fn hear(client: &ConfigService, data_id: &str) -> Outcome<Arc<Heard>> {
    let heard = add_listener(client, data_id).await?;
    heard_by_server(data_id, "public").await?;
    Ok(heard)
}

async fn hears(heard: &Heard, what: &str, want: &str, seconds: u64) -> Outcome<()> {
    eventually(seconds, what, want.to_string(), || async { Ok(heard.latest()) }).await
}

fn same<T: PartialEq + Debug>(what: &str, want: T, got: T) -> Outcome<()> {
    if got == want {
        return Ok(());
    }
    Err(format!("{what}: want <{want:?}>, not <{got:?}>").into())
}

impl Configs {
    pub async fn new(server: &str) -> Outcome<Self> {
        Ok(Configs {
            server: server.into(),
            publisher: connect(server, "", &[]).await?,
            reader: connect(server, "", &[]).await?,
        })
    }

    pub async fn run(&self, name: &str) -> Outcome<String> {
        match name {
            "config-publish" => self.publish().await,
            "config-cas" => self.cas().await,
            "config-listen" => self.listen().await,
            "config-contents" => self.contents().await,
            "config-large" => self.large().await,
            "config-many" => self.many().await,
            "config-beta" => self.beta().await,
            "config-tag" => self.tag().await,
            "config-tenants" => self.tenants().await,
            "config-remove" => self.remove().await,
            "config-type" => self.kind().await,
            "config-history" => self.history().await,
            "config-restart" => self.restart().await,
            _ => Err(format!("no scenario {name}").into()),
        }
    }

    async fn publish(&self) -> Outcome<String> {
        put(&self.publisher, "publish", "a: 1").await?;
        same("over HTTP", json!("a: 1"), show("publish").await?["content"].clone())?;
        reads(&self.reader, "publish", Some("a: 1")).await?;
        reads(&self.reader, "publish-nothing", None).await?;
        Ok(String::new())
    }

    async fn cas(&self) -> Outcome<String> {
        put(&self.publisher, "cas", "one").await?;
        let md5 = get(&self.reader, "cas").await?.ok_or("it is not there")?.md5().clone();
        let publish = |md5: &str| {
            self.publisher.publish_config_cas("cas".into(), GROUP.into(), "two".into(), None, md5.into())
        };
        let Err(refusal) = publish("0123456789abcdef0123456789abcdef").await else {
            return Err("the wrong md5 was taken".into());
        };
        reads(&self.reader, "cas", Some("one")).await?;
        same("the right md5", true, publish(&md5).await?)?;
        reads(&self.reader, "cas", Some("two")).await?;
        Ok(refusal.to_string())
    }

    async fn listen(&self) -> Outcome<String> {
        put(&self.publisher, "listen", "one").await?;
        let listening = connect(&self.server, "", &[]).await?;
        let heard = hear(&listening, "listen").await?;
        put_from_outside("listen", "two").await?;
        hears(&heard, "changed", "two", 10).await?;
        remove(&self.publisher, "listen").await?;
        put_from_outside("listen", "three").await?;
        hears(&heard, "added again", "three", 10).await?;
        Ok("starts from one that is there: this client says nothing of one added or removed".into())
    }

    async fn contents(&self) -> Outcome<String> {
        let answer = ask("contents", json!({})).await?;
        let contents = answer["contents"].as_array().ok_or("no contents")?;
        for content in contents {
            let (name, text) = (content["name"].as_str().unwrap(), content["text"].as_str().unwrap());
            let data_id = format!("contents-{name}");
            put(&self.publisher, &data_id, text).await?;
            let shown = show(&data_id).await?;
            same(name, json!(text), shown["content"].clone())?;
            let read = get(&self.reader, &data_id).await?.ok_or("it is not there")?;
            same(name, text, read.content())?;
            same(name, shown["md5"].clone(), json!(read.md5()))?;
            let data_id = format!("from-outside-{name}");
            put_from_outside(&data_id, text).await?;
            reads(&self.reader, &data_id, Some(text)).await?;
        }
        Ok(format!("{} contents", contents.len()))
    }

    async fn large(&self) -> Outcome<String> {
        let text = "0123456789".repeat(LARGE_BYTES / 10);
        put(&self.publisher, "large", "small").await?;
        let listening = connect(&self.server, "", &[]).await?;
        let heard = hear(&listening, "large").await?;
        put(&self.publisher, "large", &text).await?;
        let read = get(&self.reader, "large").await?.ok_or("it is not there")?;
        same("its length", LARGE_BYTES, read.content().len())?;
        same("its md5", show("large").await?["md5"].clone(), json!(read.md5()))?;
        eventually(30, "a listener hears of it", true, || async { Ok(heard.latest() == text) }).await?;
        ask("putLarge", json!({ "dataId": "large-from-outside", "bytes": LARGE_BYTES })).await?;
        let read = get(&self.reader, "large-from-outside").await?.ok_or("it is not there")?;
        same("from outside", true, *read.content() == text)?;
        Ok(format!("{LARGE_BYTES} bytes: this client reads messages of up to 4 MiB"))
    }

    async fn many(&self) -> Outcome<String> {
        ask("putMany", json!({ "dataId": "many", "count": MANY, "content": "first" })).await?;
        let listening = connect(&self.server, "", &[]).await?;
        let mut heard = Vec::with_capacity(MANY);
        for start in (0..MANY).step_by(LISTENING) {
            let adding = (start..start + LISTENING).map(|i| {
                let client = listening.clone();
                tokio::spawn(async move { add_listener(&client, &format!("many-{i}")).await })
            });
            for added in adding.collect::<Vec<_>>() {
                heard.push(added.await??);
            }
        }
        for i in MANY - 20..MANY {
            heard_by_server(&format!("many-{i}"), "public").await?;
        }
        let started_at = Instant::now();
        ask("putMany", json!({ "dataId": "many", "count": CHANGED, "content": "changed" })).await?;
        eventually(90, "all hear of their change", CHANGED, || async {
            let right = |(i, each): &(usize, &Arc<Heard>)| each.latest() == format!("changed-{i}");
            Ok(heard.iter().enumerate().filter(right).count())
        })
        .await?;
        let heard_ms = started_at.elapsed().as_millis();
        Ok(format!("{CHANGED} of them changed, written and heard in {heard_ms} ms: this client reads one each 40 ms"))
    }

    async fn beta(&self) -> Outcome<String> {
        put(&self.publisher, "beta", "formal").await?;
        // The address by which the server knows this client.
        let history = ask("history", json!({ "dataId": "beta" })).await?;
        let ip = history["ip"].as_str().ok_or("no address")?;
        let listening = connect(&self.server, "", &[]).await?;
        let heard = hear(&listening, "beta").await?;
        let others = json!({ "dataId": "beta", "content": "not for me", "betaIps": "10.99.99.99" });
        ask("put", others.clone()).await?;
        reads(&self.reader, "beta", Some("formal")).await?;
        let ips = format!("10.99.99.99,{ip}");
        let published =
            self.publisher.publish_config_beta("beta".into(), GROUP.into(), "for me".into(), None, ips).await?;
        same("published", true, published)?;
        hears(&heard, "a beta version for this client", "for me", 10).await?;
        reads(&self.reader, "beta", Some("for me")).await?;
        ask("put", others).await?;
        hears(&heard, "the formal one again", "formal", 10).await?;
        Ok(format!("published by the client, for {ip}"))
    }

    async fn tag(&self) -> Outcome<String> {
        let blue = connect(&self.server, "", &[("app_Vipserver-Tag", "blue")]).await?;
        put(&self.publisher, "tag", "formal").await?;
        let heard = hear(&blue, "tag").await?;
        let params = HashMap::from([("tag".to_string(), "blue".to_string())]);
        let published = self
            .publisher
            .publish_config_param("tag".into(), GROUP.into(), "for blue".into(), None, None, params)
            .await?;
        same("published", true, published)?;
        hears(&heard, "a client with the tag", "for blue", 10).await?;
        reads(&blue, "tag", Some("for blue")).await?;
        reads(&self.reader, "tag", Some("formal")).await?;
        Ok("published by the client, for the label app_Vipserver-Tag=blue".into())
    }

    async fn tenants(&self) -> Outcome<String> {
        let blank = connect(&self.server, "", &[]).await?;
        let named = connect(&self.server, "public", &[]).await?;
        let green = connect(&self.server, "green", &[]).await?;
        put(&self.publisher, "tenants", "of public").await?;
        put(&green, "tenants", "of green").await?;
        reads(&named, "tenants", Some("of public")).await?;
        reads(&green, "tenants", Some("of green")).await?;
        let heard_blank = hear(&blank, "tenants").await?;
        let heard_named = add_listener(&named, "tenants").await?;
        let heard_green = add_listener(&green, "tenants").await?;
        heard_by_server("tenants", "green").await?;
        put_from_outside("tenants", "changed").await?;
        hears(&heard_blank, "written as blank", "changed", 10).await?;
        hears(&heard_named, "written as public", "changed", ROUND_SECONDS).await?;
        same("another, left alone", NOTHING.to_string(), heard_green.latest())?;
        put(&green, "tenants", "green changed").await?;
        hears(&heard_green, "another", "green changed", 10).await?;
        Ok(String::new())
    }

    async fn remove(&self) -> Outcome<String> {
        put(&self.publisher, "remove", "there").await?;
        reads(&self.reader, "remove", Some("there")).await?;
        same("removed", true, remove(&self.publisher, "remove").await?)?;
        same("over HTTP", json!(false), show("remove").await?["found"].clone())?;
        reads(&self.reader, "remove", None).await?;
        same("once more", true, remove(&self.publisher, "remove").await?)?;
        Ok(String::new())
    }

    async fn kind(&self) -> Outcome<String> {
        let json_type = Some("json".to_string());
        self.publisher.publish_config("type".into(), GROUP.into(), "{\"a\":1}".into(), json_type).await?;
        same("its type", json!("json"), show("type").await?["type"].clone())?;
        put(&self.publisher, "type", "{\"a\":2}").await?;
        same("its type still", json!("json"), show("type").await?["type"].clone())?;
        Ok(String::new())
    }

    async fn history(&self) -> Outcome<String> {
        put(&self.publisher, "history", "one").await?;
        put(&self.publisher, "history", "two").await?;
        remove(&self.publisher, "history").await?;
        let history = ask("history", json!({ "dataId": "history" })).await?;
        same("operations", json!("I U D"), history["ops"].clone())?;
        same("an address of this machine", json!(true), history["own"].clone())?;
        Ok(format!("by {}", history["ip"].as_str().unwrap_or("")))
    }

    async fn restart(&self) -> Outcome<String> {
        let listening = connect(&self.server, "", &[]).await?;
        put(&self.publisher, "restart", "before").await?;
        let heard = hear(&listening, "restart").await?;
        put_from_outside("restart", "listening").await?;
        hears(&heard, "before", "listening", 10).await?;
        ask("restart", json!({})).await?;
        put_from_outside("restart", "right after").await?;
        let restarted_at = Instant::now();
        hears(&heard, "right after the restart", "right after", ROUND_SECONDS).await?;
        let heard_ms = restarted_at.elapsed().as_millis();
        put_from_outside("restart", "later").await?;
        hears(&heard, "later", "later", ROUND_SECONDS).await?;
        reads(&self.reader, "restart", Some("later")).await?;
        Ok(format!("heard after {heard_ms} ms"))
    }
}
