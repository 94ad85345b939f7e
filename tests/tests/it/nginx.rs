//! The shipped configuration of nginx, before two gateways of which one dies.

mod front;

use mpim_tests::{Instance, PASSWORD, Service, Stack, until};

use front::Front;

#[tokio::test]
async fn who_comes_through_nginx_goes_on_when_a_gateway_dies() {
    let Some(cluster) = Stack::cluster().await else { return };
    if !Front::is_installed() {
        return;
    }
    let mut stack = cluster.instances(2).behind_proxy().start().await;
    let front = Front::start(&stack).await;

    let mut ada = front.text().await;
    assert_eq!(ada.ask(&format!("REGISTER ada {PASSWORD}")).await, "+OK uid=1");
    let mut bob = front.text().await;
    assert_eq!(bob.ask(&format!("REGISTER bob {PASSWORD}")).await, "+OK uid=2");
    talk(&mut ada, &mut bob, "while both gateways live").await;
    front.heartbeats().await;
    front.web_socket_pings().await;
    assert_eq!(front.get("/api/openapi.json").await, 200);

    // The one that has ada, or that has bob: nginx spreads them.
    let dead = Instance { service: Service::Gateway, number: 1 };
    stack.kill(dead.name()).await;
    let mut came_back = 0;
    for (name, client) in [("ada", &mut ada), ("bob", &mut bob)] {
        if client.is_there().await {
            continue;
        }
        came_back += 1;
        until(&format!("{name} is back"), async || {
            let mut again = front.text().await;
            match again.ask(&format!("LOGIN {name} {PASSWORD}")).await {
                said if said.starts_with("+OK uid=") => {
                    *client = again;
                    Ok(())
                }
                said => Err(said),
            }
        })
        .await;
    }
    assert_eq!(came_back, 1, "each gateway had one of the two");
    talk(&mut ada, &mut bob, "after one has died").await;
    front.heartbeats().await;
    front.web_socket_pings().await;
    for _ in 0..20 {
        assert_eq!(front.get("/api/openapi.json").await, 200, "no request fails for it");
    }
    stack.restart(dead.name()).await;
    talk(&mut bob, &mut ada, "with both again").await;
}

/// Words from one to the other.
async fn talk(from: &mut front::Text, to: &mut front::Text, words: &str) {
    from.say(to.uid(), words).await;
    to.hears(words).await;
}
