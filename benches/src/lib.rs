//! Numbers about mprpc and MPIM that anyone can measure again, beside the programs they compete with.
//!
//! Two kinds of measurement live here. *Load programs* (`src/bin`) put a real process under load
//! and print one JSON line; `scripts/bench` runs them all and prints a table. *Criterion
//! benches* (`benches/`) time the codecs alone, in process.
//!
//! A ratio between two rows of one run means something on any machine; an absolute figure only
//! means something beside the other rows of its run. That is why every peer is built into the same
//! binary, with the same allocator, runtime, payload and clock:
//!
//! ```text
//! mpim-rpc-load server --listen 127.0.0.1:9700 --protocol tonic
//! mpim-rpc-load client --addr 127.0.0.1:9700 --protocol tonic \
//!     --connections 8 --in-flight 64 --payload 64 --seconds 5
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `load` | the loops: slots, warm-up, window, latencies |
//! | `pace` | calls at a fixed rate |
//! | `observed` | the recorder and the subscriber that mprpc is measured with |
//! | `peers` | one module per echo server and client: mprpc (both wires), tarpc, tonic, raw TCP |
//! | `idle` | the heap of mprpc's connections on which nothing happens |
//! | `plot` | the results as pictures |
//! | `usage` | what a process has used of CPU time |
//! | `stream` | one stream of large items |
//! | `report` | the JSON lines that the programs print |

pub mod idle;
pub mod load;
pub mod observed;
pub mod pace;
pub mod peers;
pub mod plot;
pub mod report;
pub mod stream;
pub mod usage;
