//! Whatever arrives on a port or stands in a registry: a clear status or a closed connection, one
//! log line, one counter; no effect on others.

mod bytes;
mod memory;
mod registries;
mod server_classic;
mod server_v2;
mod to_a_client;
mod to_a_server;
