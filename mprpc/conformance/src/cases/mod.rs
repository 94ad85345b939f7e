//! The cases, and what they run against.

mod compressed;
mod failure;
mod flow;
mod reconnecting;
mod streams;
mod unary;
mod unserved;
mod who;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use mprpc::{Channel, ChannelBuilder, ChannelError, Context, Token};

pub use failure::Failure;

use crate::{Empty, test_service};

/// The longest that a single call of a case, and a case, may take.
const CALL_MAX: Duration = Duration::from_secs(30);
const CASE_MAX: Duration = Duration::from_secs(60);

type Outcome = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Something that must hold of a server.
pub struct Case {
    /// By which it is chosen on the command line.
    pub name: &'static str,
    /// What holds, in a line.
    pub about: &'static str,
    /// Whether the classic wire can say it, too.
    pub classic: bool,
    /// Whether it is about a server that asks for a token.
    pub token: bool,
    run: fn(Peer) -> Outcome,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Case {
    /// Runs it, for a minute at most. To be called within a tokio runtime.
    ///
    /// # Errors
    /// It does not hold; why not.
    pub async fn run(&self, peer: &Peer) -> Result<(), Failure> {
        let run = (self.run)(peer.clone());
        let late = |_| Failure::new(format!("not done within {CASE_MAX:?}"));
        tokio::time::timeout(CASE_MAX, run).await.map_err(late)?
    }
}

/// A case from its function, whose name and first line of documentation it gets.
macro_rules! case {
    ($module:ident::$name:ident, classic: $classic:literal, $about:literal) => {
        case!($module::$name, classic: $classic, token: false, $about)
    };
    ($module:ident::$name:ident, classic: $classic:literal, token: $token:literal, $about:literal) => {
        Case {
            name: stringify!($name),
            about: $about,
            classic: $classic,
            token: $token,
            run: |peer| Box::pin($module::$name(peer)),
        }
    };
}

/// Every case, the quick ones first.
pub static CASES: &[Case] = &[
    case!(unary::empty_unary, classic: true, "nothing, to and fro"),
    case!(unary::large_unary, classic: true, "271,828 bytes to, 314,159 fro"),
    case!(unary::custom_metadata, classic: false, "names and bytes reach the handler"),
    case!(unary::status_code_and_message, classic: false, "each code, with its text"),
    case!(unary::special_status_message, classic: false, "white space and Unicode in a text"),
    case!(unserved::unimplemented_method, classic: false, "UNIMPLEMENTED, and the connection goes on"),
    case!(unserved::unimplemented_service, classic: false, "UNIMPLEMENTED, and the connection goes on"),
    case!(who::a_stranger_is_refused, classic: false, token: true, "UNAUTHENTICATED without the token, whatever is called"),
    case!(who::a_stranger_is_asked_to_go, classic: false, token: true, "GOAWAY, and the end, soon after"),
    case!(unary::deadline_reaches_the_server, classic: false, "less time left there than here"),
    case!(unary::cancelled_unary, classic: false, "a handler stops when its caller gives up"),
    case!(unary::timeout_on_sleeping_server, classic: false, "DEADLINE_EXCEEDED, and the handler stops"),
    case!(streams::client_streaming, classic: false, "several requests, one answer"),
    case!(streams::server_streaming, classic: false, "one request, several answers"),
    case!(streams::ping_pong, classic: false, "each request answered before the next"),
    case!(streams::empty_stream, classic: false, "nothing either way, and a good end"),
    case!(streams::status_behind_answers, classic: false, "a failure does not swallow what came before"),
    case!(streams::status_of_streams, classic: false, "each code, with its text, of each kind of stream"),
    case!(streams::metadata_of_streams, classic: false, "names and bytes reach the handler of each kind"),
    case!(streams::cancel_after_begin, classic: false, "a stream given up before anything was sent"),
    case!(streams::cancel_after_first_response, classic: false, "and in the middle of it"),
    case!(streams::timeout_on_sleeping_stream, classic: false, "DEADLINE_EXCEEDED within a stream"),
    case!(compressed::client_compressed_unary, classic: false, "a request that was compressed is understood"),
    case!(compressed::server_compressed_unary, classic: false, "an answer is compressed, for those who ask for it"),
    case!(compressed::client_compressed_streaming, classic: false, "requests of a stream that were compressed"),
    case!(compressed::server_compressed_streaming, classic: false, "answers of a stream are compressed"),
    case!(flow::push_back_on_answers, classic: false, "who does not read is not sent more than its window"),
    case!(flow::push_back_on_requests, classic: false, "nor is a server that does not read"),
    case!(unary::thousand_large_at_once, classic: false, "1,000 large calls in flight"),
    case!(reconnecting::reconnect_backoff, classic: false, "who stands before the server hangs up: no storm of connections, and back again"),
];

/// The server under test.
#[derive(Clone, Debug)]
pub struct Peer {
    channel: Channel,
    target: String,
    token: Option<Token>,
}

/// A target that makes no sense.
pub type PeerError = ChannelError;

impl Peer {
    /// The server at a channel's target, such as `static://127.0.0.1:8010`. To be called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// The target makes no sense.
    pub fn new(target: &str) -> Result<Self, PeerError> {
        Self::of(target, None, |channel| channel)
    }

    /// The same, which asks for `token`.
    ///
    /// # Errors
    /// The target makes no sense.
    pub fn with_token(target: &str, token: &Token) -> Result<Self, PeerError> {
        Self::of(target, Some(token), |channel| channel)
    }

    fn of(
        target: &str,
        token: Option<&Token>,
        more: impl FnOnce(ChannelBuilder) -> ChannelBuilder,
    ) -> Result<Self, PeerError> {
        let mut channel = more(Channel::builder(target));
        if let Some(token) = token {
            // Who runs this says where the server is, and that it may hear it.
            channel = channel.token(token).token_in_clear(true);
        }
        let (target, token) = (target.to_owned(), token.cloned());
        Ok(Self { channel: channel.build()?, target, token })
    }

    /// The server behind another target.
    fn behind(&self, target: &str) -> Result<Self, PeerError> {
        Self::of(target, self.token.as_ref(), |channel| channel)
    }

    /// The same, with messages of so many bytes and more compressed.
    fn compressing(&self, target: &str, above: usize) -> Result<Self, PeerError> {
        Self::of(target, self.token.as_ref(), |channel| channel.compress_above(above))
    }

    /// Where it is, if the target names an address.
    fn address(&self) -> Option<&str> {
        self.target.strip_prefix("static://")?.split(['?', ',']).next()
    }

    fn client(&self) -> test_service::Client {
        test_service::Client::new(&self.channel)
    }

    /// How many handlers were stopped before their end so far.
    async fn stopped(&self) -> Result<u64, Failure> {
        Ok(self.client().report(&call(), Empty {}).await?.stopped)
    }

    /// How many bytes handlers have sent on streams so far.
    async fn streamed_bytes(&self) -> Result<u64, Failure> {
        Ok(self.client().report(&call(), Empty {}).await?.streamed_bytes)
    }

    /// Waits until more handlers than `before` were stopped.
    async fn stopped_since(&self, before: u64) -> Result<(), Failure> {
        for _ in 0..3_000 {
            if self.stopped().await? > before {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(Failure::new("the handler goes on, thirty seconds after its call was over"))
    }
}

/// What each call is made with, unless the case is about it.
fn call() -> Context {
    Context::with_timeout(CALL_MAX)
}
