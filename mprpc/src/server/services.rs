//! What a server serves, by the names that the two wires use.

use std::collections::HashMap;

use bytes::Bytes;

use crate::service::Call;
use crate::{Context, Service, ServiceDescriptor, Status};

/// A method that can be called.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    service: Service,
    index: usize,
}

impl Method {
    pub(crate) fn call(&self, cx: Context, request: Bytes) -> Result<Call, Status> {
        self.service.call(self.index, cx, request)
    }

    pub(crate) fn path(&self) -> String {
        self.service.descriptor().path(self.index)
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
        let descriptor = service.descriptor();
        for (index, name) in descriptor.methods.iter().enumerate() {
            let method = Method { service: service.clone(), index };
            self.by_path.insert(descriptor.path(index), method.clone());
            let short_path = format!("{}/{name}", descriptor.short_name);
            self.by_short_path.entry(short_path).or_insert(method);
        }
        self.services.push(service);
    }

    /// By the path that the v2 wire carries: `package.Service/Method`.
    pub(crate) fn find(&self, path: &str) -> Option<Method> {
        self.by_path.get(path).cloned()
    }

    /// By the two names that the classic wire carries.
    pub(crate) fn find_short(&self, service: &str, method: &str) -> Option<Method> {
        self.by_short_path.get(&format!("{service}/{method}")).cloned()
    }

    pub(crate) fn descriptors(&self) -> impl Iterator<Item = &'static ServiceDescriptor> {
        self.services.iter().map(Service::descriptor)
    }
}
