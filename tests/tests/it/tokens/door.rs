//! Where somebody gets in, and what they then have open.

use mpim_tests::{
    EventsClient, FramesClient, HttpClient, PASSWORD, Received, Stack, TextClient, WebSocketClient,
};
use serde_json::{Value, json};

/// A way in that stays open. Text lines know no tokens: whoever comes by them shows the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Text,
    Frames,
    WebSocket,
    Events,
}

/// What somebody has open.
pub(super) enum Open {
    Text(Box<TextClient>),
    Frames(FramesClient),
    WebSocket(WebSocketClient),
    Events(EventsClient),
}

impl Door {
    pub(super) const ALL: [Self; 4] = [Self::Text, Self::Frames, Self::WebSocket, Self::Events];
    /// Those at which a token is shown.
    pub(super) const OF_TOKENS: [Self; 3] = [Self::Frames, Self::WebSocket, Self::Events];

    /// Goes in with a token.
    ///
    /// # Errors
    /// The code of the refusal.
    pub(super) async fn open(self, stack: &Stack, token: &str) -> Result<Open, Value> {
        let log_in = json!({"auth_type": "token", "token": token});
        let (code, open) = match self {
            Self::Text => unreachable!("no tokens there"),
            Self::Frames => {
                let mut client = FramesClient::connect(stack.frames_address()).await;
                (client.ask(1001, log_in).await.1["code"].take(), Open::Frames(client))
            }
            Self::WebSocket => {
                let mut client = WebSocketClient::connect(stack.http_address()).await;
                (client.ask(1001, log_in).await.1["code"].take(), Open::WebSocket(client))
            }
            Self::Events => {
                let stream = EventsClient::try_connect(stack.http_address(), token, None).await;
                let mut stream = stream.map_err(|(_, mut body)| body["code"].take())?;
                assert_eq!(stream.block().await.as_deref(), Some(":"), "the session begins");
                (json!(0), Open::Events(stream))
            }
        };
        if code == 0 { Ok(open) } else { Err(code) }
    }

    /// Goes in as that user: with the token of that log-in, or as the device `text:t`.
    pub(super) async fn enter(self, stack: &Stack, name: &str, token: &str) -> Open {
        if self != Self::Text {
            let open = self.open(stack, token).await;
            return open.unwrap_or_else(|code| panic!("{name} cannot come in by {self:?}: {code}"));
        }
        let mut client = stack.connect().await;
        client.expect("DEVICE text:t", "+OK device text:t").await;
        client.number(&format!("LOGIN {name} {PASSWORD}"), "uid").await;
        Open::Text(client.into())
    }
}

/// What a token is worth: the codes of frames, WebSocket, a stream of events, and HTTP.
pub(super) async fn codes(stack: &Stack, token: &str) -> [Value; 4] {
    let mut codes = [const { Value::Null }; 4];
    for (door, code) in Door::OF_TOKENS.into_iter().zip(&mut codes) {
        *code = door.open(stack, token).await.map_or_else(|code| code, |_| json!(0));
    }
    let http = HttpClient::with_token(stack.http_address(), &json!(token));
    codes[3] = http.ask("GET", "/api/me", None).await.1["code"].take();
    codes
}

impl Open {
    /// The next message that it shows.
    pub(super) async fn hears(&mut self) -> String {
        let (kind, body) = match self {
            Self::Text(client) => return client.push().await.text,
            Self::Frames(client) => client.message().await,
            Self::WebSocket(client) => client.message().await,
            Self::Events(client) => client.message().await,
        };
        Received::of(kind, &body).text
    }

    /// Waits until it is closed, and for this reason, in the words of its protocol.
    pub(super) async fn is_closed(&mut self, reason: &str) {
        let message = format!("closing {reason}");
        let closing = match self {
            Self::Text(client) => {
                assert_eq!(client.rest().await, [format!("-ERR {message}")]);
                return;
            }
            Self::WebSocket(client) => {
                let code = if reason == "device revoked" { 4002 } else { 4003 };
                assert_eq!(client.closed().await, (code, reason.to_owned()));
                return;
            }
            Self::Frames(client) => client.push().await,
            Self::Events(client) => client.event().await.expect("a last event"),
        };
        let (kind, body) = closing;
        assert_eq!((kind, &body["code"]), (9001, &json!(1004)), "{body}");
        assert_eq!(body["message"], message);
    }
}
