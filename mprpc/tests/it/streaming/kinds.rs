//! The three kinds of streams, and what flows in them.

use bytes::Bytes;
use futures_util::TryStreamExt;
use mprpc::Code;
use mprpc_examples::{EchoReq, EchoResp, ListReq, echo_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::scripted::Scripted;
use crate::support::{Running, SOON, echo_req, soon};

#[tokio::test]
async fn a_server_streams_its_answer() {
    let server = Running::echo().await;
    let mut list = server.client().list(&soon(), ListReq { count: 3, size: 5 }).await.unwrap();
    for _ in 0..3 {
        assert_eq!(list.next().await.unwrap().unwrap().payload, [0; 5][..]);
    }
    assert!(list.next().await.unwrap().is_none());
    assert!(list.next().await.unwrap().is_none(), "the end stays the end");
}

#[tokio::test]
async fn a_client_streams_its_requests() {
    let server = Running::echo().await;
    let (mut requests, answer) = server.client().upload(&soon()).await.unwrap();
    for payload in ["one ", "two ", "", "three"] {
        requests.send(echo_req(payload)).await.unwrap();
    }
    requests.finish();
    assert_eq!(answer.await.unwrap().payload, "one two three");
}

#[tokio::test]
async fn both_stream_and_each_message_comes_back_before_the_next_is_sent() {
    let server = Running::echo().await;
    let (mut requests, mut responses) = server.client().chat(&soon()).await.unwrap();
    for payload in ["ping", "", "pong"] {
        requests.send(echo_req(payload)).await.unwrap();
        assert_eq!(responses.next().await.unwrap().unwrap().payload, payload);
    }
    requests.finish();
    assert!(responses.next().await.unwrap().is_none());
}

#[tokio::test]
async fn streams_may_be_empty() {
    let server = Running::echo().await;
    let client = server.client();
    let mut list = client.list(&soon(), ListReq { count: 0, size: 5 }).await.unwrap();
    assert!(list.next().await.unwrap().is_none());

    let (requests, answer) = client.upload(&soon()).await.unwrap();
    requests.finish();
    assert_eq!(answer.await.unwrap().payload, "");

    let (requests, mut responses) = client.chat(&soon()).await.unwrap();
    requests.finish();
    assert!(responses.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_receiver_is_a_stream() {
    let server = Running::echo().await;
    let list = server.client().list(&soon(), ListReq { count: 4, size: 1 }).await.unwrap();
    let listed: Vec<EchoResp> = list.try_collect().await.unwrap();
    assert_eq!(listed.len(), 4);
}

#[tokio::test]
async fn who_has_sent_all_still_receives() {
    let service = Scripted::new(async |mut requests, mut responses| {
        let mut count = 0_u8;
        while requests.next().await?.is_some() {
            count += 1;
        }
        for n in 0..count {
            responses.send(EchoResp { payload: vec![n].into() }).await?;
        }
        Ok(())
    });
    let server = service.serve().await;
    let (mut requests, responses) = server.client().chat(&soon()).await.unwrap();
    for _ in 0..3 {
        requests.send(echo_req("x")).await.unwrap();
    }
    requests.finish();
    let got: Vec<EchoResp> = responses.try_collect().await.unwrap();
    assert_eq!(got.iter().map(|r| r.payload[0]).collect::<Vec<_>>(), [0, 1, 2]);
}

#[tokio::test]
async fn many_streams_at_once_each_get_their_own_messages() {
    let server = Running::echo().await;
    let client = server.client();
    let chats = (0..200_u32).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { chat_with_numbers(&client, n).await })
    });
    for chat in chats.collect::<Vec<_>>() {
        chat.await.unwrap();
    }
}

/// Sends and receives at once, in sizes that fill windows.
async fn chat_with_numbers(client: &echo_service::Client, chat: u32) {
    const MESSAGES: u32 = 50;
    let payload = move |n: u32| {
        let mut payload = vec![0; (chat * 37 + n * 101) as usize % 5000 + 8];
        payload[..4].copy_from_slice(&chat.to_le_bytes());
        payload[4..8].copy_from_slice(&n.to_le_bytes());
        Bytes::from(payload)
    };
    let (mut requests, mut responses) = client.chat(&soon()).await.unwrap();
    let sending = tokio::spawn(async move {
        for n in 0..MESSAGES {
            requests.send(EchoReq { payload: payload(n) }).await.unwrap();
        }
        requests.finish();
    });
    for n in 0..MESSAGES {
        let got = responses.next().await.unwrap().expect("a message for each");
        assert!(got.payload == payload(n), "chat {chat}, message {n}");
    }
    assert!(responses.next().await.unwrap().is_none());
    sending.await.unwrap();
}

/// The example of PROTOCOL.md, byte for byte.
#[tokio::test]
async fn a_stream_that_was_written_by_hand_from_the_specification_is_answered() {
    let server = Running::echo().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let settings = b"\x05\0\0\0\x01\0\0\0\0\0\0\0\x08\x80\x80\x80\x02";
    let request = b"\x1d\0\0\0\x02\0\0\0\x01\0\0\0\
        \x1c\x0a\x15echo.EchoService/Chat\x10\x80\x87\xa7\x0e";
    let data = b"\x04\0\0\0\x08\0\0\0\x01\0\0\0\x0a\x02hi";
    let end = b"\0\0\0\0\x08\x01\0\0\x01\0\0\0";
    stream.write_all(&[b"MPR2", &settings[..], request, data, end].concat()).await.unwrap();

    let settings = b"\x09\0\0\0\x01\0\0\0\0\0\0\0\x08\x80\x80\x80\x02\x10\x80\x80\x01";
    let response = b"\x01\0\0\0\x03\x01\0\0\x01\0\0\0\0";
    let expected = [&settings[..], data, response].concat();
    let mut read = vec![0; expected.len()];
    timeout(SOON, stream.read_exact(&mut read)).await.expect("an answer comes").unwrap();
    assert_eq!(read, expected);
}

#[tokio::test]
async fn the_classic_wire_has_no_streams_and_says_so() {
    let server = Running::echo().await;
    let status = server.classic_client().upload(&soon()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.to_string().contains("classic"), "{status}");

    // One that calls it all the same is closed instead of left to wait.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let header = b"\x0a\x0bEchoService\x12\x06Upload\x18\0";
    let length = u32::try_from(header.len()).unwrap().to_le_bytes();
    stream.write_all(&[&length[..], header].concat()).await.unwrap();
    let mut rest = Vec::new();
    timeout(SOON, stream.read_to_end(&mut rest)).await.expect("it is closed").unwrap();
    assert!(rest.is_empty());
}
