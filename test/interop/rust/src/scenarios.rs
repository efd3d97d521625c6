use crate::api::{eventually, sorted, Api, Outcome};
use crate::runner::ask;
use nacos_sdk::api::naming::{
    NamingChangeEvent, NamingEventListener, NamingService, NamingServiceBuilder, ServiceInstance,
};
use nacos_sdk::api::props::ClientProps;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

const GROUP: &str = "DEFAULT_GROUP";

/// What an application does with the client; each scenario gives a short detail or fails.
pub struct World {
    server: String,
    strict_server: String,
    api: Api,
    publisher: NamingService,
    reader: NamingService,
}

/// Keeps what a subscription was told last.
#[derive(Default)]
struct Pushed(Mutex<Vec<ServiceInstance>>);

impl NamingEventListener for Pushed {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        *self.0.lock().unwrap() = event.instances.clone().unwrap_or_default();
    }
}

impl Pushed {
    async fn addresses(&self) -> Outcome<String> {
        Ok(addresses(&self.0.lock().unwrap()))
    }
}

async fn connect(server: &str, namespace: &str) -> Outcome<NamingService> {
    let props = ClientProps::new().server_addr(server).namespace(namespace).naming_push_empty_protection(false);
    Ok(NamingServiceBuilder::new(props).build().await?)
}

fn instance(ip: impl Into<String>) -> ServiceInstance {
    ServiceInstance { ip: ip.into(), port: 8080, ..Default::default() }
}

fn addresses(instances: &[ServiceInstance]) -> String {
    sorted(instances.iter().map(|i| i.ip_and_port()).collect())
}

async fn all(client: &NamingService, group: &str, service: &str, clusters: &[&str]) -> Outcome<String> {
    let clusters = clusters.iter().map(|c| c.to_string()).collect();
    Ok(addresses(&client.get_all_instances(service.into(), Some(group.into()), clusters, false).await?))
}

impl World {
    pub async fn new(server: &str, strict_server: &str) -> Outcome<Self> {
        Ok(World {
            server: server.into(),
            strict_server: strict_server.into(),
            api: Api::new(server),
            publisher: connect(server, "").await?,
            reader: connect(server, "").await?,
        })
    }

    pub async fn run(&self, name: &str) -> Outcome<String> {
        match name {
            "register" => self.register().await,
            "deregister" => self.deregister().await,
            "batch" => self.batch().await,
            "subscribe" => self.subscribe().await,
            "select" => self.select().await,
            "metadata" => self.metadata().await,
            "metadata-refused" => self.metadata_refused().await,
            "persistent" => self.persistent().await,
            "groups" => self.groups().await,
            "namespaces" => self.namespaces().await,
            "clusters" => self.clusters().await,
            "services" => self.services().await,
            "thousand" => self.thousand().await,
            "restart" => self.restart().await,
            _ => Err(format!("no scenario {name}").into()),
        }
    }

    async fn over_http(&self, service: &str) -> Outcome<String> {
        self.api.addresses("public", GROUP, service).await
    }

    async fn publish(&self, service: &str, instance: ServiceInstance) -> Outcome<()> {
        Ok(self.publisher.register_instance(service.into(), None, instance).await?)
    }

    async fn batch_publish(&self, service: &str, ips: &[String]) -> Outcome<()> {
        let instances = ips.iter().map(instance).collect();
        Ok(self.publisher.batch_register_instance(service.into(), None, instances).await?)
    }

    async fn watch(&self, service: &str) -> Outcome<Arc<Pushed>> {
        let pushed = Arc::new(Pushed::default());
        self.reader.subscribe(service.into(), None, Vec::new(), pushed.clone()).await?;
        Ok(pushed)
    }

    async fn register(&self) -> Outcome<String> {
        self.publish("register", instance("10.1.0.1")).await?;
        let want = || "10.1.0.1:8080".to_string();
        eventually(10, "the instance over HTTP", want(), || self.over_http("register")).await?;
        eventually(10, "the instance through the client", want(), || all(&self.reader, GROUP, "register", &[])).await?;
        Ok(String::new())
    }

    async fn deregister(&self) -> Outcome<String> {
        self.publish("deregister", instance("10.1.0.2")).await?;
        eventually(10, "the instance", "10.1.0.2:8080".into(), || self.over_http("deregister")).await?;
        self.publisher.deregister_instance("deregister".into(), None, instance("10.1.0.2")).await?;
        eventually(10, "no instance", String::new(), || self.over_http("deregister")).await?;
        Ok(String::new())
    }

    async fn batch(&self) -> Outcome<String> {
        self.batch_publish("batch", &["10.2.0.1".into(), "10.2.0.2".into(), "10.2.0.3".into()]).await?;
        let three = "10.2.0.1:8080 10.2.0.2:8080 10.2.0.3:8080";
        eventually(10, "three instances", three.into(), || self.over_http("batch")).await?;
        self.batch_publish("batch", &["10.2.0.1".into(), "10.2.0.4".into()]).await?;
        let two = "10.2.0.1:8080 10.2.0.4:8080";
        eventually(10, "the smaller batch", two.into(), || self.over_http("batch")).await?;
        Ok(String::new())
    }

