//! The original RPC wire as a program written elsewhere would speak it: by hand, out of the
//! description of its bytes, with nothing of mprpc's.

mod protobuf;

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::DEADLINE;
pub use protobuf::{Fields, Message};

/// One connection, with one call at a time on it.
#[derive(Debug)]
pub struct ClassicClient {
    stream: TcpStream,
}

impl ClassicClient {
    /// Connects.
    ///
    /// # Panics
    /// When nobody is there.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the service takes connections");
        Self { stream }
    }

    /// The bytes of a request: `header_size | RpcHeader | args`.
    ///
    /// # Panics
    /// When it is longer than the wire allows.
    pub fn request(service: &str, method: &str, arguments: &Fields) -> Vec<u8> {
        let arguments = arguments.as_bytes();
        let length = i64::try_from(arguments.len()).expect("arguments are short");
        let header = Fields::new().text(1, service).text(2, method).number(3, length);
        let header = header.as_bytes();
        let header_size = u32::try_from(header.len()).expect("names are short");
        [&header_size.to_le_bytes(), header, arguments].concat()
    }

    /// Calls a method.
    ///
    /// # Panics
    /// When the connection is closed instead of an answer.
    pub async fn call(&mut self, service: &str, method: &str, arguments: &Fields) -> Message {
        self.send_bytes(&Self::request(service, method, arguments)).await;
        match timeout(DEADLINE, self.answer()).await {
            Ok(Ok(bytes)) => Message::parse(&bytes),
            Ok(Err(error)) => panic!("{service}.{method}: {error}"),
            Err(_) => panic!("{service}.{method}: no answer within {DEADLINE:?}"),
        }
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the connection is open");
    }

    /// The bytes of the next answer, without its length.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn answer(&mut self) -> io::Result<Vec<u8>> {
        let length = self.stream.read_u32_le().await?;
        let mut answer = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    /// Waits until the server closes without another byte.
    ///
    /// # Panics
    /// When it sends something, or does not close within the deadline.
    pub async fn closed(&mut self) {
        let mut rest = Vec::new();
        // A reset is a close, too.
        let read = timeout(DEADLINE, self.stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the server has not closed within {DEADLINE:?}");
        assert!(rest.is_empty(), "an answer where there is none to give: {rest:?}");
    }
}
