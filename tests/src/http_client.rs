//! A client of the HTTP API, over raw sockets: it shares no code with what it tests.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{DEADLINE, PASSWORD};

/// Somebody who talks HTTP, on a connection for each request.
#[derive(Clone, Debug)]
pub struct HttpClient {
    address: SocketAddr,
    token: String,
}

impl HttpClient {
    /// Registers a user, who is logged in from then on.
    ///
    /// # Panics
    /// When the name is taken.
    pub async fn register(address: SocketAddr, name: &str) -> Self {
        Self::begin(address, "/api/register", name).await
    }

    /// Logs a user in.
    ///
    /// # Panics
    /// When that fails.
    pub async fn log_in(address: SocketAddr, name: &str) -> Self {
        Self::begin(address, "/api/login", name).await
    }

    /// Somebody who is not logged in.
    pub fn nobody(address: SocketAddr) -> Self {
        Self { address, token: String::new() }
    }

    /// Somebody who has this token.
    ///
    /// # Panics
    /// When it is no text.
    pub fn with_token(address: SocketAddr, token: &Value) -> Self {
        Self { address, token: token.as_str().expect("a token").to_owned() }
    }

    /// The token of its requests; empty if there is none.
    pub fn token(&self) -> &str {
        &self.token
    }

    async fn begin(address: SocketAddr, path: &str, name: &str) -> Self {
        let nobody = Self::nobody(address);
        let body = json!({"username": name, "password": PASSWORD});
        let (status, answer) = nobody.ask("POST", path, Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        Self::with_token(address, &answer["data"]["token"])
    }

    /// The status and the body of what is answered.
    ///
    /// # Panics
    /// When nothing is within the deadline.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        // Nobody's requests have no token.
        let request = request.replace("authorization: Bearer \r\n", "");
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = timeout(DEADLINE, exchange).await.expect("an answer in time");
        let answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| serde_json::from_str(body));
        match (status, body) {
            (Some(status), Some(Ok(body))) => (status, body),
            _ => panic!("{method} {path}: {answer}"),
        }
    }

    /// The data of what is done.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn done(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, mut answer) = self.ask(method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer["data"].take()
    }
}
