//! How a stack is to be started.

use std::fmt;

use super::servers::Owner;
use super::{Layout, PortTaken, STARTS_MAX, Service, Stack};

/// How a stack is to be started.
#[derive(Clone, Debug)]
pub struct StackBuilder {
    pub(super) layout: Layout,
    pub(super) instances: usize,
    pub(super) owner: Owner,
    pub(super) streams: bool,
    pub(super) watched: bool,
    pub(super) apart: bool,
    pub(super) lines: bool,
    pub(super) traced: bool,
    pub(super) clocks: bool,
    pub(super) behind_proxy: bool,
    pub(super) settings: Vec<(Option<Service>, &'static str, String)>,
}

impl StackBuilder {
    /// Sets a key of a service's configuration, `text.line_bytes_max`.
    #[must_use]
    pub fn set(mut self, service: Service, key: &'static str, value: impl fmt::Display) -> Self {
        self.settings.push((Some(service), key, value.to_string()));
        self
    }

    /// Sets a key that every process has, `log.filter`.
    #[must_use]
    pub fn set_everywhere(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.settings.push((None, key, value.to_string()));
        self
    }

    /// Lets programs of this machine call on the classic wire, as those of the original system do.
    #[must_use]
    pub fn classic_callers(self) -> Self {
        self.set_everywhere("classic.allow", r#"["127.0.0.0/8"]"#)
    }

    /// Has the gateways believe a proxy of this machine, through which clients of text lines and of frames
    /// have to come: [`Stack::connect`] does not.
    #[must_use]
    pub fn behind_proxy(mut self) -> Self {
        self.behind_proxy = true;
        self.set(Service::Gateway, "proxy.trusted", r#"["127.0.0.1"]"#)
            .set(Service::Gateway, "text.proxy", true)
            .set(Service::Gateway, "frames.proxy", true)
    }

    /// In what shape it is to run.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Runs that many of each service. Only a cluster can.
    ///
    /// # Panics
    /// When it is another layout.
    #[must_use]
    pub fn instances(mut self, instances: usize) -> Self {
        assert_eq!(self.layout, Layout::Cluster, "one instance of each service");
        self.instances = instances;
        self
    }

    /// Has pushes carried by Redis Streams. Only a cluster can.
    #[must_use]
    pub fn streams(mut self) -> Self {
        self.streams = true;
        self
    }

    /// Has a replica beside its Redis, and sentinels that make it the master when that is gone. Only a
    /// cluster can.
    #[must_use]
    pub fn watched(mut self) -> Self {
        self.watched = true;
        self
    }

    /// Gives each part of im-presence a process of its own: im-presence, im-routing, im-dispatch,
    /// im-connections. The five and a cluster without lines can.
    ///
    /// # Panics
    /// When it is another layout.
    #[must_use]
    pub fn apart(mut self) -> Self {
        assert_ne!(self.layout, Layout::Embedded, "one process");
        self.apart = true;
        self
    }

    /// Has proxies between those who take part: see [`Stack::lines`].
    #[must_use]
    pub fn with_lines(mut self) -> Self {
        self.lines = true;
        self
    }

    /// Gives each process a clock that can be made wrong: see [`Stack::set_clock`]. Takes a C compiler.
    #[must_use]
    pub fn with_clocks(mut self) -> Self {
        self.clocks = true;
        self
    }

    /// Has `strace` write down the system calls that matter for durability: see [`Stack::trace`]. Only
    /// the one process can.
    ///
    /// # Panics
    /// When it is another layout.
    #[must_use]
    pub fn traced(mut self) -> Self {
        assert_eq!(self.layout, Layout::Embedded, "one process");
        self.traced = true;
        self
    }

    /// Starts it and waits until every port answers.
    ///
    /// # Panics
    /// When it does not within the deadline.
    pub async fn start(self) -> Stack {
        let mut taken = String::new();
        for _ in 0..STARTS_MAX {
            match Stack::try_start(&self).await {
                Ok(stack) => return stack,
                Err(PortTaken(log)) => taken = log,
            }
        }
        panic!("in {STARTS_MAX} starts a port was taken:\n{taken}");
    }
}
