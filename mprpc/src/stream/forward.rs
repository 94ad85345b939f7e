//! A stub that stands in for a service: what its handlers are given goes to another server, and what
//! comes from there comes back.

use std::future::Future;
use std::pin::pin;

use futures_util::future::{Either, select};
use prost::Message;

use super::{Answer, Receiver, Sender};
use crate::{Code, Status};

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
    pump(back, responses).await.into_result()
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
    beside(pump(requests, there), async { pump(back, responses).await.into_result() }).await
}

/// Why messages are pumped no more.
enum Stop {
    /// No more will come: the last has, or the call that they came by has failed.
    Came(Result<(), Status>),
    /// Those that they go to take no more.
    Went(Status),
}

async fn pump<M: Message + Default>(mut from: Receiver<M>, mut to: Sender<M>) -> Stop {
    loop {
        match from.next().await {
            Ok(Some(message)) => {
                if let Err(status) = to.send(message).await {
                    return Stop::Went(status);
                }
            }
            Ok(None) => {
                to.finish();
                return Stop::Came(Ok(()));
            }
            Err(status) => return Stop::Came(Err(status)),
        }
    }
}

impl Stop {
    fn into_result(self) -> Result<(), Status> {
        match self {
            Self::Came(outcome) => outcome,
            Self::Went(status) => Err(status),
        }
    }
}

/// What `outcome` comes to, while requests are pumped beside it. They need not be pumped to their
/// end: a server may answer before, and then its answer says why it takes no more. If they end with
/// an error, the call is given up there, and that error is why; so it is if one is not taken there.
async fn beside<T>(
    requests: impl Future<Output = Stop>,
    outcome: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    match select(pin!(requests), pin!(outcome)).await {
        Either::Left((Stop::Came(Err(status)), _)) => Err(status),
        Either::Left((Stop::Came(Ok(())), outcome)) => outcome.await,
        Either::Left((Stop::Went(status), outcome)) => match outcome.await {
            Err(gave_up) if gave_up.code() == Code::Cancelled => Err(status),
            outcome => outcome,
        },
        Either::Right((outcome, _)) => outcome,
    }
}
