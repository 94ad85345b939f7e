//! MariaDB, Redis and ZooKeeper of a cluster.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::lines::Cut;
use super::processes::start_again;
use super::{Scene, Spared, Struck};
use crate::chaos::arena::ZOOKEEPER_SESSION_MS;
use crate::{DEADLINE, End, Instance, Passage, Service};

pub(super) async fn mariadb_killed(scene: &mut Scene<'_>) -> Struck {
    scene.arena.stack.servers().mariadb().kill().await;
    sleep(scene.chance.ms(0..1_500)).await;
    scene.arena.stack.servers().mariadb().start_again().await;
    Struck::now("MariaDB")
}

pub(super) async fn mariadb_slow(scene: &mut Scene<'_>) -> Struck {
    let by = scene.chance.ms(50..250);
    let proxies = scene.arena.proxies(|line| line.to == End::MariaDb);
    proxies.iter().for_each(|proxy| proxy.treat(Passage::Late(by), Passage::Late(by)));
    sleep(scene.chance.ms(1_000..4_000)).await;
    proxies.iter().for_each(|proxy| proxy.mend());
    Struck::now(format!("MariaDB, {by:.0?} late each way"))
}

pub(super) async fn mariadb_cut(scene: &mut Scene<'_>) -> Struck {
    let service = *scene.chance.pick(&[Service::User, Service::Message, Service::Group]);
    let number = 1 + scene.chance.below(scene.arena.instances());
    let instance = Instance { service, number };
    let from = End::Instance(instance);
    let proxies = scene.arena.proxies(|line| line.from == from && line.to == End::MariaDb);
    let cut = *scene.chance.pick(&Cut::ALL);
    cut.last(&proxies, scene.chance).await;
    Struck::now(format!("{} to MariaDB: {cut:?}", instance.name()))
}

/// The next COMMIT of an instance of im-message, or the answer to it, does not come through.
pub(super) async fn commit_lost(scene: &mut Scene<'_>) -> Struck {
    let number = 1 + scene.chance.below(scene.arena.instances());
    let instance = Instance { service: Service::Message, number };
    let (arrives, dies) = (scene.chance.coin(), scene.chance.coin());
    let from = End::Instance(instance);
    let line = scene.arena.proxies(|line| line.from == from && line.to == End::MariaDb);
    let sprung: Vec<_> = line.iter().map(|proxy| proxy.tear_at("COMMIT", arrives)).collect();
    for sprung in sprung {
        // A lane may have nothing to commit, as all conversations may fall to the other instance.
        let _ = timeout(DEADLINE / 60, sprung).await;
    }
    let what = if arrives { "the answer to COMMIT" } else { "COMMIT" };
    if !dies {
        return Struck::now(format!("{what} of {}", instance.name())).spares(Spared::Everybody);
    }
    let process = scene.arena.process_of(Service::Message, number);
    scene.arena.stack.kill(&process).await;
    let struck = start_again(scene.arena, &[process]).await;
    Struck { hit: format!("{what} of {}, which was killed", instance.name()), ..struck }
}

pub(super) async fn redis_wiped(scene: &mut Scene<'_>) -> Struck {
    scene.arena.stack.servers().redis().kill().await;
    sleep(scene.chance.ms(0..2_000)).await;
    let healed = Instant::now();
    scene.arena.stack.servers().redis().start_again().await;
    Struck { healed, ..Struck::now("Redis").spares(Spared::Everybody) }
}

pub(super) async fn redis_frozen(scene: &mut Scene<'_>) -> Struck {
    scene.arena.stack.servers().redis().pause();
    sleep(scene.chance.ms(200..3_000)).await;
    scene.arena.stack.servers().redis().resume();
    Struck::now("Redis").spares(Spared::Everybody)
}

pub(super) async fn zookeeper_down(scene: &mut Scene<'_>) -> Struck {
    scene.arena.stack.servers().zookeeper().kill().await;
    sleep(scene.chance.ms(0..6_000)).await;
    scene.arena.stack.servers().zookeeper().start_again().await;
    Struck::now("ZooKeeper").spares(Spared::Everybody)
}

pub(super) async fn session_expired(scene: &mut Scene<'_>) -> Struck {
    let service = *scene.chance.pick(&Service::ALL);
    let number = 1 + scene.chance.below(scene.arena.instances());
    let instance = Instance { service, number };
    let from = End::Instance(instance);
    let proxies = scene.arena.proxies(|line| line.from == from && line.to == End::ZooKeeper);
    proxies.iter().for_each(|proxy| proxy.treat(Passage::Shut, Passage::Shut));
    let more = scene.chance.ms(500..2_000);
    sleep(Duration::from_millis(ZOOKEEPER_SESSION_MS) + more).await;
    proxies.iter().for_each(|proxy| proxy.mend());
    Struck::now(instance.name()).spares(Spared::Everybody)
}
