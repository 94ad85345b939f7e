//! The client's stack: what a call goes through, in order.

use prost::Message;
use tokio::time::Instant;

use super::ServiceChannel;
use crate::{Context, Status};

impl ServiceChannel {
    /// Calls the method with index `method` and decodes its answer.
    ///
    /// Cancel safe: dropping the future gives the call up, and a v2 server stops its handler.
    ///
    /// # Errors
    /// What the service answers, or what kept the call from being answered.
    pub async fn unary<Req: Message, Resp: Message + Default>(
        &self,
        cx: &Context,
        method: usize,
        request: &Req,
    ) -> Result<Resp, Status> {
        let began = Instant::now();
        let outcome = self.shared.call(cx, method, request).await;
        outcome.map_err(|status| status.of_call(self.shared.descriptor(), method, began.elapsed()))
    }
}