    async fn subscribe(&self) -> Outcome<String> {
        self.api.publish("subscribe", "10.3.0.9", 8080, "").await?;
        let pushed = self.watch("subscribe").await?;
        eventually(15, "what is there already", "10.3.0.9:8080".into(), || pushed.addresses()).await?;
        self.publish("subscribe", instance("10.3.0.1")).await?;
        let both = "10.3.0.1:8080 10.3.0.9:8080";
        eventually(8, "an added instance", both.into(), || pushed.addresses()).await?;
        let metadata = HashMap::from([("zone".to_string(), "b".to_string())]);
        self.publish("subscribe", ServiceInstance { weight: 5.0, metadata, ..instance("10.3.0.1") }).await?;
        eventually(8, "its new weight and metadata", "5 Some(\"b\")".to_string(), || async {
            let held = pushed.0.lock().unwrap();
            let seen = held.iter().find(|i| i.ip == "10.3.0.1").ok_or("it is gone")?;
            Ok(format!("{} {:?}", seen.weight, seen.metadata.get("zone")))
        })
        .await?;
        self.publisher.deregister_instance("subscribe".into(), None, instance("10.3.0.1")).await?;
        eventually(8, "its removal", "10.3.0.9:8080".into(), || pushed.addresses()).await?;
        Ok(String::new())
    }

    async fn select(&self) -> Outcome<String> {
        self.api.publish("select", "10.4.0.1", 80, "weight=1").await?;
        self.api.publish("select", "10.4.0.2", 80, "weight=9").await?;
        self.api.publish("select", "10.4.0.3", 80, "weight=5&healthy=false").await?;
        for (healthy, want) in [(true, "10.4.0.1:80 10.4.0.2:80"), (false, "10.4.0.3:80")] {
            eventually(5, "those of one health", want.to_string(), || async move {
                let found = self.reader.select_instances("select".into(), None, Vec::new(), false, healthy).await?;
                Ok(addresses(&found))
            })
            .await?;
        }
        let mut heavy = 0;
        for _ in 0..1000 {
            let picked = self.reader.select_one_healthy_instance("select".into(), None, Vec::new(), true).await?;
            match picked.ip.as_str() {
                "10.4.0.2" => heavy += 1,
                "10.4.0.1" => (),
                other => return Err(format!("picked {other}").into()),
            }
        }
        if !(800..980).contains(&heavy) {
            return Err(format!("weight 9 of 10 was picked {heavy} times of 1000").into());
        }
        Ok(format!("{heavy} of 1000 picks for weight 9 of 10"))
    }

    async fn metadata(&self) -> Outcome<String> {
        let large = "x".repeat(10_000);
        let pairs = [("城市", "杭州"), ("emoji", "🚀👩‍💻"), ("quotes", "a=b&c,\"d\"\\e+f%20 g"), ("large", &large)];
        let metadata: HashMap<String, String> = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        self.publish("metadata", ServiceInstance { metadata: metadata.clone(), ..instance("10.5.0.1") }).await?;
        eventually(10, "metadata over HTTP", metadata.clone(), || async {
            let hosts = self.api.hosts("public", GROUP, "metadata").await?;
            let host = hosts.first().ok_or("it is not there")?;
            Ok(serde_json::from_value::<HashMap<String, String>>(host["metadata"].clone())?)
        })
        .await?;
        eventually(10, "metadata through the client", metadata, || async {
            let found = self.reader.get_all_instances("metadata".into(), None, Vec::new(), false).await?;
            Ok(found.first().ok_or("it is not there")?.metadata.clone())
        })
        .await?;
        Ok(String::new())
    }

    async fn metadata_refused(&self) -> Outcome<String> {
        let client = connect(&self.strict_server, "").await?;
        let metadata = HashMap::from([("large".to_string(), "x".repeat(1100))]);
        let asked = ServiceInstance { metadata, ..instance("10.5.0.2") };
        match client.register_instance("refused-rust".into(), None, asked).await {
            Ok(()) => Err("1.1 kB of metadata was accepted".into()),
            Err(refusal) if refusal.to_string().contains("1024") => Ok(refusal.to_string()),
            Err(other) => Err(format!("the refusal does not name the limit: {other}").into()),
        }
    }

    async fn persistent(&self) -> Outcome<String> {
        let asked = || ServiceInstance { ephemeral: false, ..instance("127.0.0.1") };
        let short_lived = connect(&self.server, "").await?;
        short_lived.register_instance("persistent".into(), None, asked()).await?;
        eventually(10, "a persistent instance", Some(false), || async {
            let hosts = self.api.hosts("public", GROUP, "persistent").await?;
            Ok(hosts.first().ok_or("it is not there")?["ephemeral"].as_bool())
        })
        .await?;
        drop(short_lived);
        let want = "127.0.0.1:8080".to_string();
        eventually(10, "it outlives its publisher", want, || all(&self.reader, GROUP, "persistent", &[])).await?;
        self.publisher.deregister_instance("persistent".into(), None, asked()).await?;
        eventually(10, "no instance", String::new(), || self.over_http("persistent")).await?;
        Ok(String::new())
    }

