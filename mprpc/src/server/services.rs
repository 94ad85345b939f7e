//! What a server serves, by the names that the two wires use.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use crate::interceptor::Interceptors;
use crate::meter::{self, Meters, MethodMeter};
use crate::service::{Call, Kind};
use crate::stream::Opened;
use crate::wire::v2::compression::Body;
use crate::{Context, Service, ServiceDescriptor, Status};

/// A method that can be called. Each call has a clone, and so keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Method(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: Service,
    index: usize,
    kind: Kind,
    about_server: bool,
    interceptors: Interceptors,
    meter: Arc<MethodMeter>,
}

impl Deref for Method {
    type Target = MethodMeter;

    fn deref(&self) -> &MethodMeter {
        &self.0.meter
    }
}

impl Method {
    fn new(service: Service, index: usize, about_server: bool) -> Self {
        let kind = service.kind(index);
        let meter = Arc::new(MethodMeter::new(service.descriptor(), index));
        let interceptors = Interceptors::default();
        Self(Arc::new(Inner { service, index, kind, about_server, interceptors, meter }))
    }

    /// The same, whose calls go through `interceptors`.
    fn intercepted_by(&self, interceptors: &Interceptors) -> Self {
        self.with(self.0.service.clone(), interceptors.clone())
    }

    /// The same, with counts of references that no other connection touches.
    fn for_connection(&self) -> Self {
        self.with(self.0.service.for_connection(), self.0.interceptors.clone())
    }

    fn with(&self, service: Service, interceptors: Interceptors) -> Self {
        let Inner { index, kind, about_server, .. } = *self.0;
        let meter = Arc::clone(&self.0.meter);
        Self(Arc::new(Inner { service, index, kind, about_server, interceptors, meter }))
    }

    /// Decodes the request and makes the handler, which gets the stream of a call that has one. An
    /// error is of a call whose handler does not begin.
    pub(super) fn handle(
        &self,
        cx: Context,
        request: Body,
        opened: Option<Opened>,
    ) -> Result<Call, Status> {
        let damaged = |error| {
            let text = format!("the request of {} is {error}", self.path());
            Status::invalid_argument(text)
        };
        let request = request.inflate().map_err(damaged)?;
        let Inner { service, index, .. } = &*self.0;
        let begun = match opened {
            None => service.call(*index, cx, request),
            Some(opened) => service.call_streaming(*index, cx, opened, request),
        };
        begun.map_err(Status::not_executed)
    }

    pub(super) fn descriptor(&self) -> &'static ServiceDescriptor {
        self.0.service.descriptor()
    }

    /// Its index in the service.
    pub(super) fn index(&self) -> usize {
        self.0.index
    }

    pub(super) fn interceptors(&self) -> &Interceptors {
        &self.0.interceptors
    }

    /// Whether it is taken also when the server is full: who asks how it does is told.
    pub(crate) fn is_always_taken(&self) -> bool {
        self.0.about_server && self.0.kind == Kind::Unary
    }

    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The answer to a call that takes the method for what it is not.
    pub(crate) fn is_of_another_kind(&self) -> Status {
        let is = match self.0.kind {
            Kind::Unary => "does not stream",
            Kind::ClientStreaming => "streams its requests and gives one answer",
            Kind::ServerStreaming => "takes one request and streams its answer",
            Kind::Bidirectional => "streams its requests and its answer",
        };
        Status::unimplemented(format!("{} {is}; it was called as if it did not", self.path()))
            .not_executed()
    }

    pub(crate) fn path(&self) -> String {
        self.descriptor().path(self.0.index)
    }
}

/// The services of a server.
#[derive(Debug, Default)]
pub(crate) struct Services {
    services: Vec<Service>,
    by_path: HashMap<String, Method>,
    /// By `Service/Method`. Two packages' services of one short name share an entry: the first.
    by_short_path: HashMap<String, Method>,
}

impl Services {
    pub(crate) fn add(&mut self, service: Service) {
        self.index(&service, false);
        self.services.push(service);
    }

    /// Adds one that is asked of this server, rather than of any that serves it, unless it is there.
    pub(crate) fn add_unannounced(&mut self, service: &Service) {
        let name = service.descriptor().full_name;
        if self.services.iter().all(|there| there.descriptor().full_name != name) {
            self.index(service, true);
        }
    }

    fn index(&mut self, service: &Service, about_server: bool) {
        let descriptor = service.descriptor();
        for (index, name) in descriptor.methods.iter().enumerate() {
            let method = Method::new(service.clone(), index, about_server);
            self.by_path.insert(descriptor.path(index), method.clone());
            let short_path = format!("{}/{name}", descriptor.short_name);
            self.by_short_path.entry(short_path).or_insert(method);
        }
    }

    /// Takes the calls of every method through `interceptors`.
    pub(super) fn intercept(&mut self, interceptors: &Interceptors) {
        for method in self.by_path.values_mut().chain(self.by_short_path.values_mut()) {
            *method = method.intercepted_by(interceptors);
        }
    }

    /// What counts the calls of all methods, to be published.
    pub(super) fn meters(&self) -> Meters {
        let meters = self.by_path.values().map(|method| Arc::clone(&method.0.meter));
        Meters::new(&meter::SERVER, meters)
    }

    /// By the path that the v2 wire carries: `package.Service/Method`. For the calls of one
    /// connection.
    pub(crate) fn find(&self, path: &str) -> Option<Method> {
        self.by_path.get(path).map(Method::for_connection)
    }

    /// By the two names that the classic wire carries.
    pub(crate) fn find_short(&self, service: &str, method: &str) -> Option<Method> {
        self.by_short_path.get(&format!("{service}/{method}")).cloned()
    }

    /// What is to be announced.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = &'static ServiceDescriptor> {
        self.services.iter().map(Service::descriptor)
    }
}
