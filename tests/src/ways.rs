//! The ways in: the same request in the words of each protocol, and what comes of it.

mod request;

use serde_json::{Value, json};

use crate::{FramesClient, HttpClient, PASSWORD, Push, Stack, TextClient, WebSocketClient};
pub use request::{Peer, Request};

/// A protocol that clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Way {
    Text,
    Frames,
    WebSocket,
    Http,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Text, Self::Frames, Self::WebSocket, Self::Http];

    /// The device that somebody who comes this way is in these tests, each with its own messages.
    pub fn device(self) -> &'static str {
        match self {
            Self::Text => "text:t",
            Self::Frames => "desktop:f",
            Self::WebSocket => "web:w",
            Self::Http => "mobile:h",
        }
    }

    /// A connection, or its like, of somebody who is not logged in.
    ///
    /// # Panics
    /// When the server takes no connections.
    pub async fn nobody(self, stack: &Stack) -> Caller {
        match self {
            Self::Text => Caller::Text(stack.connect().await.into()),
            Self::Frames => Caller::Frames(FramesClient::connect(stack.frames_address()).await),
            Self::WebSocket => {
                Caller::WebSocket(WebSocketClient::connect(stack.http_address()).await)
            }
            Self::Http => Caller::Http(HttpClient::nobody(stack.http_address())),
        }
    }

    /// Registers somebody, who is logged in from then on; and their number.
    ///
    /// # Panics
    /// When the name is taken.
    pub async fn register(self, stack: &Stack, name: &str) -> (Caller, i64) {
        self.come_in(stack, name, PASSWORD, true).await.expect("a name that is free")
    }

    /// Logs somebody in; and their number.
    ///
    /// # Panics
    /// When that fails.
    pub async fn log_in(self, stack: &Stack, name: &str) -> (Caller, i64) {
        self.try_log_in(stack, name, PASSWORD).await.expect("the password is right")
    }

    /// Logs somebody in who has, or has not, that password.
    ///
    /// # Errors
    /// The words of the refusal.
    pub async fn try_log_in(
        self,
        stack: &Stack,
        name: &str,
        password: &str,
    ) -> Result<(Caller, i64), String> {
        self.come_in(stack, name, password, false).await
    }

    async fn come_in(
        self,
        stack: &Stack,
        name: &str,
        password: &str,
        new: bool,
    ) -> Result<(Caller, i64), String> {
        let mut caller = self.nobody(stack).await;
        let device = self.device();
        let (class, id) = device.split_once(':').expect("a class and an id");
        let body = json!({"username": name, "password": password, "device": device,
            "client_info": {"platform": class, "device_id": id}});
        let (word, kind, path) = match new {
            true => ("REGISTER", 1005, "/api/register"),
            false => ("LOGIN", 1001, "/api/login"),
        };
        let mut answer = match &mut caller {
            Caller::Text(client) => {
                client.expect(&format!("DEVICE {device}"), &format!("+OK device {device}")).await;
                let said = lines(client, &format!("{word} {name} {password}")).await?;
                let uid = said[0].as_str().and_then(|line| line.strip_prefix("+OK uid="));
                let uid: Option<i64> = uid.and_then(|uid| uid.parse().ok());
                json!({"code": 0, "data": {"user_id": uid}})
            }
            Caller::Frames(client) => client.ask(kind, body).await.1,
            Caller::WebSocket(client) => client.ask(kind, body).await.1,
            Caller::Http(client) => client.ask("POST", path, Some(body)).await.1,
        };
        if answer["code"] != 0 {
            return Err(answer["message"].as_str().expect("words").to_owned());
        }
        let data = answer["data"].take();
        if let Caller::Http(client) = &mut caller {
            *client = HttpClient::with_token(stack.http_address(), &data["token"]);
        }
        Ok((caller, data["user_id"].as_i64().expect("a number")))
    }
}

/// Somebody at one of the ways in.
#[derive(Debug)]
#[expect(missing_docs, reason = "the clients")]
pub enum Caller {
    Text(Box<TextClient>),
    Frames(FramesClient),
    WebSocket(WebSocketClient),
    Http(HttpClient),
}

/// A message as somebody gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the same in all protocols")]
pub struct Received {
    pub id: i64,
    pub from: i64,
    pub group: Option<i64>,
    pub text: String,
}