    async fn groups(&self) -> Outcome<String> {
        for (group, ip) in [("GROUP_A", "10.6.0.1"), ("GROUP_B", "10.6.0.2")] {
            self.publisher.register_instance("groups".into(), Some(group.into()), instance(ip)).await?;
            let want = format!("{ip}:8080");
            eventually(10, group, want.clone(), || all(&self.reader, group, "groups", &[])).await?;
            eventually(10, "over HTTP", want, || self.api.addresses("public", group, "groups")).await?;
        }
        Ok(String::new())
    }

    async fn namespaces(&self) -> Outcome<String> {
        let blue = connect(&self.server, "blue").await?;
        blue.register_instance("namespaces".into(), None, instance("10.6.1.1")).await?;
        self.publish("namespaces", instance("10.6.1.2")).await?;
        let named = || "10.6.1.1:8080".to_string();
        eventually(10, "the named one", named(), || all(&blue, GROUP, "namespaces", &[])).await?;
        let default = "10.6.1.2:8080".to_string();
        eventually(10, "the default one", default, || all(&self.reader, GROUP, "namespaces", &[])).await?;
        eventually(10, "over HTTP", named(), || self.api.addresses("blue", GROUP, "namespaces")).await?;
        Ok(String::new())
    }

    async fn clusters(&self) -> Outcome<String> {
        self.api.publish("clusters", "10.7.0.1", 80, "clusterName=east").await?;
        self.api.publish("clusters", "10.7.0.2", 80, "clusterName=west").await?;
        let both = "10.7.0.1:80 10.7.0.2:80".to_string();
        eventually(10, "both", both, || all(&self.reader, GROUP, "clusters", &[])).await?;
        let west = || all(&self.reader, GROUP, "clusters", &["west"]);
        eventually(10, "one cluster", "10.7.0.2:80".into(), west).await?;
        self.publish("clusters", ServiceInstance { cluster_name: Some("west".into()), ..instance("10.7.0.3") }).await?;
        eventually(10, "the cluster of an instance", "10.7.0.2:80 10.7.0.3:8080".into(), west).await?;
        Ok(String::new())
    }

    async fn services(&self) -> Outcome<String> {
        for name in ["listed-a", "listed-b", "listed-c"] {
            self.api.publish(name, "10.8.0.1", 80, "groupName=LISTED").await?;
        }
        let want = "3 3 listed-a listed-b listed-c".to_string();
        eventually(5, "three services on two pages", want, || async {
            let (mut names, first) = self.reader.get_service_list(1, 2, Some("LISTED".into())).await?;
            let (more, second) = self.reader.get_service_list(2, 2, Some("LISTED".into())).await?;
            names.extend(more);
            Ok(format!("{first} {second} {}", sorted(names)))
        })
        .await?;
        Ok(String::new())
    }

    async fn thousand(&self) -> Outcome<String> {
        let pushed = self.watch("thousand").await?;
        let ips: Vec<String> = (0..1000).map(|i| format!("10.9.{}.{}", i / 250, i % 250 + 1)).collect();
        self.batch_publish("thousand", &ips).await?;
        eventually(20, "a thousand over HTTP", 1000, || async {
            Ok(self.api.hosts("public", GROUP, "thousand").await?.len())
        })
        .await?;
        eventually(20, "a thousand pushed", 1000, || async { Ok(pushed.0.lock().unwrap().len()) }).await?;
        Ok("one batch".into())
    }

    async fn restart(&self) -> Outcome<String> {
        let pushed = self.watch("restart").await?;
        self.publish("restart", instance("10.11.0.1")).await?;
        self.batch_publish("restart-batch", &["10.11.1.1".into(), "10.11.1.2".into(), "10.11.1.3".into()]).await?;
        eventually(15, "the instance is pushed", "10.11.0.1:8080".into(), || pushed.addresses()).await?;

        ask("restart", serde_json::json!({})).await?;

        let restarted_at = Instant::now();
        eventually(60, "the instance is back", "10.11.0.1:8080".into(), || self.over_http("restart")).await?;
        let three = "10.11.1.1:8080 10.11.1.2:8080 10.11.1.3:8080";
        eventually(30, "the batch is back", three.into(), || self.over_http("restart-batch")).await?;
        let back_ms = restarted_at.elapsed().as_millis();
        self.api.publish("restart", "10.11.0.2", 8080, "").await?;
        let both = "10.11.0.1:8080 10.11.0.2:8080";
        eventually(30, "pushes go on", both.into(), || pushed.addresses()).await?;
        Ok(format!("back after {back_ms} ms"))
    }
}
