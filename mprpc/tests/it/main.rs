//! mprpc over real sockets, through its public API.

mod classic;
mod instances;
mod leaving;
mod support;
mod v2;
