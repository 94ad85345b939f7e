//! Servers behind TLS.

use crate::server::{Protocol, Server, next, next_message, options, within};
use im_client::{Client, ConnectError, Event, Options};
use std::{fs, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{copy, split},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

on_all_protocols! {
    a_server_whose_certificate_is_trusted_is_spoken_to,
    a_server_that_is_gone_without_a_goodbye_is_found_again,
}

/// More than one record of TLS, and more than is read at once.
const MANY: i64 = 32;
const LONG: usize = 4096;

/// A handshake is slow where nothing is optimised.
fn patient() -> Options {
    Options { connect_timeout: Duration::from_secs(30), ..options() }
}

/// Somebody who speaks TLS with a certificate of this name, and passes on what is said to `server`. The
/// certificate is in the file. When either side hangs up the other is told nothing but that.
async fn in_front_of(server: &Server, name: &str, certificate: &Path) -> String {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    fs::write(certificate, cert.pem()).expect("writes");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("there are some");
    let config = config.with_no_client_auth();
    let config = config.with_single_cert(vec![cert.der().clone()], key).expect("they fit");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (address, behind) = (listener.local_addr().expect("an address"), server.address());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("accepts");
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let (mut heard, mut said) = split(acceptor.accept(stream).await?);
                let mut plain = TcpStream::connect(behind).await?;
                let (mut reading, mut writing) = plain.split();
                tokio::select! {
                    copied = copy(&mut heard, &mut writing) => copied,
                    copied = copy(&mut reading, &mut said) => copied,
                }
            });
        }
    });
    address.to_string()
}

fn server_at(protocol: Protocol, address: &str, trusted: &Path) -> im_client::Server {
    let scheme = match protocol {
        Protocol::Text => "text+tls",
        Protocol::Frames => "frames+tls",
        Protocol::WebSocket => "wss",
    };
    let server: im_client::Server = format!("{scheme}://{address}").parse().expect("an address");
    server.trusting(trusted)
}

async fn a_server_whose_certificate_is_trusted_is_spoken_to(protocol: Protocol) {
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = folder.path().join("trusted.pem");
    let server = Server::start(protocol).await;
    let address = in_front_of(&server, "127.0.0.1", &trusted).await;
    let connect = Client::connect(server_at(protocol, &address, &trusted), patient());
    let (mut peer, client) = tokio::join!(server.accept(), connect);
    let (client, mut events) = client.expect("connects");
    let (uid, _) = tokio::join!(client.login("ada", "secret"), peer.log_in());
    assert_eq!(uid, Ok(7));
    for msg_id in 1..=MANY {
        peer.push(msg_id, &"x".repeat(LONG)).await;
    }
    for msg_id in 1..=MANY {
        assert_eq!(next_message(&mut events).await, msg_id);
    }
}

async fn a_server_that_is_gone_without_a_goodbye_is_found_again(protocol: Protocol) {
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = folder.path().join("trusted.pem");
    let server = Server::start(protocol).await;
    let address = in_front_of(&server, "127.0.0.1", &trusted).await;
    let connect = Client::connect(server_at(protocol, &address, &trusted), patient());
    let (mut peer, client) = tokio::join!(server.accept(), connect);
    let (client, mut events) = client.expect("connects");
    let (uid, _) = tokio::join!(client.login("ada", "secret"), peer.log_in());
    assert_eq!(uid, Ok(7));
    drop(peer);
    let Event::Disconnected { reason, .. } = next(&mut events).await else {
        panic!("the loss was not noticed");
    };
    assert_eq!(reason, "the server closed the connection");
    let _peer = server.accept_login().await;
    assert_eq!(next(&mut events).await, Event::Reconnected { uid: Some(7) });
}

#[tokio::test]
async fn who_is_not_vouched_for_has_another_name_or_speaks_no_tls_is_not_spoken_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let server = Server::start(Protocol::Text).await;
    let stranger = in_front_of(&server, "127.0.0.1", &file("stranger")).await;
    let other_name = in_front_of(&server, "im.example.org", &file("other name")).await;
    let known = in_front_of(&server, "127.0.0.1", &file("known")).await;
    fs::write(file("empty"), "").expect("writes");
    for (address, trusted, why) in [
        (&stranger, "known", "invalid peer certificate"),
        (&other_name, "other name", "not valid for name"),
        (&known, "empty", "there are none"),
        (&known, "nothing", "cannot use the certificates in"),
    ] {
        let at = server_at(Protocol::Text, address, &file(trusted));
        let error = within("the error", Client::connect(at, patient())).await;
        let error = error.map(drop).expect_err("nobody to be trusted");
        assert!(matches!(error, ConnectError::Tls { .. }), "{trusted}: {error}");
        assert!(error.to_string().contains(why), "{trusted}: {error}");
    }
    let at = server_at(Protocol::Text, &server.address(), &file("known"));
    let plain = async { server.accept().await };
    let (error, _peer) = tokio::join!(Client::connect(at, patient()), plain);
    let error = error.map(drop).expect_err("it speaks lines");
    assert!(matches!(error, ConnectError::Tls { .. }), "{error}");
}
