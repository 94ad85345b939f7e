//! A stub that stands in for a service: what its handlers are given goes to another server, and what
//! comes from there comes back.

use std::future::Future;
use std::pin::pin;

use futures_util::future::{Either, select};
use prost::Message;

use super::{Answer, Receiver, Sender};
use crate::Status;

/// For a method that streams its requests.
pub async fn forward_requests<Req, Resp>(
    requests: Receiver<Req>,
    (there, answer): (Sender<Req>, Answer<Resp>),
) -> Result<Resp, Status>
where
    Req: Message + Default,
    Resp: Message + Default,
{
    beside(pump(requests, there), answer).await
}

/// For a method that streams its answer.
pub async fn forward_responses<Resp: Message + Default>(
    back: Receiver<Resp>,
    responses: Sender<Resp>,
) -> Result<(), Status> {
    pump(back, responses).await
}

/// For a method that streams both.
pub async fn forward_both<Req, Resp>(
    requests: Receiver<Req>,
    (there, back): (Sender<Req>, Receiver<Resp>),
    responses: Sender<Resp>,
) -> Result<(), Status>
where
    Req: Message + Default,
    Resp: Message + Default,
{
    beside(pump(requests, there), pump(back, responses)).await
}

async fn pump<M: Message + Default>(
    mut from: Receiver<M>,
    mut to: Sender<M>,
) -> Result<(), Status> {
    while let Some(message) = from.next().await? {
        to.send(message).await?;
    }
    to.finish();
    Ok(())
}

/// What `outcome` comes to, while requests are pumped beside it. They need not be pumped to their
/// end: a server may answer before.
async fn beside<T>(
    requests: impl Future<Output = Result<(), Status>>,
    outcome: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    match select(pin!(requests), pin!(outcome)).await {
        Either::Left((_, outcome)) => outcome.await,
        Either::Right((outcome, _)) => outcome,
    }
}
