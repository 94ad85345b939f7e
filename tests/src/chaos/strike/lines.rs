//! Ways that are cut.

use tokio::time::sleep;

use super::{Scene, Spared, Struck};
use crate::chaos::chance::Chance;
use crate::{End, Instance, Layout, Line, Passage, Proxy, Service};

/// What becomes of a way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// Connections end, and new ones are refused or not.
    Parted(bool),
    /// Connections are reset, and new ones refused.
    Torn,
    /// Connections are reset, and new ones are possible at once.
    TornOnce,
    /// Nothing comes back.
    ShutDown,
    /// Nothing arrives.
    ShutUp,
    ShutBothWays,
    /// Everything is late by up to 300 ms.
    Late,
    /// An end comes back, while requests still arrive.
    HalfClosed,
}

impl Cut {
    /// Those between clients and a gateway. A way that is torn here would lose what its two ends have
    /// acknowledged to each other in the name of the client, as no network does.
    const OF_CLIENTS: [Self; 6] = [
        Self::Parted(false),
        Self::Parted(true),
        Self::ShutDown,
        Self::ShutUp,
        Self::ShutBothWays,
        Self::Late,
    ];

    /// Those between a gateway and clients who do not rely on what their systems acknowledge.
    const OF_ACKNOWLEDGING_CLIENTS: [Self; 3] = [Self::Torn, Self::TornOnce, Self::HalfClosed];

    /// Those between services.
    pub(super) const ALL: [Self; 7] = [
        Self::Torn,
        Self::TornOnce,
        Self::ShutDown,
        Self::ShutUp,
        Self::ShutBothWays,
        Self::Late,
        Self::HalfClosed,
    ];

    /// Cuts all of these for a while.
    pub(super) async fn last(self, proxies: &[&Proxy], chance: &mut Chance) {
        let late = Passage::Late(chance.ms(20..300));
        for proxy in proxies {
            match self {
                Self::Parted(refuses) => proxy.part(refuses),
                Self::Torn => proxy.tear(true),
                Self::TornOnce => proxy.tear(false),
                Self::ShutDown => proxy.treat(Passage::Open, Passage::Shut),
                Self::ShutUp => proxy.treat(Passage::Shut, Passage::Open),
                Self::ShutBothWays => proxy.treat(Passage::Shut, Passage::Shut),
                Self::Late => proxy.treat(late, late),
                Self::HalfClosed => proxy.half_close(),
            }
        }
        sleep(chance.ms(200..2_500)).await;
        for proxy in proxies {
            proxy.mend();
        }
    }
}

pub(super) async fn cut_clients(scene: &mut Scene<'_>) -> Struck {
    cut_from_clients(scene, &Cut::OF_CLIENTS).await
}

pub(super) async fn reset_clients(scene: &mut Scene<'_>) -> Struck {
    cut_from_clients(scene, &Cut::OF_ACKNOWLEDGING_CLIENTS).await
}

async fn cut_from_clients(scene: &mut Scene<'_>, cuts: &[Cut]) -> Struck {
    let number = 1 + scene.chance.below(scene.arena.instances());
    let gateway = End::Instance(Instance { service: Service::Gateway, number });
    let proxies = scene.arena.proxies(|line| line.from == End::Clients && line.to == gateway);
    let cut = *scene.chance.pick(cuts);
    cut.last(&proxies, scene.chance).await;
    Struck::now(format!("clients of gateway {number}: {cut:?}"))
        .spares(Spared::AtOtherGateways(number))
}

pub(super) async fn cut_service(scene: &mut Scene<'_>) -> Struck {
    let service = *scene.chance.pick(&Service::ALL);
    let number = 1 + scene.chance.below(scene.arena.instances());
    let instance = Instance { service, number };
    let end = End::Instance(instance);
    // Of a gateway among the five, the pushes to it, its own calls, or both.
    let (in_too, out_too) = *scene.chance.pick(&[(true, true), (true, false), (false, true)]);
    let five = scene.arena.stack.layout() == Layout::Five;
    let concerned = |line: &Line| {
        let comes_in = line.to == end && line.from != End::Clients;
        let goes_out = line.from == end && matches!(line.to, End::Instance(_));
        comes_in && (in_too || !five || service != Service::Gateway) || goes_out && out_too
    };
    let proxies = scene.arena.proxies(concerned);
    let cut = *scene.chance.pick(&Cut::ALL);
    cut.last(&proxies, scene.chance).await;
    Struck::now(format!("{} with {} ways: {cut:?}", instance.name(), proxies.len()))
}
