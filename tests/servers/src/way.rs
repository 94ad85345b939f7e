//! A way to a server on which an answer can get lost.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// As much as is passed on at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Listens, and passes on what it gets to a server and back. Ends when it is dropped.
#[derive(Debug)]
pub struct Way {
    address: SocketAddr,
    loses: Arc<Mutex<Option<Vec<u8>>>>,
    accepting: JoinHandle<()>,
}

impl Way {
    /// To the server at `host:port`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let (server, loses) = (server.to_owned(), Arc::default());
        let lost = Arc::clone(&loses);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, loses) = (server.clone(), Arc::clone(&lost));
                // It fails when one end goes, which the other is told by closing it.
                tokio::spawn(async move { pass_on(client, &server, &loses).await });
            }
        });
        Self { address, loses, accepting }
    }

    /// `host:port` of its own.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The next request with this text in it reaches the server, which does what it asks; its answer
    /// does not come back, and the connection closes.
    ///
    /// # Panics
    /// Not in practice.
    pub fn lose_answer_to(&self, request: &str) {
        *self.loses.lock().expect("nobody panics with it") = Some(request.as_bytes().to_vec());
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass_on(
    mut client: TcpStream,
    server: &str,
    loses: &Mutex<Option<Vec<u8>>>,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let (mut request, mut answer) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => match read? {
                0 => return Ok(()),
                read => {
                    server.write_all(&request[..read]).await?;
                    if is_lost(&request[..read], loses) {
                        let _lost = server.read(&mut answer).await?;
                        return Ok(());
                    }
                }
            },
            read = server.read(&mut answer) => match read? {
                0 => return Ok(()),
                read => client.write_all(&answer[..read]).await?,
            },
        }
    }
}

fn is_lost(request: &[u8], loses: &Mutex<Option<Vec<u8>>>) -> bool {
    let mut loses = loses.lock().expect("nobody panics with it");
    let found = loses
        .as_ref()
        .is_some_and(|text| request.windows(text.len()).any(|part| part == text.as_slice()));
    if found {
        *loses = None;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_answer_is_lost_and_what_it_answered_was_done() {
        let Some(redis) = crate::redis().await else { return };
        let way = Way::to(&redis.address()).await;
        let key = redis.fresh_prefix();
        way.lose_answer_to("INCR");
        let ask = async |request: String| {
            let mut stream = TcpStream::connect(way.address()).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            said
        };
        assert_eq!(ask(format!("INCR {key}\r\n")).await, "");
        assert_eq!(ask(format!("INCR {key}\r\nQUIT\r\n")).await, ":2\r\n+OK\r\n");
        assert_eq!(ask(format!("DEL {key}\r\nQUIT\r\n")).await, ":1\r\n+OK\r\n");
    }
}
