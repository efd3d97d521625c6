use crate::echo::{check, equal, eventually, fails, Echo, Outcome};
use bytes::Bytes;
use std::time::Duration;
use tokio::task::JoinSet;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Code, Request};

const KEEPALIVE_EVERY: Duration = Duration::from_millis(200);
const PINGS_MIN: u64 = 5;
const TEXT: &str = "Dienst „größe“ 城市 🚀 100% + a=b\nnächste Zeile";

/// Where the test service listens.
pub struct World {
    pub plain: String,
    pub tls: String,
    pub gzip: String,
    pub pings: String,
    pub ca_file: String,
}

impl World {
    pub async fn run(&self, name: &str) -> Outcome<()> {
        let echo = Echo::plain(&self.plain)?;
        match name {
            "unary" => unary(&echo).await,
            "concurrent" => concurrent(&echo).await,
            "server-stream" => server_stream(&echo).await,
            "client-stream" => client_stream(&echo).await,
            "bidi" => bidi(&echo, 500).await,
            "large" => large(&echo).await,
            "deadline" => deadline(&echo).await,
            "cancel" => cancel(&echo).await,
            "metadata" => metadata(&echo).await,
            "status" => status(&echo).await,
            "unimplemented" => unimplemented(&echo).await,
            "too-large" => too_large(&echo).await,
            "goaway" => goaway(&echo).await,
            "keepalive" => self.keepalive(&echo).await,
            "tls" => self.tls().await,
            "gzip-refused" => self.gzip_refused(&echo).await,
            "gzip" => self.gzip().await,
            _ => Err("no such scenario".into()),
        }
    }

    async fn keepalive(&self, echo: &Echo) -> Outcome<()> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.pings))?
            .http2_keep_alive_interval(KEEPALIVE_EVERY)
            .keep_alive_timeout(Duration::from_secs(5));
        let quiet = Echo::with(endpoint)?;
        let mut call = quiet.bidi("before").await?;
        let before = pings(echo).await?;
        eventually(|| async { Ok(pings(echo).await? >= before + PINGS_MIN) }).await?;
        call.exchange("after").await?;
        call.end().await
    }

    async fn tls(&self) -> Outcome<()> {
        let authority = Certificate::from_pem(std::fs::read(&self.ca_file)?);
        let config = ClientTlsConfig::new()
            .ca_certificate(authority)
            .domain_name("localhost");
        let echo = Echo::with(
            Endpoint::from_shared(format!("https://{}", self.tls))?.tls_config(config)?,
        )?;
        echo.expect("Echo", "hello", "hello").await?;
        large(&echo).await?;
        bidi(&echo, 100).await
    }

    async fn gzip_refused(&self, echo: &Echo) -> Outcome<()> {
        let compressing = echo.clone().compressing();
        fails(
            Code::Unimplemented,
            compressing.unary("Echo", vec![0; 100_000]).await,
        )?;
        echo.expect("Echo", "hello", "hello").await
    }

    async fn gzip(&self) -> Outcome<()> {
        let echo = Echo::plain(&self.gzip)?.compressing();
        let got = echo.unary("Echo", vec![0; 100_000]).await?;
        check(got == vec![0; 100_000], "other bytes came back")
    }
}

async fn pings(echo: &Echo) -> Outcome<u64> {
    Ok(echo.text("Pings", "").await?.parse()?)
}

async fn unary(echo: &Echo) -> Outcome<()> {
    echo.expect("Echo", "hello", "hello").await?;
    echo.expect("Echo", "", "").await
}

async fn concurrent(echo: &Echo) -> Outcome<()> {
    let mut calls = JoinSet::new();
    for i in 0..200 {
        let echo = echo.clone();
        let text = format!("call {i}");
        calls.spawn(async move { echo.expect("Echo", &text, &text).await });
    }
    while let Some(done) = calls.join_next().await {
        done??;
    }
    Ok(())
}

async fn server_stream(echo: &Echo) -> Outcome<()> {
    let request = Request::new(Bytes::from("1000 100"));
    let mut messages = echo
        .server_stream("ServerStream", request)
        .await?
        .into_inner();
    for i in 0..1000 {
        let message = messages.message().await?.ok_or("the stream has ended")?;
        equal(format!("{i:.<100}").as_bytes(), &message[..])?;
    }
    check(messages.message().await?.is_none(), "a message too many")
}

