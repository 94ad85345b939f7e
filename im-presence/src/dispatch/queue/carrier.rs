//! What a link needs from whatever takes its pushes to the gateway.

use std::fmt::Debug;
use std::future::Future;

use mpim_proto::PushReq;

use crate::routing::Gateway;

/// Why a push did not arrive, as far as is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// That boot of the gateway does not exist any more: its routes can be dropped.
    Gone,
    /// It may exist, but did not take the push; this is why, for the log.
    Failed(String),
}

/// Takes pushes to one boot of a gateway, one at a time.
pub(crate) trait Carrier: Send + Sync + 'static {
    /// Whether a push that was carried has reached its gateway. If not, it may still be on its way
    /// when a renewal is answered, where the number of the last push then says nothing; and that the
    /// gateway is gone shows only in that it is not heard of.
    const CONFIRMS: bool;

    /// Takes one push, within the bounds of the carrier. Answers with the number of sessions that it
    /// reached, or 0 where that cannot be known.
    fn carry(&self, push: PushReq) -> impl Future<Output = Result<u32, Failure>> + Send;
}

/// Makes carriers.
pub(crate) trait Carriers: Send + Sync + 'static {
    type Carrier: Carrier + Debug;

    /// The way to a gateway; `None` if nothing can be pushed there.
    fn to(&self, gateway: &Gateway) -> Option<Self::Carrier>;
}
