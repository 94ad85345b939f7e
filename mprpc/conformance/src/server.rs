//! The service that the cases call.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mprpc::{Code, Context, Receiver, Sender, Status};

use crate::test_service::Server;
use crate::{
    EchoStatus, Empty, InputRequest, InputResponse, OutputRequest, OutputResponse, ReportResponse,
    SimpleRequest, SimpleResponse,
};

/// The longest payload that is made for a caller, in bytes: what fits into a frame.
const PAYLOAD_BYTES_MAX: usize = 4_000_000;

/// Serves `mprpc.conformance.TestService` as `conformance.proto` says.
#[derive(Clone, Debug, Default)]
pub struct TestServer {
    stopped: Arc<AtomicU64>,
    streamed_bytes: Arc<AtomicU64>,
}

/// Counts a handler that is dropped before its end.
struct Running<'a> {
    stopped: &'a AtomicU64,
    ended: bool,
}

impl Running<'_> {
    fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.stopped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl TestServer {
    fn running(&self) -> Running<'_> {
        Running { stopped: &self.stopped, ended: false }
    }
}

impl TestServer {
    /// Sends what `request` asks for. The first answer takes the metadata along.
    async fn answer(
        &self,
        request: OutputRequest,
        metadata: &mut HashMap<String, Bytes>,
        responses: &mut Sender<OutputResponse>,
    ) -> Result<(), Status> {
        for asked in request.answers {
            if asked.delay_ms > 0 {
                tokio::time::sleep(Duration::from_millis(asked.delay_ms.into())).await;
            }
            let (payload, metadata) = (payload(asked.size)?, std::mem::take(metadata));
            responses.send(OutputResponse { payload, metadata }).await?;
            self.streamed_bytes.fetch_add(asked.size.into(), Ordering::Relaxed);
        }
        asked_for(request.response_status)
    }
}

/// A payload of `size` zeros.
fn payload(size: u32) -> Result<Bytes, Status> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size > PAYLOAD_BYTES_MAX {
        return Err(Status::invalid_argument(format!(
            "a payload of {size} bytes, and at most {PAYLOAD_BYTES_MAX} are made"
        )));
    }
    Ok(vec![0; size].into())
}

/// The status that the caller asks for.
fn asked_for(status: Option<EchoStatus>) -> Result<(), Status> {
    match status {
        Some(status) if status.code != 0 => {
            Err(Status::new(Code::from_u32(status.code), status.message))
        }
        _ => Ok(()),
    }
}

fn metadata(cx: &Context) -> HashMap<String, Bytes> {
    let ours = cx.metadata().iter().filter(|(name, _)| name.starts_with("x-conformance-"));
    ours.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

impl Server for TestServer {
    async fn empty_call(&self, _cx: &Context, _request: Empty) -> Result<Empty, Status> {
        Ok(Empty {})
    }

    async fn unary_call(
        &self,
        cx: &Context,
        request: SimpleRequest,
    ) -> Result<SimpleResponse, Status> {
        let remaining_ms = u64::try_from(cx.remaining().as_millis()).unwrap_or(u64::MAX);
        let running = self.running();
        if request.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(request.delay_ms.into())).await;
        }
        running.end();
        asked_for(request.response_status)?;
        Ok(SimpleResponse {
            payload: payload(request.response_size)?,
            metadata: metadata(cx),
            remaining_ms,
            request_size: u32::try_from(request.payload.len()).unwrap_or(u32::MAX),
        })
    }

    async fn streaming_output_call(
        &self,
        cx: &Context,
        request: OutputRequest,
        mut responses: Sender<OutputResponse>,
    ) -> Result<(), Status> {
        let running = self.running();
        self.answer(request, &mut metadata(cx), &mut responses).await?;
        running.end();
        Ok(())
    }

    async fn streaming_input_call(
        &self,
        cx: &Context,
        mut requests: Receiver<InputRequest>,
    ) -> Result<InputResponse, Status> {
        let running = self.running();
        let mut total_size = 0;
        while let Some(request) = requests.next().await? {
            total_size += request.payload.len() as u64;
            asked_for(request.response_status)?;
            if request.pause_ms > 0 {
                tokio::time::sleep(Duration::from_millis(request.pause_ms.into())).await;
            }
        }
        running.end();
        Ok(InputResponse { total_size, metadata: metadata(cx) })
    }

    async fn full_duplex_call(
        &self,
        cx: &Context,
        mut requests: Receiver<OutputRequest>,
        mut responses: Sender<OutputResponse>,
    ) -> Result<(), Status> {
        let running = self.running();
        let mut metadata = metadata(cx);
        while let Some(request) = requests.next().await? {
            self.answer(request, &mut metadata, &mut responses).await?;
        }
        running.end();
        Ok(())
    }

    async fn report(&self, _cx: &Context, _request: Empty) -> Result<ReportResponse, Status> {
        Ok(ReportResponse {
            stopped: self.stopped.load(Ordering::Relaxed),
            streamed_bytes: self.streamed_bytes.load(Ordering::Relaxed),
        })
    }
}
