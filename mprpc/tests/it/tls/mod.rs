//! TLS on v2 connections: who is believed, and what is made of those who are not.

pub(crate) mod certificates;
mod trouble;

use mprpc::discovery::{Endpoint, Memory, Register as _, Wires};
use mprpc::{
    Callers, Channel, ChannelBuilder, ClientTls, Code, Context, Executed, ServerTls, Shown, Status,
    TlsError, Token,
};
use mprpc_examples::{EchoResp, echo_service};
use tokio::time::{Instant, timeout};

use crate::support::{Doing, Gate, Running, SOON, echo_req, slow_req, soon};
use certificates::{Authority, Files};

const TOKEN: &str = "0123456789abcdef";

/// A slow call answers how its caller was let in.
fn who() -> Doing {
    Doing::new(|cx: Context, _| async move {
        let caller = cx.caller().map(|caller| caller.shown());
        Ok(EchoResp { payload: format!("{caller:?}").into() })
    })
}

async fn serve(tls: &ServerTls, callers: Callers) -> Running {
    Running::start(who().builder().tls(tls).callers(callers)).await
}

fn to(server: &Running) -> ChannelBuilder {
    Channel::builder(format!("static://{}", server.address))
}

fn client(channel: ChannelBuilder) -> echo_service::Client {
    echo_service::Client::new(&channel.build().unwrap())
}

/// How a caller was let in.
async fn shown(client: &echo_service::Client) -> Result<String, Status> {
    let answer = client.echo_slowly(&soon(), slow_req("")).await?;
    Ok(String::from_utf8_lossy(&answer.payload).into_owned())
}

/// What a caller is told who does not get there.
async fn not_reached(channel: ChannelBuilder) -> String {
    let status = client(channel).echo(&soon(), echo_req("secret")).await.unwrap_err();
    let seen = (status.code(), status.executed());
    assert_eq!(seen, (Code::Unavailable, Executed::No), "{status}");
    status.to_string()
}

fn by(shown: Shown) -> String {
    format!("{:?}", Some(shown))
}

