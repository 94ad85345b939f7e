//! The health service, the same in every binary.

use mprpc::{Context, Service, Status};

use crate::{PingReq, PingResp, health_service};

/// A `HealthService` that answers with the time of `now_ms` (milliseconds since the epoch).
pub fn health(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Service {
    health_service::serve(Health { now_ms })
}

struct Health<F> {
    now_ms: F,
}

impl<F: Fn() -> i64 + Send + Sync + 'static> health_service::Server for Health<F> {
    async fn ping(&self, _cx: &Context, request: PingReq) -> Result<PingResp, Status> {
        Ok(PingResp { echo: request.payload, ts_server_ms: (self.now_ms)() })
    }
}
