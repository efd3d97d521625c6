//! The client half of the test service: messages are bytes as they are.

use bytes::{Buf, BufMut, Bytes};
use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CALL_MAX: Duration = Duration::from_secs(20);
const EVENTUALLY: Duration = Duration::from_secs(10);
const POLL_EVERY: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// One channel with a connection of its own.
#[derive(Clone)]
pub struct Echo {
    grpc: Grpc<Channel>,
}

impl Echo {
    pub fn plain(address: &str) -> Outcome<Self> {
        Self::with(Endpoint::from_shared(format!("http://{address}"))?)
    }

    pub fn with(endpoint: Endpoint) -> Outcome<Self> {
        Ok(Self {
            grpc: Grpc::new(endpoint.connect_lazy()),
        })
    }

    pub fn compressing(self) -> Self {
        let grpc = self
            .grpc
            .send_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Gzip);
        Self { grpc }
    }

    pub async fn unary(&self, method: &str, message: impl Into<Bytes>) -> Result<Bytes, Status> {
        let mut request = Request::new(message.into());
        request.set_timeout(CALL_MAX);
        self.request(method, request).await
    }

    pub async fn request(&self, method: &str, request: Request<Bytes>) -> Result<Bytes, Status> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(not_ready)?;
        let answer = grpc.unary(request, path(method), Raw).await?;
        Ok(answer.into_inner())
    }

    pub async fn text(&self, method: &str, message: &str) -> Result<String, Status> {
        let answer = self.unary(method, message.as_bytes().to_vec()).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Calls a method that has to give this answer.
    pub async fn expect(&self, method: &str, message: &str, want: &str) -> Outcome<()> {
        equal(want, &self.text(method, message).await?)
    }

    pub async fn server_stream(
        &self,
        method: &str,
        request: Request<Bytes>,
    ) -> Result<tonic::Response<Streaming<Bytes>>, Status> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(not_ready)?;
        grpc.server_streaming(request, path(method), Raw).await
    }

    pub async fn client_stream(&self, method: &str, messages: Vec<Bytes>) -> Result<Bytes, Status> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(not_ready)?;
        let request = Request::new(tokio_stream::iter(messages));
        let answer = grpc.client_streaming(request, path(method), Raw).await?;
        Ok(answer.into_inner())
    }

    /// Its first message is exchanged at once: the library gives the answers only when the server has begun to answer.
    pub async fn bidi(&self, first: &str) -> Outcome<Bidi> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(not_ready)?;
        let (requests, sent) = mpsc::unbounded_channel();
        requests.send(Bytes::copy_from_slice(first.as_bytes()))?;
        let request = Request::new(UnboundedReceiverStream::new(sent));
        let answers = grpc
            .streaming(request, path("Bidi"), Raw)
            .await?
            .into_inner();
        let mut call = Bidi { requests, answers };
        call.heard(first).await?;
        Ok(call)
    }
}

pub struct Bidi {
    requests: mpsc::UnboundedSender<Bytes>,
    answers: Streaming<Bytes>,
}

impl Bidi {
    pub async fn exchange(&mut self, text: &str) -> Outcome<()> {
        self.requests
            .send(Bytes::copy_from_slice(text.as_bytes()))?;
        self.heard(text).await
    }

    pub async fn end(self) -> Outcome<()> {
        let Self {
            requests,
            mut answers,
        } = self;
        drop(requests);
        check(
            answers.message().await?.is_none(),
            "a message after the end",
        )
    }

    async fn heard(&mut self, text: &str) -> Outcome<()> {
        let answer = self.answers.message().await?.ok_or("the call has ended")?;
        equal(text.as_bytes(), &answer[..])
    }
}

fn path(method: &str) -> PathAndQuery {
    let path = if method.starts_with('/') {
        method.to_owned()
    } else {
        format!("/nacre.test.Echo/{method}")
    };
    PathAndQuery::try_from(path).expect("a path")
}

fn not_ready(error: tonic::transport::Error) -> Status {
    Status::unavailable(format!("{error:?}"))
}

pub fn check(condition: bool, otherwise: &str) -> Outcome<()> {
    if condition {
        Ok(())
    } else {
        Err(otherwise.into())
    }
}

pub fn equal<T: PartialEq + std::fmt::Debug + ?Sized>(want: &T, got: &T) -> Outcome<()> {
    if want == got {
        Ok(())
    } else {
        Err(format!("want {want:?}, got {got:?}").into())
    }
}

pub fn fails<T>(code: Code, outcome: Result<T, Status>) -> Outcome<Status> {
    match outcome {
        Err(status) if status.code() == code => Ok(status),
        Err(status) => Err(format!("want {code:?}, got {status:?}").into()),
        Ok(_) => Err(format!("want {code:?}, but the call succeeded").into()),
    }
}

pub async fn eventually<F: Future<Output = Outcome<bool>>>(
    condition: impl Fn() -> F,
) -> Outcome<()> {
    let give_up_at = Instant::now() + EVENTUALLY;
    while !condition().await? {
        check(Instant::now() < give_up_at, "not within 10 s")?;
        tokio::time::sleep(POLL_EVERY).await;
    }
    Ok(())
}