async fn client_stream(echo: &Echo) -> Outcome<()> {
    let messages = vec![Bytes::from(vec![0; 1000]); 1000];
    let answer = echo.client_stream("ClientStream", messages).await?;
    equal(&b"1000 1000000"[..], &answer[..])
}

async fn bidi(echo: &Echo, rounds: usize) -> Outcome<()> {
    let mut call = echo.bidi("message 0").await?;
    for i in 1..rounds {
        call.exchange(&format!("message {i}")).await?;
    }
    call.end().await
}

async fn large(echo: &Echo) -> Outcome<()> {
    let sent = Bytes::from_iter((0..4_000_000).map(|i| (i % 251) as u8));
    let got = echo.unary("Echo", sent.clone()).await?;
    check(got == sent, "other bytes came back")
}

async fn deadline(echo: &Echo) -> Outcome<()> {
    let name = "rust deadline";
    let mut request = Request::new(Bytes::from(name));
    request.set_timeout(Duration::from_millis(200));
    // When its own timer comes first, the library says CANCELLED.
    let outcome = echo.request("Hang", request).await;
    check(
        matches!(&outcome, Err(status) if [Code::DeadlineExceeded, Code::Cancelled].contains(&status.code())),
        &format!("want a deadline, got {outcome:?}"),
    )?;
    // Whichever comes first: the reset of the client or the server's own clock.
    eventually(|| async {
        Ok(["1 0 0", "0 1 0"].contains(&echo.text("Ended", name).await?.as_str()))
    })
    .await
}

async fn cancel(echo: &Echo) -> Outcome<()> {
    let name = "rust-cancel";
    let request = Request::new(Bytes::from(format!("1000000 1000 {name}")));
    let mut messages = echo
        .server_stream("ServerStream", request)
        .await?
        .into_inner();
    for _ in 0..10 {
        messages.message().await?.ok_or("the stream has ended")?;
    }
    // The library has no other way to cancel.
    drop(messages);
    eventually(|| async { Ok(echo.text("Ended", name).await? == "1 0 0") }).await
}

async fn metadata(echo: &Echo) -> Outcome<()> {
    let all: Vec<u8> = (0..=255).collect();
    let mut request = Request::new(Bytes::from("m"));
    let sent = request.metadata_mut();
    sent.insert("x-text", "some text, with a comma".parse()?);
    sent.append_bin("x-data-bin", MetadataValue::from_bytes(&all));
    sent.append_bin("x-data-bin", MetadataValue::from_bytes(&[0, 44, 255]));
    let want = shown(sent)?;
    let answer = echo.server_stream("Meta", request).await?;
    equal(&want, &shown(answer.metadata())?)?;
    let mut messages = answer.into_inner();
    while messages.message().await?.is_some() {}
    equal(
        &want,
        &shown(&messages.trailers().await?.ok_or("no trailers")?)?,
    )
}

fn shown(metadata: &MetadataMap) -> Outcome<Vec<Bytes>> {
    let mut values = Vec::new();
    for text in metadata.get_all("x-text") {
        values.push(Bytes::copy_from_slice(text.as_bytes()));
    }
    for bytes in metadata.get_all_bin("x-data-bin") {
        values.push(bytes.to_bytes()?);
    }
    Ok(values)
}

async fn status(echo: &Echo) -> Outcome<()> {
    let status = fails(
        Code::NotFound,
        echo.text("Fail", &format!("5 {TEXT}")).await,
    )?;
    equal(TEXT, status.message())
}

async fn unimplemented(echo: &Echo) -> Outcome<()> {
    fails(Code::Unimplemented, echo.text("Missing", "").await)?;
    fails(
        Code::Unimplemented,
        echo.text("/nacre.test.Nobody/Echo", "").await,
    )?;
    Ok(())
}

async fn too_large(echo: &Echo) -> Outcome<()> {
    let port = echo.text("Port", "").await?;
    fails(
        Code::ResourceExhausted,
        echo.unary("Echo", vec![0; 6_000_000]).await,
    )?;
    echo.expect("Port", "", &port).await
}

async fn goaway(echo: &Echo) -> Outcome<()> {
    let port = echo.text("Port", "").await?;
    let mut call = echo.bidi("before").await?;
    echo.expect("Drain", "", &port).await?;
    // The library learns of GOAWAY in a task of its own and does not repeat the call that comes too early.
    eventually(|| async { Ok(echo.text("Port", "").await.is_ok_and(|other| other != port)) })
        .await?;
    for i in 0..10 {
        call.exchange(&format!("after {i}")).await?;
    }
    call.end().await
}
