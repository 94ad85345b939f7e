//! The echo service's implementation.

use std::time::Duration;

use mprpc::{Code, Context, Status};

use crate::{
    DescribeReq, DescribeResp, EchoReq, EchoResp, EchoSlowlyReq, FailReq, echo_service::Server,
};

/// Answers every call with what it was sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Server for Echo {
    async fn echo(&self, _cx: &Context, request: EchoReq) -> Result<EchoResp, Status> {
        Ok(EchoResp { payload: request.payload })
    }

    async fn echo_slowly(&self, _cx: &Context, request: EchoSlowlyReq) -> Result<EchoResp, Status> {
        tokio::time::sleep(Duration::from_millis(request.delay_ms.into())).await;
        Ok(EchoResp { payload: request.payload })
    }

    async fn fail(&self, _cx: &Context, request: FailReq) -> Result<EchoResp, Status> {
        Err(Status::new(Code::from_u32(request.code), request.message))
    }

    async fn describe(&self, cx: &Context, _request: DescribeReq) -> Result<DescribeResp, Status> {
        Ok(DescribeResp {
            remaining_ms: u64::try_from(cx.remaining().as_millis()).unwrap_or(u64::MAX),
            metadata: cx.metadata().iter().map(|(k, v)| (k.to_owned(), v.clone())).collect(),
        })
    }
}
