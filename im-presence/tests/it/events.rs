//! Events, beside the numbered pushes.

use mpim_proto::event::Content;
use mpim_proto::{DispatchEventsReq, Event, EventDelivery, TypingEvent};
use mprpc::Code;

use crate::gateway::{Gateway, Told};
use crate::service::{GOOD, cx, presence};

fn typing(recipients: &[i64]) -> EventDelivery {
    let content = Some(Content::Typing(TypingEvent { from: 7, group_id: 0 }));
    EventDelivery { event: Some(Event { content }), recipients: recipients.to_vec() }
}

#[tokio::test]
async fn an_event_reaches_the_gateways_of_those_recipients_who_are_there() {
    let presence = presence(|_| ()).await;
    let (mut a, mut b) = (Gateway::start("a", GOOD).await, Gateway::start("b", GOOD).await);
    presence.bind(a.binds(1, "s")).await;
    presence.bind(b.binds(2, "t")).await;
    for (recipients, at_a) in [(&[2, 3, 1][..], &[1][..]), (&[1, 2], &[1])] {
        let request = DispatchEventsReq { events: vec![typing(recipients)] };
        let answer = presence.client.dispatch_events(&cx(), request).await.unwrap();
        assert!(answer.result.unwrap().is_ok());
        for (gateway, recipients) in [(&mut a, at_a), (&mut b, &[2])] {
            let Told::Events(told) = gateway.told().await else { panic!("not events") };
            assert_eq!(told.gateway_boot_id, format!("boot-{}", gateway.name));
            assert_eq!(told.events, [typing(recipients)]);
        }
    }
}

#[tokio::test]
async fn there_is_a_bound_to_the_events_of_one_request() {
    let presence = presence(|_| ()).await;
    let request = DispatchEventsReq { events: vec![typing(&[1]); 257] };
    let status = presence.client.dispatch_events(&cx(), request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}
