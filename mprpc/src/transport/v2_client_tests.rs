//! Tests of a client's connection against servers that behave oddly.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::ServiceDescriptor;

static SERVICE: ServiceDescriptor =
    ServiceDescriptor { full_name: "e.E", short_name: "E", methods: &["M"] };

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_to_take_a_large_request_is_not_dead() {
    const STEP_BYTES: usize = 64 * 1024;
    let (mut server, io) = tokio::io::duplex(STEP_BYTES);
    let terms = Terms {
        peer: Peer::new(([127, 0, 0, 1], 1).into()),
        offer: Offer::default(),
        keepalive: Duration::from_secs(1),
        ended: Arc::default(),
    };
    let connection = Connection::new(io, terms);
    let serving = tokio::spawn(async move {
        let mut taken = 0;
        while taken < 32 * STEP_BYTES {
            tokio::time::sleep(Duration::from_millis(500)).await;
            taken += server.read(&mut vec![0; STEP_BYTES]).await.unwrap();
        }
        // The answer to call 0: an empty head, no message.
        server.write_all(b"\x01\0\0\0\x03\x01\0\0\0\0\0\0\0").await.unwrap();
        server.read_to_end(&mut Vec::new()).await
    });
    let request = Request {
        service: &SERVICE,
        index: 0,
        method: 0,
        deadline: Instant::now() + Duration::from_secs(60),
        metadata: None,
        timing: None,
    };
    connection.call(request, &vec![7_u8; 32 * STEP_BYTES], None).await.unwrap();
    drop(connection);
    serving.await.unwrap().unwrap();
}
