//! Echoes WebSocket messages through the gateway's own layer, for conformance suites:
//! `cargo run --release -p im-gateway --example ws_echo -- 127.0.0.1:9001`.

use std::convert::Infallible;
use std::io;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, upgrade};
use hyper_util::rt::TokioIo;
use im_gateway::web_socket_agreement;
use im_wire::web_socket::{Incoming as Message, Messages};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The longest message; suites send 16 MiB.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

#[tokio::main]
async fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(&addr).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(async |request| Ok::<_, Infallible>(agree(request)));
            let http = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // Whatever fails, the client is gone.
            let _ = http.with_upgrades().await;
        });
    }
}

fn agree(mut request: Request<Incoming>) -> Response<String> {
    match web_socket_agreement(&request, &[]) {
        Ok(response) => {
            let upgraded = upgrade::on(&mut request);
            tokio::spawn(async move {
                if let Ok(Ok(parts)) = upgraded.await.map(|it| it.downcast::<TokioIo<TcpStream>>())
                {
                    let _ = echo(parts.io.into_inner(), &parts.read_buf).await;
                }
            });
            response.map(|()| String::new())
        }
        Err((status, words)) => {
            let mut response = Response::new(words.to_owned());
            *response.status_mut() = status;
            response
        }
    }
}

async fn echo(mut stream: TcpStream, first: &[u8]) -> io::Result<()> {
    let mut messages = Messages::new(MESSAGE_BYTES_MAX);
    messages.receive(first);
    let mut buffer = vec![0; 64 << 10];
    loop {
        while let Some(message) = messages.next_message() {
            match message {
                Message::Text(text) => {
                    messages.send_text(text.len(), |out| out.extend_from_slice(&text));
                }
                Message::Binary(bytes) => {
                    messages.send_binary(bytes.len(), |out| out.extend_from_slice(&bytes));
                }
                Message::Closed => {}
            }
        }
        let output = messages.output().to_vec();
        stream.write_all(&output).await?;
        messages.consume_output(output.len());
        if messages.is_over() {
            return stream.shutdown().await;
        }
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            bytes => messages.receive(&buffer[..bytes]),
        }
    }
}