#[tokio::test]
async fn calls_streams_and_large_messages_go_over_tls_beside_plain_ones() {
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let tls = files.server(&authority.sign(&["127.0.0.1"]), None);
    let server = serve(&tls, Callers::anybody()).await;
    let secured = client(to(&server).tls(&files.client(&authority)));
    for client in [&secured, &server.client(), &server.classic_client()] {
        for payload in ["", "hi", &"long ".repeat(600_000)] {
            assert_eq!(client.echo(&soon(), echo_req(payload)).await.unwrap().payload, payload);
        }
    }
    // More than the sockets hold, both ways at once.
    let (mut requests, mut answers) = secured.chat(&soon()).await.unwrap();
    let payloads = || (1..=16).map(|number: u8| "x".repeat(usize::from(number) * 128 * 1024));
    let sending = tokio::spawn(async move {
        for payload in payloads() {
            requests.send(echo_req(&payload)).await.unwrap();
        }
        requests.finish();
    });
    for payload in payloads() {
        let answer = timeout(SOON, answers.next()).await.expect("it goes on");
        assert!(answer.unwrap().unwrap().payload == payload);
    }
    assert_eq!(answers.next().await.unwrap(), None);
    sending.await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn many_calls_at_once_on_one_connection_get_each_its_answer() {
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let tls = files.server(&authority.sign(&["127.0.0.1"]), None);
    let server = serve(&tls, Callers::anybody()).await;
    let secured = client(to(&server).tls(&files.client(&authority)));
    let calls = (0..500).map(|number: u32| {
        let (client, payload) = (secured.clone(), number.to_string().repeat(1 + 5_000 / 3));
        tokio::spawn(async move {
            let answer = client.echo(&soon(), echo_req(&payload)).await.unwrap();
            assert_eq!(answer.payload, payload);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn calls_under_way_are_finished_while_the_server_stops() {
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let tls = files.server(&authority.sign(&["127.0.0.1"]), None).only();
    let gate = Gate::default();
    let service = echo_service::serve(gate.clone());
    let server = Running::start(mprpc::Server::builder().add_service(service).tls(&tls)).await;
    let caller = client(to(&server).tls(&files.client(&authority)));
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (caller, payload) = (caller.clone(), "x".repeat(100_000));
            tokio::spawn(async move { caller.echo_slowly(&soon(), slow_req(&payload)).await })
        })
        .collect();
    for _ in &calls {
        timeout(SOON, gate.started.notified()).await.expect("it is at work");
    }
    server.begin_to_stop();
    gate.open.cancel();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().payload.len(), 100_000);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_is_not_called() {
    let files = Files::new();
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let cases = [
        ("another authority", other.sign(&["127.0.0.1"]), "UnknownIssuer"),
        ("another name", ours.sign(&["127.0.0.2"]), "certificate not valid for name"),
        ("out of date", ours.sign_expired(&["127.0.0.1"]), "certificate expired"),
    ];
    for (what, certificate, expected) in cases {
        let server = serve(&files.server(&certificate, None), Callers::anybody()).await;
        let text = not_reached(to(&server).tls(&files.client(&ours))).await;
        assert!(text.contains("TLS: ") && text.contains(expected), "{what}: {text}");
        server.stop().await;
    }
    // A name may be asked for whatever the address.
    let good = ours.sign(&["127.0.0.1", "users"]);
    let server = serve(&files.server(&good, None), Callers::anybody()).await;
    for (name, is_called) in [("users", true), ("groups", false)] {
        let tls = files.client(&ours).name(name).unwrap();
        assert_eq!(shown(&client(to(&server).tls(&tls))).await.is_ok(), is_called, "{name}");
    }
    assert!(matches!(files.client(&ours).name("no name"), Err(TlsError::Name(_))));
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_proves_who_calls() {
    let files = Files::new();
    let ours = Authority::new("ours");
    let tls = files.server(&ours.sign(&["127.0.0.1"]), Some(&ours));
    let token = Token::new(TOKEN).unwrap();
    let server = serve(&tls, Callers::anybody().certificates()).await;
    let certified = files.client_as(&ours, &ours.sign(&["front"]));
    assert_eq!(shown(&client(to(&server).tls(&certified))).await.unwrap(), by(Shown::Certificate));
    // Nobody else, not even with a token, which nobody asked for.
    let stranger = files.client(&ours);
    for channel in [to(&server).tls(&stranger), to(&server), to(&server).token(&token)] {
        let status = shown(&client(channel)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
        let expected = "has not shown a certificate that this server takes";
        assert!(status.message().contains(expected), "{status}");
    }
    assert!(server.classic_client().echo(&soon(), echo_req("x")).await.is_err());
    server.stop().await;

    // Either will do where both are taken.
    let server = serve(&tls, Callers::anybody().token(&token).certificates()).await;
    for (channel, how) in [
        (to(&server).tls(&certified), Shown::Certificate),
        (to(&server).tls(&certified).token(&token), Shown::Certificate),
        (to(&server).tls(&stranger).token(&token), Shown::Token),
        (to(&server).token(&token), Shown::Token),
    ] {
        assert_eq!(shown(&client(channel)).await.unwrap(), by(how));
    }
    let status = shown(&client(to(&server).tls(&stranger))).await.unwrap_err();
    assert!(status.message().contains("neither a token nor a certificate"), "{status}");
    server.stop().await;
}

/// No better than none, and its owner is told what is wrong with it.
#[tokio::test]
async fn a_certificate_that_proves_nothing_is_refused_in_the_handshake() {
    let files = Files::new();
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let tls = files.server(&ours.sign(&["127.0.0.1"]), Some(&ours));
    let token = Token::new(TOKEN).unwrap();
    let server = serve(&tls, Callers::anybody().token(&token).certificates()).await;
    for (certificate, expected) in [
        (other.sign(&["front"]), "UnknownCA"),
        (ours.sign_expired(&["front"]), "CertificateExpired"),
    ] {
        let forged = files.client_as(&ours, &certificate);
        let text = not_reached(to(&server).tls(&forged).token(&token)).await;
        assert!(text.contains(expected), "{text}");
    }
    server.stop().await;
}

/// Each end reads its files when a connection is made.
#[tokio::test]
async fn certificates_are_changed_without_a_restart() {
    let files = Files::new();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let tls = files.server(&old.sign(&["127.0.0.1"]), None);
    let server = serve(&tls, Callers::anybody()).await;
    let [of_old, of_new] = [&old, &new].map(|authority| files.client(authority));
    let stays = client(to(&server).tls(&of_old));
    assert!(shown(&stays).await.is_ok());
    files.replace_server(&new.sign(&["127.0.0.1"]));
    until_called(&server, &of_new).await;
    assert!(shown(&client(to(&server).tls(&of_old))).await.is_err());
    assert!(shown(&stays).await.is_ok(), "connections that are there stay");
    server.stop().await;
}

async fn until_called(server: &Running, tls: &ClientTls) {
    let until = Instant::now() + SOON;
    while let Err(status) = shown(&client(to(server).tls(tls))).await {
        assert!(Instant::now() < until, "{status}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Whoever can write to a registry can name itself there, but cannot prove that it is ours; and it
/// is not spoken to in a way that needs no proof.
#[tokio::test]
async fn a_rogue_entry_in_the_registry_hears_neither_token_nor_call() {
    let files = Files::new();
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let token = Token::new(TOKEN).unwrap();
    let rogue = serve(&files.server(&other.sign(&["127.0.0.1"]), None), Callers::anybody()).await;
    for wires in [Wires::V2, Wires::Classic] {
        let registry = Memory::new();
        let entry = Endpoint { wires, ..Endpoint::new(rogue.address) };
        let _entry = registry.register(&echo_service::DESCRIPTOR, entry);
        let channel = Channel::builder("memory://").memory(&registry).token(&token);
        let text = not_reached(channel.tls(&files.client(&ours))).await;
        assert!(text.contains("TLS"), "{text}");
    }
    rogue.stop().await;
}

/// The token may go wherever nobody on the way can read it.
#[tokio::test]
async fn in_tls_the_token_is_shown_wherever_the_server_is() {
    let Some(own) = crate::callers::own_address() else { return };
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let token = Token::new(TOKEN).unwrap();
    // Told by the name alone: the address is as good as one far away.
    let tls = files.server(&authority.sign(&["far-away"]), None);
    let server = who().builder().tls(&tls).callers(Callers::anybody().token(&token));
    let server = Running::start_at(server, (own, 0).into()).await;
    let to_it = files.client(&authority).name("far-away").unwrap();
    let answer = shown(&client(to(&server).tls(&to_it).token(&token))).await.unwrap();
    assert_eq!(answer, by(Shown::Token));
    let status = shown(&client(to(&server).token(&token))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    server.stop().await;
}

#[test]
fn files_that_are_of_no_use_are_named() {
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let (certificate, key) = files.replace_server(&authority.sign(&["a"]));
    let other = files.write("other.pem", "nothing of the kind");
    let missing = files.path("missing.pem");
    let load = |certificate: &_, key: &_, clients: Option<&_>| {
        let error = ServerTls::load(certificate, key, clients.cloned()).unwrap_err();
        error.to_string()
    };
    for (text, expected) in [
        (load(&missing, &key, None), "missing.pem: "),
        (load(&other, &key, None), "other.pem: holds no certificate"),
        (load(&certificate, &other, None), "other.pem: holds no private key"),
        (load(&certificate, &key, Some(&other)), "other.pem: holds no certificate"),
        (load(&files.path("."), &key, None), "it is no file"),
    ] {
        assert!(text.contains(expected), "{text}");
    }
    // One of another key.
    files.replace_server(&authority.sign(&["a"]));
    let first = files.write("first.key", &std::fs::read_to_string(&key).unwrap());
    files.replace_server(&authority.sign(&["a"]));
    assert!(load(&certificate, &first, None).contains("server.pem"));
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(load(&certificate, &key, None).contains("can be read by everybody (mode 644)"));
}
