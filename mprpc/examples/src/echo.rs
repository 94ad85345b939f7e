//! The echo service's implementation.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mprpc::{Code, Context, Receiver, Sender, Status};

use crate::{
    DescribeReq, DescribeResp, EchoReq, EchoResp, EchoSlowlyReq, FailReq, ListReq,
    echo_service::Server,
};

/// How much of an upload is kept, and how long a listed payload may be, in bytes: what fits into a
/// frame.
const UPLOAD_BYTES_MAX: usize = 4_000_000;

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

    async fn upload(
        &self,
        _cx: &Context,
        mut requests: Receiver<EchoReq>,
    ) -> Result<EchoResp, Status> {
        let mut payload = BytesMut::new();
        while let Some(request) = requests.next().await? {
            if payload.len() + request.payload.len() > UPLOAD_BYTES_MAX {
                return Err(Status::resource_exhausted("an upload that is too long to be echoed"));
            }
            payload.extend_from_slice(&request.payload);
        }
        Ok(EchoResp { payload: payload.freeze() })
    }

    async fn list(
        &self,
        _cx: &Context,
        request: ListReq,
        mut responses: Sender<EchoResp>,
    ) -> Result<(), Status> {
        let size = usize::try_from(request.size).unwrap_or(usize::MAX).min(UPLOAD_BYTES_MAX);
        let payload = Bytes::from(vec![0; size]);
        for _ in 0..request.count {
            responses.send(EchoResp { payload: payload.clone() }).await?;
        }
        Ok(())
    }

    async fn chat(
        &self,
        _cx: &Context,
        mut requests: Receiver<EchoReq>,
        mut responses: Sender<EchoResp>,
    ) -> Result<(), Status> {
        while let Some(request) = requests.next().await? {
            responses.send(EchoResp { payload: request.payload }).await?;
        }
        Ok(())
    }
}
