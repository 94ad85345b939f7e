//! Calls of many messages.

use mprpc::{Code, Status};

use super::failure::{Failure, equal, failed};
use super::unary::{stops_in_time, with_metadata};
use super::{Peer, call};
use crate::{EchoStatus, InputRequest, OutputParameters, OutputRequest};

/// The sizes of gRPC's cases, in bytes.
pub(super) const REQUESTS: [usize; 4] = [27_182, 8, 1_828, 45_904];
pub(super) const ANSWERS: [u32; 4] = [31_415, 9, 2_653, 58_979];

pub(super) fn zeros(size: usize) -> InputRequest {
    InputRequest { payload: vec![0; size].into(), ..InputRequest::default() }
}

pub(super) fn asking(sizes: &[u32]) -> OutputRequest {
    let answer = |size: &u32| OutputParameters { size: *size, delay_ms: 0 };
    OutputRequest { answers: sizes.iter().map(answer).collect(), ..OutputRequest::default() }
}

pub(super) async fn client_streaming(peer: Peer) -> Result<(), Failure> {
    let (mut requests, answer) = peer.client().streaming_input_call(&call()).await?;
    for size in REQUESTS {
        requests.send(zeros(size)).await?;
    }
    requests.finish();
    equal("what came in all", answer.await?.total_size, REQUESTS.iter().sum::<usize>() as u64)
}

pub(super) async fn server_streaming(peer: Peer) -> Result<(), Failure> {
    let mut answers = peer.client().streaming_output_call(&call(), asking(&ANSWERS)).await?;
    let mut sizes = Vec::new();
    while let Some(answer) = answers.next().await? {
        sizes.push(answer.payload.len());
    }
    equal("the sizes of the answers", sizes, ANSWERS.map(|size| size as usize).to_vec())
}

pub(super) async fn ping_pong(peer: Peer) -> Result<(), Failure> {
    let (mut requests, mut answers) = peer.client().full_duplex_call(&call()).await?;
    for (request, size) in REQUESTS.into_iter().zip(ANSWERS) {
        let payload = vec![0; request].into();
        requests.send(OutputRequest { payload, ..asking(&[size]) }).await?;
        let answer = answers.next().await?.map(|answer| answer.payload.len());
        equal("the answer's size", answer, Some(size as usize))?;
    }
    requests.finish();
    equal("what comes behind the last", answers.next().await?, None)
}

pub(super) async fn empty_stream(peer: Peer) -> Result<(), Failure> {
    let (requests, mut answers) = peer.client().full_duplex_call(&call()).await?;
    requests.finish();
    equal("what comes back", answers.next().await?, None)?;
    let mut answers = peer.client().streaming_output_call(&call(), asking(&[])).await?;
    equal("what is answered", answers.next().await?, None)?;
    let (requests, answer) = peer.client().streaming_input_call(&call()).await?;
    requests.finish();
    equal("what came in all", answer.await?.total_size, 0)
}

pub(super) async fn status_behind_answers(peer: Peer) -> Result<(), Failure> {
    let status = EchoStatus { code: Code::DataLoss as u32, message: "test".to_owned() };
    let request = OutputRequest { response_status: Some(status), ..asking(&[10, 20]) };
    let mut answers = peer.client().streaming_output_call(&call(), request).await?;
    for size in [10, 20] {
        let answer = answers.next().await?.map(|answer| answer.payload.len());
        equal("the answer's size", answer, Some(size))?;
    }
    let status = failed(answers.next().await, Code::DataLoss)?;
    equal("the status's text", status.message(), "test")
}

pub(super) async fn status_of_streams(peer: Peer) -> Result<(), Failure> {
    let text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    for code in 1..=16 {
        let status = Some(EchoStatus { code, message: text.to_owned() });
        let request = OutputRequest { response_status: status.clone(), ..OutputRequest::default() };
        let ends = |outcome: Result<(), Status>| {
            let status = failed(outcome, Code::from_u32(code))?;
            equal("the status's text", status.message(), text)
        };

        let mut answers = peer.client().streaming_output_call(&call(), request.clone()).await?;
        ends(answers.next().await.map(|_| ()))?;

        let (mut requests, mut answers) = peer.client().full_duplex_call(&call()).await?;
        requests.send(request).await?;
        ends(answers.next().await.map(|_| ()))?;

        let (mut requests, answer) = peer.client().streaming_input_call(&call()).await?;
        requests.send(InputRequest { response_status: status, ..InputRequest::default() }).await?;
        ends(answer.await.map(|_| ()))?;
    }
    Ok(())
}

pub(super) async fn metadata_of_streams(peer: Peer) -> Result<(), Failure> {
    let (cx, sent) = with_metadata();
    let mut answers = peer.client().streaming_output_call(&cx, asking(&[1, 1])).await?;
    let came = answers.next().await?.map(|answer| answer.metadata);
    equal("the metadata that came", came.as_ref(), Some(&sent))?;

    let (mut requests, mut answers) = peer.client().full_duplex_call(&cx).await?;
    requests.send(asking(&[1])).await?;
    let came = answers.next().await?.map(|answer| answer.metadata);
    equal("the metadata that came", came.as_ref(), Some(&sent))?;

    let (requests, answer) = peer.client().streaming_input_call(&cx).await?;
    requests.finish();
    equal("the metadata that came", answer.await?.metadata, sent)?;
    // It goes with its call, not with the connection.
    let (requests, answer) = peer.client().streaming_input_call(&call()).await?;
    requests.finish();
    equal("the metadata of the next call", answer.await?.metadata.len(), 0)
}

pub(super) async fn cancel_after_begin(peer: Peer) -> Result<(), Failure> {
    let before = peer.stopped().await?;
    let (requests, answer) = peer.client().streaming_input_call(&call()).await?;
    // Behind it on the connection: once this is answered, the stream is open there.
    super::unary::empty_unary(peer.clone()).await?;
    drop(requests);
    failed(answer.await, Code::Cancelled)?;
    peer.stopped_since(before).await
}

pub(super) async fn cancel_after_first_response(peer: Peer) -> Result<(), Failure> {
    let before = peer.stopped().await?;
    let (mut requests, mut answers) = peer.client().full_duplex_call(&call()).await?;
    requests.send(asking(&ANSWERS[..1])).await?;
    let answer = answers.next().await?.map(|answer| answer.payload.len());
    equal("the answer's size", answer, Some(ANSWERS[0] as usize))?;
    drop((requests, answers));
    peer.stopped_since(before).await?;
    // The connection goes on.
    super::unary::empty_unary(peer).await
}

pub(super) async fn timeout_on_sleeping_stream(peer: Peer) -> Result<(), Failure> {
    stops_in_time(&peer, |client, cx| async move {
        let (mut requests, mut answers) = client.full_duplex_call(&cx).await?;
        let late = OutputParameters { size: 1, delay_ms: 60_000 };
        requests.send(OutputRequest { answers: vec![late], ..OutputRequest::default() }).await?;
        answers.next().await.map(|_| ())
    })
    .await
}