impl Caller {
    /// Logs in with a token on a connection that nobody is logged in on.
    ///
    /// # Errors
    /// The words of the refusal.
    ///
    /// # Panics
    /// Where none can be shown, or it is shown with each request.
    pub async fn show_token(&mut self, token: &str) -> Result<(), String> {
        let log_in = json!({"auth_type": "token", "token": token});
        let (_, answer) = match self {
            Self::Frames(client) => client.ask(1001, log_in).await,
            Self::WebSocket(client) => client.ask(1001, log_in).await,
            Self::Text(_) | Self::Http(_) => panic!("no log-in by token in {self:?}"),
        };
        match answer["code"].as_i64() {
            Some(0) => Ok(()),
            _ => Err(answer["message"].as_str().expect("words").to_owned()),
        }
    }

    /// Asks for something: what is answered, or the words of the refusal. `None` if the protocol has no
    /// words for it.
    ///
    /// # Panics
    /// When nothing is answered in time.
    pub async fn ask(&mut self, request: &Request) -> Option<Result<Value, String>> {
        let answer = match self {
            Self::Text(client) => return Some(lines(client, &request.line()?).await),
            Self::Frames(client) => {
                let (kind, body) = request.body()?;
                client.ask(kind, body).await.1
            }
            Self::WebSocket(client) => {
                let (kind, body) = request.body()?;
                client.ask(kind, body).await.1
            }
            Self::Http(client) => {
                let (method, path, body) = request.http()?;
                client.ask(method, &path, body).await.1
            }
        };
        // A heartbeat has no code.
        Some(match answer["code"].as_i64() {
            Some(0) | None => Ok(answer),
            Some(_) => Err(answer["message"].as_str().expect("words").to_owned()),
        })
    }

    /// Has something done.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn done(&mut self, request: &Request) -> Value {
        match self.ask(request).await {
            Some(Ok(done)) => done,
            other => panic!("{request:?} came to {other:?}"),
        }
    }

    /// Sends a text; the message's id.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn send(&mut self, to: Peer, text: &str) -> i64 {
        let sent = self.done(&Request::Send { to, text: text.to_owned() }).await;
        // The id in text lines, in frames and WebSocket, and in HTTP.
        let line = sent[0].as_str().and_then(|line| line.rsplit_once('=')).map(|(_, id)| id);
        let id = line.or(sent["message_id"].as_str()).or(sent["data"]["message_id"].as_str());
        id.and_then(|id| id.parse().ok()).expect("an id")
    }

    /// The next message: over HTTP the last one in the conversation with `of`, and otherwise the next
    /// that comes by itself.
    ///
    /// # Panics
    /// When none does in time.
    pub async fn received(&mut self, of: Peer) -> Received {
        let (kind, body) = match self {
            Self::Text(client) => {
                let Push { id, from, group, text, .. } = client.push().await;
                return Received { id, from, group, text };
            }
            Self::Frames(client) => client.message().await,
            Self::WebSocket(client) => client.message().await,
            Self::Http(_) => {
                let mut recent = self.done(&Request::Recent { of }).await;
                let messages = recent["data"]["messages"].as_array_mut().expect("a list");
                let last = messages.pop().expect("a message");
                (if last.get("group_id").is_some() { 2002 } else { 2001 }, last)
            }
        };
        Received::of(kind, &body)
    }
}

impl Received {
    /// The body of a push of this type.
    ///
    /// # Panics
    /// When it is not one of a message.
    pub fn of(kind: u16, body: &Value) -> Self {
        let number = |name: &str| body[name].as_i64();
        assert_eq!(kind == 2002, number("group_id").is_some(), "{kind} {body}");
        Self {
            id: body["message_id"].as_str().and_then(|id| id.parse().ok()).expect("an id"),
            from: number("from_user_id").expect("a sender"),
            group: number("group_id"),
            text: body["content"].as_str().expect("a text").to_owned(),
        }
    }
}

/// Sends a line; what is answered up to the line that ends it, or the words of the refusal.
async fn lines(client: &mut TextClient, line: &str) -> Result<Value, String> {
    client.send(line).await;
    let mut lines = Vec::new();
    loop {
        let line = client.reply().await;
        if let Some(words) = line.strip_prefix("-ERR ") {
            return Err(words.to_owned());
        }
        let last = line.starts_with("+OK");
        lines.push(json!(line));
        if last {
            return Ok(Value::Array(lines));
        }
    }
}
