//! A process that has two versions of one service's description.

use mprpc::{Code, ServiceDescriptor};
use mprpc_examples::{DescribeReq, DescribeResp, EchoReq, EchoResp, echo_service};

use crate::support::{Running, channel, echo_req, soon};

/// The echo service as another version of its `.proto` has it.
static OTHER: ServiceDescriptor = ServiceDescriptor {
    full_name: "echo.EchoService",
    short_name: "EchoService",
    methods: &["Describe", "NotThereYet", "Echo"],
};

#[tokio::test]
async fn two_versions_of_a_service_on_one_channel_do_not_mix_up_their_methods() {
    let server = Running::echo().await;
    let channel = channel(&format!("static://{}", server.address));
    let client = echo_service::Client::new(&channel);
    let other = channel.service(&OTHER);
    for _ in 0..2 {
        assert_eq!(client.echo(&soon(), echo_req("one")).await.unwrap().payload, "one");
        let described = other.unary::<_, DescribeResp>(&soon(), 0, &DescribeReq {}).await;
        assert!(described.unwrap().remaining_ms > 0);
        let missing = other.unary::<_, EchoResp>(&soon(), 1, &EchoReq::default()).await;
        assert_eq!(missing.unwrap_err().code(), Code::Unimplemented);
        let answer = other.unary::<_, EchoResp>(&soon(), 2, &echo_req("two")).await;
        assert_eq!(answer.unwrap().payload, "two");
    }
}
