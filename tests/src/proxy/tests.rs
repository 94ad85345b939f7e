//! Through a proxy to a server that says again what it hears.

use tokio::time::{Instant, timeout};

use super::*;

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn connected() -> (Proxy, TcpStream) {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(says(&mut stream, "hello").await.unwrap(), "hello");
    (proxy, stream)
}

/// What comes back.
async fn says(stream: &mut TcpStream, text: &str) -> io::Result<String> {
    stream.write_all(text.as_bytes()).await?;
    hears(stream, text.len()).await
}

async fn hears(stream: &mut TcpStream, length: usize) -> io::Result<String> {
    let mut heard = vec![0; length];
    stream.read_exact(&mut heard).await?;
    Ok(String::from_utf8(heard).unwrap())
}

#[tokio::test]
async fn what_is_shut_in_comes_out_later_and_whole() {
    for (up, down) in [
        (Passage::Shut, Passage::Open),
        (Passage::Open, Passage::Shut),
        (Passage::Shut, Passage::Shut),
    ] {
        let (proxy, mut stream) = connected().await;
        proxy.treat(up, down);
        stream.write_all(b"later").await.unwrap();
        let heard = timeout(Duration::from_millis(100), hears(&mut stream, 5)).await;
        assert!(heard.is_err(), "{up:?}, {down:?}: {heard:?}");
        proxy.mend();
        assert_eq!(hears(&mut stream, 5).await.unwrap(), "later");
    }
}

#[tokio::test]
async fn what_is_late_is_late() {
    let (proxy, mut stream) = connected().await;
    let by = Duration::from_millis(50);
    proxy.treat(Passage::Late(by), Passage::Late(by));
    let since = Instant::now();
    assert_eq!(says(&mut stream, "late").await.unwrap(), "late");
    assert!(since.elapsed() >= 2 * by);
}

#[tokio::test]
async fn what_is_torn_is_reset_and_new_connections_are_taken_or_not() {
    let (proxy, mut stream) = connected().await;
    proxy.tear(true);
    let error = hears(&mut stream, 1).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(says(&mut refused, "x").await.is_err());
    proxy.mend();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(says(&mut stream, "again").await.unwrap(), "again");
}

#[tokio::test]
async fn who_is_parted_from_a_server_still_gets_what_it_has_said() {
    let (proxy, mut stream) = connected().await;
    stream.write_all(b"said").await.unwrap();
    assert_eq!(hears(&mut stream, 2).await.unwrap(), "sa");
    proxy.part(true);
    assert_eq!(hears(&mut stream, 2).await.unwrap(), "id");
    assert!(hears(&mut stream, 1).await.is_err(), "it has ended");
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(says(&mut refused, "x").await.is_err());
}

#[tokio::test]
async fn half_closed_is_an_end_for_who_connected() {
    let (proxy, mut stream) = connected().await;
    proxy.half_close();
    let error = hears(&mut stream, 1).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_trap_tears_the_connection_of_the_request_that_it_waits_for() {
    for arrives in [false, true] {
        let (proxy, mut stream) = connected().await;
        let springs = proxy.tear_at("COMMIT", arrives);
        assert_eq!(says(&mut stream, "SELECT").await.unwrap(), "SELECT");
        assert!(says(&mut stream, "COMMIT").await.is_err());
        springs.await.unwrap();
    }
}
