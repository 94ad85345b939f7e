//! im-presence as its callers see it: started on a free port, with gateways that are fakes.

mod gateway;
mod service;
