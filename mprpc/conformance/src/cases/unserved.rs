//! Calls to what is not there.

use mprpc::{Code, ServiceDescriptor};

use super::failure::{Failure, failed};
use super::{Peer, call};
use crate::Empty;

/// Has no such method.
static NO_SUCH_METHOD: ServiceDescriptor = ServiceDescriptor {
    full_name: "mprpc.conformance.TestService",
    short_name: "TestService",
    methods: &["UnimplementedCall"],
};

/// Is not there at all.
pub(super) static NO_SUCH_SERVICE: ServiceDescriptor = ServiceDescriptor {
    full_name: "mprpc.conformance.UnimplementedService",
    short_name: "UnimplementedService",
    methods: &["UnimplementedCall"],
};

pub(super) async fn unimplemented_method(peer: Peer) -> Result<(), Failure> {
    is_refused(&peer, &NO_SUCH_METHOD).await
}

pub(super) async fn unimplemented_service(peer: Peer) -> Result<(), Failure> {
    is_refused(&peer, &NO_SUCH_SERVICE).await
}

async fn is_refused(peer: &Peer, descriptor: &'static ServiceDescriptor) -> Result<(), Failure> {
    let service = peer.channel.service(descriptor);
    // Each time: the second call names its method by number alone.
    for _ in 0..2 {
        let outcome = service.unary::<_, Empty>(&call(), 0, &Empty {}).await;
        failed(outcome, Code::Unimplemented)?;
    }
    super::unary::empty_unary(peer.clone()).await
}
